"""Options that are numbers, read strictly: finite, in ASCII digits, of a sane length."""

from __future__ import annotations

from typing import Any

import click

from reage.numbers import read_real, read_whole

__all__ = ["read_strictly"]

LOWEST = -(2**63)


class _Real:
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and read_real(value) is None:
            raise click.BadParameter(f"{value!r:.60} is not a number.", ctx, param)
        return super().convert(value, param, ctx)  # type: ignore[misc]


class _Whole:
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and read_whole(value, LOWEST) is None:
            raise click.BadParameter(f"{value!r:.60} is not a whole number.", ctx, param)
        return super().convert(value, param, ctx)  # type: ignore[misc]


class Real(_Real, click.types.FloatParamType): ...


class RealRange(_Real, click.FloatRange): ...


class Whole(_Whole, click.types.IntParamType): ...


class WholeRange(_Whole, click.IntRange): ...


STRICT: dict[type[click.ParamType], type[click.ParamType]] = {
    click.types.FloatParamType: Real,
    click.FloatRange: RealRange,
    click.types.IntParamType: Whole,
    click.IntRange: WholeRange,
}


def read_strictly(command: click.Command) -> click.Command:
    """Let a command, and those in it, read numbers strictly: click takes nan and 1_0."""
    for param in command.params:
        strict = STRICT.get(type(param.type))
        if strict is not None:
            kind = object.__new__(strict)
            vars(kind).update(vars(param.type))
            param.type = kind
    for inner in getattr(command, "commands", {}).values():
        read_strictly(inner)
    return command
