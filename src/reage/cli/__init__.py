"""The command line: thin shells over the library. Heavy modules load only inside a command."""

from reage.cli.main import main

__all__ = ["main"]
