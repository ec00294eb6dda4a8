"""Run a whole batch: from the input to the outputs and their tables."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reage.errors import ImageError, ReageError, UsageError
from reage.files import check_place, name_errors, new_file, real_path, sweep
from reage.jobs.batch.inputs import MADE, Found, find_items, with_outputs
from reage.jobs.batch.journal import FOLDER, BatchJournal
from reage.jobs.batch.manifest import as_text, write_manifest
from reage.jobs.batch.task import BatchTask, Done, Item
from reage.jobs.batch.work import open_editor
from reage.jobs.batch.workers import Here, do_all
from reage.jobs.journal import remove_journal
from reage.jobs.ray_cluster import check_ray
from reage.notices import merge_notices

__all__ = ["BatchReport", "plan_batch", "run_batch"]

EPOCH = (1980, 1, 1, 0, 0, 0)  # time of every ZIP member, so that its bytes are reproducible


@dataclass(frozen=True)
class BatchReport:
    """How a batch ended."""

    photos: int
    earlier: int  # done by earlier runs, without failed ones
    failed: tuple[tuple[str, str], ...]  # place and reason, of all runs
    files: tuple[Path, ...]  # the tables, or the ZIP
    notices: tuple[str, ...] = ()  # what was left out or not kept, one line each


def run_batch(
    source: str,
    output: Path,
    task: BatchTask,
    *,
    listed: Path | None = None,
    workers: int | None = 1,
    ray: str | None = None,
    retry: bool = False,
    overwrite: bool = False,
    on_done: Callable[[Done, int, int], None] | None = None,
    on_notice: Callable[[str], None] | None = None,
    here: Here | None = None,
) -> BatchReport:
    """Edit all photos of `source` into a folder, or into a ZIP if `output` ends in .zip.

    `workers` None is one a core; `ray` is the address of a cluster, whose machines see both places.
    The same call resumes a killed run; `retry` tries failed photos again, and `overwrite`
    starts again. `here` is a loaded editor and what calls the work on each photo, all in this
    process: so a server gives the photos of its jobs their turn. `on_done` gets each photo with how
    many are done, of how many, `on_notice` what is worth a line before the work. What fails of
    single photos is in the report; raises ReageError for what stops all.
    """
    zipped, place = _place_of(output)
    if ray is not None:
        check_ray(ray)
    found, items = plan_batch(source, output, task, listed)
    _prepare(source, output, place, overwrite, zipped)
    described = {
        **task.describe(),
        "input": str(Path(source).absolute()),
        # Other weights make other pictures: a batch does not go on with them.
        "weights": (here[0] if here else open_editor(task)).fingerprint(task.paste),
    }
    free = () if zipped else ("targets",)  # more ages fit beside earlier ones; a ZIP is whole
    with BatchJournal(place / FOLDER, described, on_notice, free) as journal:  # nobody else is here
        sweep(place)
        todo = [item for item in items if not journal.has(item, retry=retry)]
        count = len(items) - len(todo)
        by_key = {item.key: item for item in todo}
        for done in do_all(todo, task, place, workers, ray, here):
            journal.add(done)
            if ray is not None and not journal.has(by_key[done.key], retry=False):
                raise ReageError(
                    f"what the cluster wrote is not in {place}: give an OUT on a disk that all its "
                    "machines share under the same name"
                )
            count += 1
            if on_done is not None:
                on_done(done, count, len(items))
        all_done, left = journal.finish(items)
    files = write_manifest(place, all_done)
    if zipped:
        _pack(output, place, all_done, files)
        files = [output]
    left_out = {done.key for done in all_done if done.left_out}
    found.left_out[MADE] += len(left_out)
    failed = tuple((done.key, done.error) for done in all_done if done.error)
    told = [line for done in all_done for line in done.notices]
    notices = merge_notices(told if zipped else [*told, *left])
    if found.notice is not None:
        notices.insert(0, f"{source}: {found.notice}")
    undone = left_out | {done.key for done in all_done if done.error}
    earlier = {item.key for item in items} - {item.key for item in todo} - undone
    photos = len(items) - len(left_out)
    return BatchReport(photos, len(earlier), failed, tuple(files), tuple(notices))


def plan_batch(
    source: str, output: Path, task: BatchTask, listed: Path | None = None
) -> tuple[Found, list[Item]]:
    """Find the photos that a batch would edit, with the places of its pictures in the output."""
    found = find_items(source, listed, _place_of(output)[1])
    return found, with_outputs(found.items, [f"age{target:g}" for target in task.targets])


def _place_of(output: Path) -> tuple[bool, Path]:
    """Return whether an output is a ZIP, and the folder of the work."""
    zipped = output.suffix.lower() == ".zip"
    return zipped, output.with_name(f"{output.name}{FOLDER}") if zipped else output


def _prepare(source: str, output: Path, place: Path, overwrite: bool, zipped: bool) -> None:
    """Raise ReageError before any work if the output belongs to something else."""
    ours = (place / FOLDER).is_dir()
    if Path(source).exists() and real_path(Path(source)) == real_path(output):
        raise UsageError(f"{output} is the input, too; give another OUT")
    if overwrite:
        remove_journal(place / FOLDER, "batch")
    elif zipped and not ours:
        check_place(output, overwrite=False)
    elif not zipped and not ours and output.is_dir() and any(output.iterdir()):
        raise ReageError(
            f"{output} is not empty: give another OUT, or --overwrite to write into it"
        )
    if place.is_file():
        raise ReageError(f"{place} is a file; give a folder or a name that ends in .zip")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"the folder {place} cannot be made: {error.strerror}") from error


def _pack(output: Path, place: Path, all_done: list[Done], tables: list[Path]) -> None:
    """Pack the written files into a ZIP beside the output, then move it into place."""
    names = [name for done in all_done for name in sorted(done.files)]
    names += [table.name for table in tables]
    with name_errors(output), new_file(output) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(as_text(name), EPOCH)
            info.external_attr = 0o644 << 16
            info.create_system = 3
            if name.endswith(".csv"):
                info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, (place / name).read_bytes())
    shutil.rmtree(place, ignore_errors=True)
