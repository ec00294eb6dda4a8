"""The journal of a batch: the result of each photo, written after its outputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from reage.errors import ReageError
from reage.jobs.batch.task import Done, Item
from reage.jobs.journal import Journal

__all__ = ["FOLDER", "BatchJournal"]

FOLDER = ".reage-batch"
GONE = "stays without a row in the tables: its photo is not in this run"
OLDER_PHOTO = (
    "shows an earlier version of its photo, and has no row in the tables: ask for its age again"
)


class BatchJournal(Journal):
    """The results of photos by their path in the input."""

    def __init__(
        self,
        folder: Path,
        described: dict[str, Any],
        say: Callable[[str], None] | None = None,
        free: Collection[str] = (),
    ):
        instead = "another OUT, or --overwrite to start again"
        super().__init__(folder, "batch", described, instead, say, free)
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
        return all(
            place in done.files and _size(self.output / place) == done.files[place]
            for place in item.outputs
        )

    def add(self, done: Done) -> None:
        """Store the result of a photo, beside its other ages that earlier runs made.

        Raises ReageError if another model made them.
        """
        others = next(iter(self.done.values()), done)
        if others.model != done.model:
            raise ReageError(
                "the model has changed since this batch started: give another OUT, or "
                "--overwrite to start again"
            )
        done = _beside(self.done.get(done.key), done)
        self.write(done.key, asdict(done))
        self.done[done.key] = done

    def finish(self, items: list[Item]) -> tuple[list[Done], list[str]]:
        """Delete the records of photos that are not in this run.

        Returns the others in input order, and a notice for each picture that lies in the output
        and has no row in the tables.
        """
        notices = []
        gone = self.done.keys() - {item.key for item in items}
        kept = [self.done[item.key] for item in items]
        for places, why in (
            ([place for key in sorted(gone) for place in self.done[key].files], GONE),
            ([place for done in kept for place in done.older], OLDER_PHOTO),
        ):
            notices += [f"{place}: {why}" for place in places if (self.output / place).exists()]
        for key in gone:
            self.drop(key)
        return kept, notices


def _beside(before: Done | None, now: Done) -> Done:
    """Return the result with what an earlier run made of the same photo at other ages."""
    if before is None:
        return now
    older = before.older if before.stamp == now.stamp else (*before.older, *before.files)
    now = replace(now, older=tuple(place for place in older if place not in now.files))
    if before.stamp != now.stamp or before.error or now.error:
        return now
    rows = [row for row in before.rows if row["output"] not in now.files]
    return replace(
        now,
        files={**before.files, **now.files},
        rows=(*rows, *now.rows),
        notices=tuple(dict.fromkeys((*before.notices, *now.notices))),
    )


def _parse(known: dict[str, Any]) -> Done:
    both = {name: tuple(known.get(name, ())) for name in ("rows", "notices", "older")}
    return Done(**{**known, **both})


def _size(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None
