"""The work folder: what is known of each picture, written as it gets known.

    .prepare/options.json   what the work was begun with
    .prepare/records.jsonl  one line a picture, written after its crops
    .prepare/crops.bin      encoded crops, one after the other
    .prepare/ready/         the finished files, before they are moved

A run may be killed at any time: what is not whole at the ends of the two files is cut off.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from reage.errors import ReageError
from reage.preparing.options import PrepareOptions, differences
from reage.preparing.records import Examined, Record, record_from, record_to

__all__ = ["Journal", "check_output", "locked", "write_all"]

FOLDER, DONE = ".prepare", ".prepare-done"
OPTIONS, RECORDS, CROPS, READY = "options.json", "records.jsonl", "crops.bin", "ready"


class Journal:
    """Records by their picture's key, and their crops; a context manager."""

    def __init__(self, output: Path, options: PrepareOptions):
        self.output, self.folder = output, output / FOLDER
        self.records: dict[str, Record] = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_options(options)
        self._lines: BinaryIO = (self.folder / RECORDS).open("a+b", buffering=0)
        self._crops: BinaryIO = (self.folder / CROPS).open("a+b", buffering=0)
        if not locked(self._lines):
            self.__exit__()
            raise ReageError(f"another reage prepare is working in {output}")
        self._take_up()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.close()
        self._crops.close()

    @property
    def ready(self) -> Path:
        """Where finished files wait."""
        return self.folder / READY

    def add(self, examined: Examined) -> Record:
        """Keep what was found out about a picture; returns it with the places of its crops."""
        faces, crops = [], iter(examined.crops)
        for face in examined.record.faces:
            if not face.reason:
                crop = next(crops)
                place = (self._crops.seek(0, os.SEEK_END), len(crop))
                write_all(self._crops, crop)
                face = replace(face, place=place)
            faces.append(face)
        record = replace(examined.record, faces=tuple(faces))
        line = json.dumps(record_to(record), ensure_ascii=False, separators=(",", ":"))
        write_all(self._lines, line.encode() + b"\n")
        self.records[record.key] = record
        return record

    def crop(self, place: tuple[int, int]) -> bytes:
        """The encoded crop at a place."""
        self._crops.seek(place[0])
        return self._crops.read(place[1])

    def finish(self) -> None:
        """Remove the work folder; half removed, it is not taken for unfinished work."""
        self.__exit__()
        done = self.output / DONE
        os.replace(self.folder, done)
        shutil.rmtree(done, ignore_errors=True)

    def _check_options(self, options: PrepareOptions) -> None:
        file, now = self.folder / OPTIONS, options.described()
        before = None
        with suppress(FileNotFoundError, ValueError):  # ValueError: killed while it was written
            before = json.loads(file.read_bytes())
        if before is None:
            file.write_text(json.dumps(now, indent=1), encoding="utf-8")
        elif before != json.loads(json.dumps(now)):
            names = ", ".join(name.replace("_", "-") for name in differences(before, now))
            raise ReageError(
                f"{self.output} was begun with other options ({names}): give the same ones, "
                f"another --output, or delete {self.folder} to begin anew"
            )

    def _take_up(self) -> None:
        """Read what an earlier run found out, and cut off what it did not finish."""
        stored = self._crops.seek(0, os.SEEK_END)
        whole = end = 0
        self._lines.seek(0)
        for line in self._lines.read().splitlines(keepends=True):
            record = _parsed(line)
            if record is None:
                break
            places = [face.place for face in record.faces if face.place is not None]
            last = max((offset + size for offset, size in places), default=end)
            if last > stored:  # after a power cut
                break
            self.records[record.key] = record
            whole, end = whole + len(line), max(end, last)
        self._lines.truncate(whole)
        self._crops.truncate(end)


def check_output(output: Path) -> None:
    """Raise ReageError where a dataset or anything else is in the way."""
    shutil.rmtree(output / DONE, ignore_errors=True)
    if output.exists() and not output.is_dir():
        raise ReageError(f"{output} is a file; give a folder for the dataset")
    if output.is_dir() and not (output / FOLDER).is_dir() and any(output.iterdir()):
        raise ReageError(f"{output} is not empty: give another --output, or delete it first")


def _parsed(line: bytes) -> Record | None:
    if not line.endswith(b"\n"):
        return None
    try:
        return record_from(json.loads(line))
    except (ValueError, KeyError, TypeError):
        return None


def locked(file: BinaryIO) -> bool:
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


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write everything: a full disk may take a part and say so only at the next attempt."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
