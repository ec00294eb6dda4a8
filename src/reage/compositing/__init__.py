"""Pixels at full size: the change of a face put into its photo."""
