"""Evaluate a model: an offline report on its pictures, its inversions and its ages.

    editor + dataset + portraits -> samples, inversion, ageing, pairs -> Report -> report.md, .json

metrics.py is arithmetic. judges.py loads networks that are independent of the edit, looks.py holds
what they measure in one picture. Each section has its own file; report.py writes the text.
"""
