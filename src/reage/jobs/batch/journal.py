"""The journal of a batch: the result of each photo, written after its outputs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reage.errors import ReageError
from reage.jobs.batch.task import Done, Item
from reage.jobs.journal import Journal

__all__ = ["FOLDER", "BatchJournal"]

FOLDER = ".reage-batch"


class BatchJournal(Journal):
    """The results of photos by their path in the input."""

    def __init__(
        self, folder: Path, described: dict[str, Any], say: Callable[[str], None] | None = None
    ):
        instead = "another OUT, or --overwrite to start again"
        super().__init__(folder, "batch", described, instead, say)
        self.done = dict(self.read(_parse))

    def has(self, item: Item, *, retry: bool) -> bool:
        """Return whether the photo is unchanged and its outputs exist with their sizes."""
        done = self.done.get(item.key)
        if done is None or done.stamp != item.stamp:
            return False
        if done.error is not None:
            return not retry
        if done.left_out:
            return item.found
        return set(done.files) == set(item.outputs) and all(
            _size(self.output / place) == size for place, size in done.files.items()
        )

    def add(self, done: Done) -> None:
        """Store the result of a photo; ReageError if another model made the earlier ones."""
        others = next(iter(self.done.values()), done)
        if others.model != done.model:
            raise ReageError(
                "the model has changed since this batch started: give another OUT, or "
                "--overwrite to start again"
            )
        self.write(done.key, asdict(done))
        self.done[done.key] = done

    def finish(self, items: list[Item]) -> list[Done]:
        """Delete the records of photos that no longer exist; returns the others in input order."""
        for key in self.done.keys() - {item.key for item in items}:
            self.drop(key)
        return [self.done[item.key] for item in items]


def _parse(known: dict[str, Any]) -> Done:
    both = {name: tuple(known.get(name, ())) for name in ("rows", "notices")}
    return Done(**{**known, **both})


def _size(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None
