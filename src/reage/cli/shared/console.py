"""What a command tells, and where: results on stdout, notes on stderr, nothing with --quiet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import click

from reage.notices import merge_notices, one_line

__all__ = [
    "add_telling",
    "detail",
    "emit",
    "json_option",
    "note",
    "note_each",
    "quiet",
    "say",
    "take_stdout",
    "tell",
]

# Keys of click's context, which all groups and commands of one run share.
QUIET, VERBOSE, JSON, TAKEN = (f"reage.{name}" for name in ("quiet", "verbose", "json", "taken"))


def _flag(key: str, *names: str, help: str) -> click.Option:
    def keep(context: click.Context, _: click.Parameter, given: bool) -> None:
        if given:
            context.meta[key] = True

    return click.Option(names, is_flag=True, expose_value=False, callback=keep, help=help)


def add_telling(command: click.Command) -> click.Command:
    """Add --quiet and --verbose to a command, once."""
    if not any(parameter.name == "quiet" for parameter in command.params):
        command.params += [
            _flag(QUIET, "-q", "--quiet", help="Tell nothing but errors and what was asked for."),
            _flag(VERBOSE, "-v", "--verbose", help="Tell the model, the device and the times too."),
        ]
    return command


def json_option(command: Any) -> Any:
    """Add --json."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=lambda context, _, given: context.meta.update({JSON: given}),
        help="Write the report to stdout: one JSON object in a line for each input.",
    )(command)


def take_stdout() -> None:
    """Keep stdout for a picture; all else goes to stderr."""
    click.get_current_context().meta[TAKEN] = True


def quiet() -> bool:
    """Return whether nothing is to be told."""
    return _is(QUIET)


def say(line: str) -> None:
    """Tell of a result, such as a file."""
    if not (_is(QUIET) or _is(JSON)):
        click.echo(one_line(line), err=_is(TAKEN))


def tell(line: str) -> None:
    """Tell what was asked for, with --quiet too."""
    if not _is(JSON):
        click.echo(one_line(line), err=_is(TAKEN))


def note(line: str) -> None:
    """Tell what the user should know, which is not an error."""
    if not _is(QUIET):
        click.echo(f"note: {one_line(line)}", err=True)


def note_each(lines: Iterable[str]) -> None:
    """Tell notices; what several files lose in the same way is one line."""
    for line in merge_notices(lines):
        note(line)


def detail(line: str) -> None:
    """Tell what only --verbose asks for."""
    if _is(VERBOSE):
        click.echo(line, err=True)


def emit(report: Mapping[str, Any]) -> None:
    """Write a report as one line of JSON, where --json asks for it."""
    if _is(JSON):
        click.echo(json.dumps(report), err=_is(TAKEN))


def _is(key: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(key))
