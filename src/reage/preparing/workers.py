"""Pictures examined by several processes; what comes out does not depend on their number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from reage.preparing.options import PrepareOptions
from reage.preparing.records import Examined
from reage.preparing.sources import Picture
from reage.workers import in_processes

__all__ = ["examine_all"]


def examine_all(
    pictures: list[Picture], options: PrepareOptions, processes: int
) -> Iterator[Examined]:
    """Examine pictures, in this process or in several new ones; in the order they get ready."""
    return in_processes(pictures, partial(_make, options), processes, "--processes")


def _make(options: PrepareOptions) -> Callable[[Picture], Examined]:
    from reage.preparing.examining import Examiner

    return Examiner(options).examine
