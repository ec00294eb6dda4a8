"""Training of agers."""
