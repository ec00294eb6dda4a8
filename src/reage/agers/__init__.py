"""Agers: what changes a face along age, one file a kind; add yours beside them."""
