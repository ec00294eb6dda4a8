"""Latent codes of real faces: found, tuned, mixed, kept in files."""
