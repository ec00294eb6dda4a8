"""Make a dataset of folders and tar files; it can stop and resume at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from reage.datasets.prepare.card import dataset_card
from reage.datasets.prepare.options import PrepareOptions
from reage.datasets.prepare.records import REASONS, record_from
from reage.datasets.prepare.selection import Labeller, LeftOut, Selection, exclusions, select
from reage.datasets.prepare.shards import (
    disk_errors,
    move_all,
    write_index,
    write_left_out,
    write_shards,
)
from reage.datasets.prepare.sources import Picture, list_pictures
from reage.datasets.prepare.workers import examine_all
from reage.errors import ImageError
from reage.jobs.journal import WorkFolder
from reage.threads import cores

__all__ = ["PrepareReport", "prepare"]


@dataclass(frozen=True)
class PrepareReport:
    """The result of `prepare`."""

    pictures: int
    taken_up: int  # of these, examined by an earlier run that was stopped
    kept: Mapping[str, int]  # faces by split
    left_out: Mapping[str, int]  # faces or pictures by reason, in the order of REASONS
    conventions: Mapping[str, str]  # source -> how its file names were read; empty: they were not
    files: tuple[Path, ...]


def prepare(
    inputs: Sequence[Path],
    output: Path,
    options: PrepareOptions | None = None,
    *,
    processes: int | None = None,
    on_picture: Callable[[int, int], None] | None = None,
    on_left_out: Callable[[LeftOut], None] | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> PrepareReport:
    """Make a dataset of the faces in folders and tar files of pictures.

    The same call resumes after an interruption; `output` then has the same bytes as without it,
    whatever the number of `processes` (None: the cores). They are spawned, so a script guards
    this call by `if __name__ == "__main__"`. `on_picture` is told how many are done of how many,
    `on_left_out` what cannot be used, as it is found, `on_notice` what is worth a line before the
    work. Raises ReageError.
    """
    options = options or PrepareOptions()
    output = Path(output)
    with disk_errors(output):
        WorkFolder.check_output(output, "prepare")
        pictures = list_pictures([Path(path) for path in inputs], output)
        labeller = Labeller(pictures, options)
        with WorkFolder(output, "prepare", options.describe(), on_notice) as journal:
            records = dict(journal.read(record_from))
            todo = [picture for picture in pictures if picture.key not in records]
            taken_up = len(pictures) - len(todo)
            by_key = {picture.key: picture for picture in todo}
            examined = examine_all(todo, options, processes or cores())
            for done, result in enumerate(examined, taken_up + 1):
                record = records[result.record.key] = result.record
                journal.write(record.key, asdict(record), result.crops_by_number)
                for left_out in exclusions(by_key[record.key], record) if on_left_out else ():
                    on_left_out(left_out)  # type: ignore[misc]
                if on_picture is not None:
                    on_picture(done, len(pictures))
            selection = select(pictures, records, labeller, options)
            files = _write(journal, pictures, selection, labeller, options)
            journal.finish()
    return _report(pictures, taken_up, selection, labeller, files)


def _write(
    journal: WorkFolder,
    pictures: Sequence[Picture],
    selection: Selection,
    labeller: Labeller,
    options: PrepareOptions,
) -> list[Path]:
    output, ready = journal.output, journal.ready
    if not selection.chosen:
        counts = ", ".join(f"{n} {reason}" for reason, n in _counts(selection).items())
        raise ImageError(
            f"none of the {len(pictures)} pictures can be used: {counts}; delete "
            f"{journal.folder} and try wider limits"
        )
    name = output.resolve().name
    rows = write_shards(ready, name, selection.chosen, journal.picture, options.shard)
    write_left_out(ready / f"{name}-left-out.tsv", selection.left_out)
    sources = Counter(picture.source for picture in pictures)
    card = dataset_card(name, rows, sources, labeller.conventions, _counts(selection), options)
    (ready / "README.md").write_text(card, encoding="utf-8", newline="\n")
    write_index(ready / f"{name}.csv", rows)
    return move_all(ready, output)


def _report(
    pictures: Sequence[Picture],
    taken_up: int,
    selection: Selection,
    labeller: Labeller,
    files: Sequence[Path],
) -> PrepareReport:
    kept = Counter(face.split for face in selection.chosen)
    conventions = {s: "" if c is None else c.name for s, c in labeller.conventions.items()}
    return PrepareReport(
        len(pictures), taken_up, kept, _counts(selection), conventions, tuple(files)
    )


def _counts(selection: Selection) -> dict[str, int]:
    counts = Counter(item.reason for item in selection.left_out)
    return {reason: counts[reason] for reason in REASONS if counts[reason]}
