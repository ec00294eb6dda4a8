"""The command `reage`: its group, its arguments and its errors."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import click

import reage
from reage.cli.shared.console import add_telling
from reage.errors import ReageError, UsageError
from reage.memory import keep_memory
from reage.notices import one_line

__all__ = ["cli", "main"]

# Options that take several values after one name: `--to 20 40 60`.
SEVERAL = {"--to": re.compile(r"^(\d+=)?\d+(\.\d+)?$")}

# In the order of `reage --help`.
GROUPS = {
    "Use": {
        "edit": ("reage.cli.edit.photos", "edit"),
        "age": ("reage.cli.edit.age", "age"),
        "batch": ("reage.cli.edit.batch", "batch"),
        "video": ("reage.cli.edit.video", "video"),
    },
    "Make": {
        "strip": ("reage.cli.outputs.strip", "strip"),
        "animate": ("reage.cli.outputs.animate", "animate"),
        "sheet": ("reage.cli.outputs.sheet", "sheet"),
        "mix": ("reage.cli.outputs.mix", "mix"),
        "synthesize": ("reage.cli.outputs.synthesize", "synthesize"),
    },
    "Serve": {"serve": ("reage.cli.outputs.serve", "serve")},
    "Research": {
        "models": ("reage.cli.research.models", "models"),
        "convert": ("reage.cli.research.models", "convert"),
        "export": ("reage.cli.research.export", "export"),
        "evaluate": ("reage.cli.research.evaluate", "evaluate"),
        "head-sheet": ("reage.cli.research.head_sheet", "head_sheet"),
        "project": ("reage.cli.research.project", "project"),
        "prepare": ("reage.cli.research.prepare", "prepare"),
        "train": ("reage.cli.research.train", "train"),
        "fit": ("reage.cli.research.fit", "fit"),
        "fit-detail": ("reage.cli.research.fit_detail", "fit_detail"),
        "people": ("reage.cli.research.people", "people"),
    },
}
COMMANDS = {name: place for group in GROUPS.values() for name, place in group.items()}


class LazyGroup(click.Group):
    """A group that imports commands on use, and lists them by what they are for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        import importlib

        from reage.cli.shared.numbers import read_strictly
        from reage.cli.shared.values import refuse_names

        module, name = COMMANDS[cmd_name]
        command = add_telling(getattr(importlib.import_module(module), name))
        return refuse_names(read_strictly(command))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, names in GROUPS.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            rows = [
                (name.ljust(width), command.get_short_help_str(formatter.width - width - 6))
                for name, command in found
                if command is not None
            ]
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(reage.__version__, prog_name="reage")
def cli() -> None:
    """Show a person at another age: the same photo, in place, at full size.

    \b
    reage edit portrait.jpg --to 70       writes portrait-age70.jpg
    reage age portrait.jpg                reads how old the faces look
    """
    try:
        os.getcwd()
    except OSError as error:  # torch's libraries end the process where there is none
        raise ReageError(
            "the current folder is gone, or may not be read: change to another one (cd)"
        ) from error


add_telling(cli)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; exit 0, 1 (unusable input) or 2 (wrong usage)."""
    # OpenMP's threads spin for milliseconds when they wait: on a machine that has other work, an
    # inversion then takes minutes. So short a spin wins as much on an idle one. It has to be said
    # before torch loads OpenMP.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    keep_memory()
    _open_streams()
    _silence_libraries()
    if isinstance(sys.stdout, io.TextIOWrapper):  # as stderr is: file names may be any bytes
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = spread_values(sys.argv[1:] if argv is None else argv)
    try:
        with _ended_cleanly():
            status = cli.main(args=arguments, prog_name="reage", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        status = 2
    except click.UsageError as error:
        command = "reage" if error.ctx is None else error.ctx.command_path
        hint = _dashed_file(arguments) or f"{command} --help"
        _complain(f"{error.format_message()} ({hint})")
        status = 2
    except click.Abort:
        status = 130
    except KeyboardInterrupt:
        _complain("interrupted")
        status = 130
    except UsageError as error:
        _complain(str(error))
        status = 2
    except ReageError as error:
        _complain(str(error))
        status = 1
    except MemoryError:
        _complain("the machine's memory is full; use a smaller picture")
        status = 1
    except OSError as error:
        _complain(_system_error(error))
        status = 1
    sys.exit(_flush_output(status if isinstance(status, int) else 0))


def _dashed_file(arguments: Sequence[str]) -> str:
    """Say how a file is given whose name is read as options; nothing if there is none."""
    names = [
        name for name in arguments if len(name) > 1 and name[0] == "-" and os.path.exists(name)
    ]
    return f"the file {names[0]} is given as .{os.sep}{names[0]}" if names else ""


@contextmanager
def _ended_cleanly() -> Iterator[None]:
    """Let SIGTERM undo what is half done, as Ctrl-C does; a second one ends at once."""
    if threading.current_thread() is not threading.main_thread():  # no other hears of signals
        yield
        return

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _open_streams() -> None:
    """Let standard streams that are closed lead nowhere.

    Else the next files that open get their numbers, and what libraries tell goes into them.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            stream = open(number, "w" if number else "r", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _silence_libraries() -> None:
    """Keep warnings and logs of libraries, of many lines each, from standing beside our own."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())


def _system_error(error: OSError) -> str:
    """Name what the system refused; without a file, it is standard output."""
    if error.filename is not None:
        return f"{error.filename} cannot be used: {error.strerror}"
    return f"the output cannot be written: {error.strerror or error}"


def _flush_output(status: int) -> int:
    """Write what is left to say. A full disk or a closed pipe ends in one line, too."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if status == 0:
            _complain(_system_error(error))
        status = status or 1
        with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())  # nothing is left for Python's exit
    return status


def spread_values(arguments: Sequence[str]) -> list[str]:
    """Repeat the option before each of its values: `--to 20 40` is `--to 20 --to 40`."""
    spread: list[str] = []
    option: str | None = None
    waiting = False
    for argument in arguments:
        if argument in SEVERAL:
            option = argument
            waiting = True
            spread.append(argument)
        elif option and (waiting or SEVERAL[option].match(argument)):
            spread += [argument] if waiting else [option, argument]
            waiting = False
        else:
            option = None
            spread.append(argument)
    return spread


def _complain(message: str) -> None:
    with suppress(OSError):  # a full disk: the exit code still says it
        click.echo(f"reage: {one_line(message)}", err=True)
