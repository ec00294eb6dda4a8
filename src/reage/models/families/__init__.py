"""Checkpoints of other programs: a folder a family, a row of the table each."""
