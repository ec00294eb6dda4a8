"""Re-age folders of photos: resumable, in several processes, with a table of results.

inputs.py finds the photos, work.py edits one, workers.py has several processes do it, journal.py
remembers what is done, manifest.py writes the tables, run.py puts them together.
"""
