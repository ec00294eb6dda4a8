"""Examine pictures in several processes; their number does not change the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from reage.datasets.prepare.options import PrepareOptions
from reage.datasets.prepare.records import Examined
from reage.datasets.prepare.sources import Picture
from reage.jobs.processes import in_processes

__all__ = ["examine_all"]


def examine_all(
    pictures: list[Picture], options: PrepareOptions, processes: int
) -> Iterator[Examined]:
    """Examine pictures, in this process or in new ones; yields results as they finish."""
    return in_processes(pictures, partial(_make, options), processes, "--processes")


def _make(options: PrepareOptions) -> Callable[[Picture], Examined]:
    from reage.datasets.prepare.examination import Examiner

    return Examiner(options).examine
