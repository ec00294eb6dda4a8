"""Models: their files, the table of known ones, and the way in for foreign formats."""
