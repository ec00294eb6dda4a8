"""Encoders: a face's picture to its code."""
