"""Datasets of people who do not exist, each at many ages: `reage synthesize`.

options.py says what is asked, maker.py draws people and their pictures, conditions.py varies the
pictures, recognising.py tells people apart, journal.py remembers what is done, pairing.py and
measuring.py make the pair lists and the figures, card.py writes them up, run.py puts them together.
"""
