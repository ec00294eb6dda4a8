"""What is done already: one line a photo, written after its outputs.

    FOLDER/options.json   what the batch was begun with
    FOLDER/journal.jsonl  one line a photo

A run may be killed at any time: a last line that is not whole is cut off, and its photo done anew,
which gives the same bytes.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reage.errors import ReageError
from reage.files import write_file
from reage.jobs.batch.task import Done, Item
from reage.jobs.journal import JsonLines, check_options, json_line

__all__ = ["FOLDER", "Journal"]

FOLDER = ".reage-batch"
OPTIONS, LINES = "options.json", "journal.jsonl"


class Journal:
    """Photos by their place, with what came of them; a context manager that locks its folder."""

    def __init__(self, folder: Path, described: dict[str, Any]):
        self.folder, output = folder, folder.parent
        folder.mkdir(parents=True, exist_ok=True)
        instead = "another OUT, or --overwrite to begin anew"
        check_options(folder / OPTIONS, described, output, instead)
        self._lines = JsonLines(folder / LINES, f"another reage batch is working in {output}")
        self.done = {done.key: done for done in self._lines.take_up(_parsed)}

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
        self._lines.add(asdict(done))
        self.done[done.key] = done

    def finish(self, items: list[Item]) -> None:
        """Leave one line for each photo that there is, in their order."""
        self.done = {item.key: self.done[item.key] for item in items}
        self._lines.close()
        data = b"".join(json_line(asdict(done)) for done in self.done.values())
        write_file(self.folder / LINES, data)


def _parsed(known: dict[str, Any]) -> Done:
    return Done(**{**known, "rows": tuple(known["rows"])})


def _size(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None
