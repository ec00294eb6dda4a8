"""Edit photos in several workers, locally or on a cluster; their number changes no byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from reage.editor import Editor
from reage.jobs.batch.task import BatchTask, Done, Item
from reage.jobs.ray_cluster import distribute

__all__ = ["Here", "do_all"]

Here = tuple[Editor, Callable[[Callable[[Item], Done], Item], Done]]


def do_all(
    items: Sequence[Item],
    task: BatchTask,
    output: Path,
    workers: int | None,
    ray: str | None = None,
    here: Here | None = None,
) -> Iterator[Done]:
    """Apply a task to all photos; yields results as they finish. `ray` is a cluster's address.

    `workers` None: one a core. `here`: none, but what calls the work on each photo.
    """
    if here is not None:
        from reage.jobs.batch.work import Worker

        editor, call = here
        worker = Worker(task, output, editor)
        return (call(worker.do, item) for item in items)
    make = partial(_make, _with_full_names(task), output.absolute())
    full = [replace(item, file=str(Path(item.file).absolute())) for item in items]
    return distribute(full, make, workers, ray)


def _with_full_names(task: BatchTask) -> BatchTask:
    """Make paths absolute: workers on other machines have another working directory."""
    given = ("model", "direction", "lpips", "detail", "occlusion")
    names = {name: getattr(task, name) for name in given}
    return replace(
        task, **{k: str(Path(v).absolute()) for k, v in names.items() if v and Path(v).exists()}
    )


def _make(task: BatchTask, output: Path) -> Callable[[Item], Done]:
    from reage.jobs.batch.work import Worker

    return Worker(task, output).do
