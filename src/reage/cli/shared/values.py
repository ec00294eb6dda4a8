"""Values of options: none is the name of another option."""

from __future__ import annotations

from typing import Any

import click

from reage.errors import UsageError

__all__ = ["refuse_names"]


def refuse_names(command: click.Command) -> click.Command:
    """Refuse an option's name as the value of the one before it, which click would take.

    `--layers --overwrite` would write into a folder "--overwrite".
    """
    names = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    for param in command.params:
        if isinstance(param, click.Option) and not param.is_flag and param.callback is None:
            param.callback = _Check(names | {"-h", "--help"})
    for inner in getattr(command, "commands", {}).values():
        refuse_names(inner)
    return command


class _Check:
    def __init__(self, names: set[str]):
        self.names = names

    def __call__(self, _: click.Context, param: click.Parameter, value: Any) -> Any:
        for one in value if isinstance(value, tuple) else (value,):
            if str(one) in self.names:
                raise UsageError(f"{param.opts[0]} needs a value, and {one} is an option")
        return value
