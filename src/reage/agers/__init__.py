"""Agers change a face along age. Each kind has one file; add yours beside them."""
