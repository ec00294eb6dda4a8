"""Generators of NVIDIA's code: network pickles, and modules that PTI saved."""
