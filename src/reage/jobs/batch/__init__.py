"""Folders of photos at other ages: resumable, by several processes, with a table of what came out.

inputs.py finds the photos, work.py edits one, workers.py has several processes do it, journal.py
remembers what is done, manifest.py writes the tables, run.py puts them together.
"""
