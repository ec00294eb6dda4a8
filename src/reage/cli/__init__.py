"""The command line: thin shells over the library. Nothing heavy is imported before a command."""

from reage.cli.main import main

__all__ = ["main"]
