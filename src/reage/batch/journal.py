"""What is done already: one line a photo, written after its outputs.

    FOLDER/options.json   what the batch was begun with
    FOLDER/journal.jsonl  one line a photo

A run may be killed at any time: a last line that is not whole is cut off, and its photo done anew,
which gives the same bytes.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from reage.batch.task import Done, Item
from reage.errors import ReageError
from reage.images.writing import write_whole

__all__ = ["FOLDER", "Journal"]

FOLDER = ".reage-batch"
OPTIONS, LINES = "options.json", "journal.jsonl"


class Journal:
    """Photos by their place, with what came of them; a context manager that locks its folder."""

    def __init__(self, folder: Path, described: dict[str, Any]):
        self.folder = folder
        self.done: dict[str, Done] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._check_options(described)
        self._lines: BinaryIO = (folder / LINES).open("a+b", buffering=0)
        self._lock()
        self._take_up()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.close()

    def has(self, item: Item, output: Path, *, retry: bool) -> bool:
        """Whether a photo is done: the same photo, and its outputs are there as they were."""
        done = self.done.get(item.key)
        if done is None or done.stamp != item.stamp:
            return False
        if done.error is not None:
            return not retry
        return set(done.files) == set(item.outputs) and all(
            _size(output / place) == size for place, size in done.files.items()
        )

    def add(self, done: Done) -> None:
        """Remember what came of a photo; ReageError where another model made the others."""
        others = next(iter(self.done.values()), done)
        if others.model != done.model:
            raise ReageError(
                "the model has changed since this batch was begun: give another OUT, or "
                "--overwrite to begin anew"
            )
        view = memoryview(_line(done))
        while view:  # a full disk takes a part
            view = view[self._lines.write(view) :]
        self.done[done.key] = done

    def finish(self, items: list[Item]) -> None:
        """Leave one line for each photo that there is, in their order."""
        self.done = {item.key: self.done[item.key] for item in items}
        self._lines.close()
        data = b"".join(_line(done) for done in self.done.values())
        write_whole(data, self.folder / LINES, overwrite=True)

    def _check_options(self, described: dict[str, Any]) -> None:
        file, before = self.folder / OPTIONS, None
        with suppress(FileNotFoundError, ValueError):
            before = json.loads(file.read_bytes())
        if before is None:
            data = json.dumps(described, indent=1, sort_keys=True).encode()
            write_whole(data + b"\n", file, overwrite=True)
        elif before != described:
            names = sorted(n for n in {*before, *described} if before.get(n) != described.get(n))
            raise ReageError(
                f"{self.folder.parent} was begun with other options ({', '.join(names)}): give the "
                "same ones, another OUT, or --overwrite to begin anew"
            )

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows does not let two processes replace its files anyway
            return
        try:
            fcntl.flock(self._lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lines.close()
            raise ReageError(f"another reage batch is working in {self.folder.parent}") from error

    def _take_up(self) -> None:
        """Read what earlier runs did, and cut off what they did not finish."""
        whole = 0
        self._lines.seek(0)
        for line in self._lines.read().splitlines(keepends=True):
            done = _parsed(line)
            if done is None:
                break
            self.done[done.key] = done
            whole += len(line)
        self._lines.truncate(whole)


def _line(done: Done) -> bytes:
    return json.dumps(asdict(done), ensure_ascii=False, sort_keys=True).encode() + b"\n"


def _parsed(line: bytes) -> Done | None:
    if not line.endswith(b"\n"):
        return None
    try:
        known = json.loads(line)
        return Done(**{**known, "rows": tuple(known["rows"])})
    except (ValueError, KeyError, TypeError):
        return None


def _size(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None
