"""The work folder of a synthesis: what is drawn and made already, written as it gets known.

    .synthesize/options.json   what the work was begun with
    .synthesize/records.jsonl  one line a drawn face or person, written after the pictures
    .synthesize/pictures.bin   encoded pictures, one after the other
    .synthesize/ready/         the finished files, before they are moved

A run may be killed at any time: what is not whole at the ends of the two files is cut off.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

from reage.errors import ReageError
from reage.preparing.journal import locked, write_all
from reage.preparing.options import differences
from reage.synthesis.records import Drawn, Made, made_from, made_to

__all__ = ["Journal", "check_output"]

FOLDER, DONE = ".synthesize", ".synthesize-done"
OPTIONS, RECORDS, PICTURES, READY = "options.json", "records.jsonl", "pictures.bin", "ready"


class Journal:
    """Drawn faces and made people by their numbers; a context manager."""

    def __init__(self, output: Path, described: dict[str, Any]):
        self.output, self.folder = output, output / FOLDER
        self.ready = self.folder / READY
        self.drawn: dict[int, Drawn] = {}
        self.made: dict[int, Made] = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_options(described)
        self._lines: BinaryIO = (self.folder / RECORDS).open("a+b", buffering=0)
        self._pictures: BinaryIO = (self.folder / PICTURES).open("a+b", buffering=0)
        if not locked(self._lines):
            self.__exit__()
            raise ReageError(f"another reage synthesize is working in {output}")
        self._take_up()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.close()
        self._pictures.close()

    def add(self, found: Drawn | Made) -> None:
        """Keep a drawn face, or a person and the pictures."""
        if isinstance(found, Drawn):
            self._write({"drawn": asdict(found)})
            self.drawn[found.draw] = found
            return
        places = []
        for picture in found.pictures:
            places.append((self._pictures.seek(0, os.SEEK_END), len(picture)))
            write_all(self._pictures, picture)
        found = replace(found, pictures=(), places=tuple(places))
        self._write({"made": made_to(found)})
        self.made[found.person.number] = found

    def picture(self, place: tuple[int, int]) -> bytes:
        """The encoded picture at a place."""
        self._pictures.seek(place[0])
        return self._pictures.read(place[1])

    def finish(self) -> None:
        """Remove the work folder; half removed, it is not taken for unfinished work."""
        self.__exit__()
        done = self.output / DONE
        os.replace(self.folder, done)
        shutil.rmtree(done, ignore_errors=True)

    def _write(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        write_all(self._lines, line.encode() + b"\n")

    def _check_options(self, described: dict[str, Any]) -> None:
        file, before = self.folder / OPTIONS, None
        with suppress(FileNotFoundError, ValueError):  # ValueError: killed while it was written
            before = json.loads(file.read_bytes())
        if before is None:
            file.write_text(json.dumps(described, indent=1), encoding="utf-8")
        elif before != described:
            names = ", ".join(name.replace("_", "-") for name in differences(before, described))
            raise ReageError(
                f"{self.output} was begun with other options ({names}): give the same ones, "
                f"another --output, or delete {self.folder} to begin anew"
            )

    def _take_up(self) -> None:
        """Read what an earlier run did, and cut off what it did not finish."""
        stored = self._pictures.seek(0, os.SEEK_END)
        whole = end = 0
        self._lines.seek(0)
        for line in self._lines.read().splitlines(keepends=True):
            record = _parsed(line)
            if record is None:
                break
            if isinstance(record, Made):
                last = max(offset + size for offset, size in record.places)
                if last > stored:  # after a power cut
                    break
                self.made[record.person.number], end = record, max(end, last)
            else:
                self.drawn[record.draw] = record
            whole += len(line)
        self._lines.truncate(whole)
        self._pictures.truncate(end)


def check_output(output: Path) -> None:
    """Raise ReageError where a dataset or anything else is in the way."""
    shutil.rmtree(output / DONE, ignore_errors=True)
    if output.exists() and not output.is_dir():
        raise ReageError(f"{output} is a file; give a folder for the dataset")
    if output.is_dir() and not (output / FOLDER).is_dir() and any(output.iterdir()):
        raise ReageError(f"{output} is not empty: give another --output, or delete it first")


def _parsed(line: bytes) -> Drawn | Made | None:
    if not line.endswith(b"\n"):
        return None
    try:
        values = json.loads(line)
        return Drawn(**values["drawn"]) if "drawn" in values else made_from(values["made"])
    except (ValueError, KeyError, TypeError):
        return None
