"""How good a model is: one report of its pictures, its inversions and its ages, made offline.

    editor + dataset + portraits -> samples, inversion, ageing, pairs -> Report -> report.md, .json

metrics.py is arithmetic, judges.py reads pictures with networks that stand outside the edit,
looks.py is what they see in one picture; each section has its own file, and report.py the words.
"""
