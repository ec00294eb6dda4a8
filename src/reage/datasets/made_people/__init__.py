"""Datasets of people who do not exist, each at many ages: `reage synthesize`.

options.py says what is asked, maker.py draws people and their pictures, conditions.py varies the
pictures, recogniser.py tells people apart, journal.py remembers what is done, pair_lists.py and
measurements.py make the pair lists and the figures, card.py writes the card, run.py runs it all.
"""
