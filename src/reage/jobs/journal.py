"""Work that may be killed at any time and then goes on: what is done, as JSON lines on disk.

Of what a killed run wrote, everything from the first line that is not whole is cut off.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self, TypeVar

from reage.errors import ReageError
from reage.files import write_file

__all__ = [
    "JsonLines",
    "Place",
    "WorkFolder",
    "check_options",
    "differences",
    "json_line",
    "write_all",
]

OPTIONS, RECORDS, READY = "options.json", "records.jsonl", "ready"
Place = tuple[int, int]  # of bytes in a file: offset and count
Parsed = TypeVar("Parsed")


class JsonLines:
    """A file that one process at a time adds lines to; ReageError `busy` where another one does."""

    def __init__(self, path: Path, busy: str):
        self._file: BinaryIO = path.open("a+b", buffering=0)
        if not _locked(self._file):
            self.close()
            raise ReageError(busy)

    def close(self) -> None:
        """Let another process have it."""
        self._file.close()

    def add(self, values: Mapping[str, Any]) -> None:
        """Write one line."""
        write_all(self._file, json_line(values))

    def take_up(self, parse: Callable[[Any], Parsed]) -> list[Parsed]:
        """Read what earlier runs wrote, up to what is torn or what `parse` cannot read."""
        known, whole = [], 0
        self._file.seek(0)
        for line in self._file.read().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            try:
                known.append(parse(json.loads(line)))
            except (ValueError, KeyError, TypeError):
                break
            whole += len(line)
        self._file.truncate(whole)
        return known


class WorkFolder:
    """A dataset in the making: records and the pictures they name; a context manager.

    OUTPUT/.COMMAND/options.json   what the work was begun with
    OUTPUT/.COMMAND/records.jsonl  lines, each written after its pictures
    OUTPUT/.COMMAND/STORE          encoded pictures, one after the other
    OUTPUT/.COMMAND/ready/         the finished files, before they are moved
    """

    command: ClassVar[str]  # of reage, whose work it is
    store: ClassVar[str]  # the file of its pictures

    def __init__(self, output: Path, described: Mapping[str, Any]):
        self.output, self.folder = output, output / f".{self.command}"
        self.ready = self.folder / READY
        self.folder.mkdir(parents=True, exist_ok=True)
        instead = f"another --output, or delete {self.folder} to begin anew"
        check_options(self.folder / OPTIONS, described, output, instead)
        busy = f"another reage {self.command} is working in {output}"
        self._lines = JsonLines(self.folder / RECORDS, busy)
        self._pictures: BinaryIO = (self.folder / self.store).open("a+b", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.close()
        self._pictures.close()

    @classmethod
    def check_output(cls, output: Path) -> None:
        """Raise ReageError where a dataset or anything else is in the way."""
        shutil.rmtree(output / f".{cls.command}-done", ignore_errors=True)
        if output.exists() and not output.is_dir():
            raise ReageError(f"{output} is a file; give a folder for the dataset")
        unfinished = (output / f".{cls.command}").is_dir()
        if output.is_dir() and not unfinished and any(output.iterdir()):
            raise ReageError(f"{output} is not empty: give another --output, or delete it first")

    def take_up(
        self, parse: Callable[[Any], Parsed], places: Callable[[Parsed], Iterable[Place]]
    ) -> list[Parsed]:
        """Read the records of earlier runs, and cut off what those did not finish."""
        stored, end = self._pictures.seek(0, os.SEEK_END), 0

        def checked(values: Any) -> Parsed:
            nonlocal end
            record = parse(values)
            last = max((offset + size for offset, size in places(record)), default=0)
            if last > stored:
                raise ValueError("a picture that is not there, after a power cut")
            end = max(end, last)
            return record

        records = self._lines.take_up(checked)
        self._pictures.truncate(end)
        return records

    def add_picture(self, encoded: bytes) -> Place:
        """Keep a picture; its record comes after it."""
        place = (self._pictures.seek(0, os.SEEK_END), len(encoded))
        write_all(self._pictures, encoded)
        return place

    def add_record(self, values: Mapping[str, Any]) -> None:
        """Keep a record: what it names is done."""
        self._lines.add(values)

    def picture(self, place: Place) -> bytes:
        """The encoded picture at a place."""
        self._pictures.seek(place[0])
        return self._pictures.read(place[1])

    def finish(self) -> None:
        """Remove the folder; half removed, it is not taken for unfinished work."""
        self.__exit__()
        done = self.output / f".{self.command}-done"
        os.replace(self.folder, done)
        shutil.rmtree(done, ignore_errors=True)


def check_options(file: Path, described: Mapping[str, Any], output: Path, instead: str) -> None:
    """Write down what a work is begun with; ReageError where it was begun with something else."""
    before, now = None, json.loads(json.dumps(described))
    with suppress(FileNotFoundError, ValueError):  # ValueError: killed while it was written
        before = json.loads(file.read_bytes())
    if before is None:
        data = json.dumps(now, indent=1, sort_keys=True).encode() + b"\n"
        write_file(file, data)
    elif before != now:
        names = ", ".join(name.replace("_", "-") for name in differences(before, now))
        raise ReageError(
            f"{output} was begun with other options ({names}): give the same ones, {instead}"
        )


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names of the options that differ."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def json_line(values: Mapping[str, Any]) -> bytes:
    """One line of JSON; names keep their order, which what is made of them shows."""
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write everything: a full disk may take a part and say so only at the next attempt."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _locked(file: BinaryIO) -> bool:
    """Lock a file for this process; False where another one has it."""
    try:
        import fcntl
    except ImportError:  # Windows does not let two processes replace its files anyway
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
