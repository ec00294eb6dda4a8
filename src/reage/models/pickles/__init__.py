"""Pickles read without running them, and written for programs that run theirs."""
