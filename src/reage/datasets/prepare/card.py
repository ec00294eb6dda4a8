"""The README.md of a dataset: where it comes from, how it was made, what is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reage.datasets.prepare.names import Convention
from reage.datasets.prepare.options import PrepareOptions
from reage.faces.readings import MEAN_ERROR

__all__ = ["dataset_card"]

UNKNOWN = "unknown"
OPTIONS = (
    *("size", "scale", "shift", "faces", "max_yaw", "max_pitch", "max_padding", "min_sharpness"),
    *("blurriest", "grey", "duplicates", "names", "age_pattern", "val", "quality"),
)


def dataset_card(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    pictures: Mapping[str, int],
    conventions: Mapping[str, Convention | None],
    counts: Mapping[str, int],
    options: PrepareOptions,
) -> str:
    """Markdown; `pictures` is how many each source had, `counts` what was left out and why."""
    kept = Counter(row["source"] for row in rows)
    sources = [
        (source, total, kept[source], _convention(conventions.get(source)))
        for source, total in pictures.items()
    ]
    made = ", ".join(f"{option} {getattr(options, option)}" for option in OPTIONS)
    made += f", min_face {options.smallest:g}"
    table = "none" if options.labels is None else options.labels.name
    return "\n".join(
        [
            f"# {name}",
            f"{len(rows)} aligned faces of {options.size} px, made by `reage prepare`: tar shards "
            f"in the WebDataset convention (each picture with its labels as .json) and the index "
            f"`{name}.csv`. `{name}-left-out.tsv` names what was left out, and why.",
            "",
            "`age`, `age_bin`, `gender`, `race` and `person` are the sources' labels, empty where "
            "there are none. `apparent_age` and `apparent_age_spread` are what two age networks "
            f"read (mean error {MEAN_ERROR} years): years, and their usual error. `yaw` and "
            "`pitch` are degrees, `padding` the fraction outside the source picture, `sharpness` "
            "the variance of the Laplacian.",
            "",
            "## Sources and licence",
            options.licence
            or "**Not stated.** The pictures keep the licence and the conditions of their sources: "
            "name them here before you pass this dataset, or a model made of it, on.",
            "",
            *_table(("source", "pictures", "faces kept", "ages from file names"), sources),
            "",
            "## How it was made",
            f"{made}; label table: {table}.",
            "",
            *_table(("left out", "faces or pictures"), list(counts.items())),
            "",
            "## What is in it",
            *_count_by_split("age_bin", rows),
            "",
            *_count_by_split("gender", rows),
            "",
            *_count_by_split("race", rows),
            "",
        ]
    )


def _convention(convention: Convention | None) -> str:
    return "no" if convention is None else convention.name


def _count_by_split(column: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Counts of a column by split."""
    cells = Counter((row[column] or UNKNOWN, row["split"]) for row in rows)
    values = sorted({value for value, _ in cells}, key=_by_number)
    lines = [(v, cells[v, "train"], cells[v, "val"]) for v in values]
    total = [("all", *(sum(cells[v, split] for v in values) for split in ("train", "val")))]
    return _table((column, "train", "val"), lines + total)


def _by_number(value: str) -> tuple[bool, int, str]:
    digits = value.rstrip("+").partition("-")[0]
    return value == UNKNOWN, int(digits) if digits.isdecimal() else 0, value


def _table(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> list[str]:
    rows = [head, ["---"] * len(head), *lines]
    return ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
