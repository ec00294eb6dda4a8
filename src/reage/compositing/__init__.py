"""Render the change of a face into its photo at full size."""
