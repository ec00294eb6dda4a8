"""Latent codes of real faces: inversion, tuning, mixing, files."""
