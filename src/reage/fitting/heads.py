"""Read a table of sharp heads; choose those for a bank of skin detail."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reage.compositing.detail_bank import REGIONS, Sex
from reage.errors import ImageError, UsageError
from reage.files import read_file
from reage.images import decode_photo
from reage.tables import TableRow, read_table, read_text

__all__ = [
    "LEAST_SHARP",
    "HeadRow",
    "choose_old",
    "choose_young",
    "read_choice",
    "read_heads",
    "read_pictures",
]

SEXES: Mapping[str, Sex] = {"f": "female", "m": "male", "female": "female", "male": "male"}
COLUMNS = ("file", "source", "sex", "ita", "yaw", "sharp_to")
MOST_PIXELS = 1e5
FRONTAL = 9.0  # degrees of yaw, at most
YOUNGEST, YOUNG, OLD, OLDEST = 18.0, 35.0, 60.0, 120.0  # years
LEAST_SHARP = 384  # pixels of the face's square to which an exemplar's detail has to be real


@dataclass(frozen=True)
class HeadRow:
    """One row of the table."""

    file: str  # of the tar, or relative to the table
    source: str
    sex: Sex
    age: float  # years, apparent: the mean of the readings in the table
    ita: float  # degrees
    yaw: float  # degrees
    sharp_to: int  # pixels
    licence: str
    grey: bool  # a black-and-white picture

    @property
    def name(self) -> str:
        return Path(self.file).stem


def read_heads(table: Path, without: Path | None = None) -> list[HeadRow]:
    """Read a table such as heads.csv, less the heads that the list `without` names.

    Raises UsageError where columns or values are missing, and for unknown heads.
    """
    entries = read_table(table, COLUMNS, UsageError)
    rows = [_row(entry) for entry in entries if entry.text("sex") in SEXES]
    left_out = set() if without is None else {row for row, _ in _read_list(without, rows)}
    return [row for row in rows if row not in left_out]


def choose_young(rows: Iterable[HeadRow]) -> list[HeadRow]:
    """Frontal young adults."""
    return [r for r in rows if YOUNGEST <= r.age < YOUNG and abs(r.yaw) < FRONTAL and not r.grey]


def choose_old(rows: Iterable[HeadRow]) -> list[HeadRow]:
    """Choose frontal, sharp, old heads: the default without a manual choice."""
    return [
        row
        for row in rows
        if row.age >= OLD
        and abs(row.yaw) < FRONTAL
        and row.sharp_to >= LEAST_SHARP
        and not row.grey
    ]


def read_choice(file: Path, rows: Sequence[HeadRow]) -> list[tuple[HeadRow, Sequence[str]]]:
    """Read which heads to use, one name a line, and behind it the regions that are covered.

    A line such as `0699 forehead`. Raises UsageError for unknown heads and regions.
    """
    chosen = _read_list(file, rows)
    for _, covered in chosen:
        unknown = [region for region in covered if region not in REGIONS]
        if unknown:
            raise UsageError(f"{file}: {unknown[0]} is not one of {', '.join(REGIONS)}")
    return chosen


def read_pictures(table: Path, rows: Sequence[HeadRow]) -> Iterator[tuple[HeadRow, np.ndarray]]:
    """Read heads' pictures `[H, W, 3]` uint8 from the table's tar or its folder, in their order.

    The files are read at once, and each is decoded when it is taken. Raises ImageError.
    """
    archive = table.with_suffix(".tar")
    wanted = {row.file for row in rows}
    try:
        if archive.is_file():
            with tarfile.open(archive) as tar:
                found = {m.name: tar.extractfile(m) for m in tar if m.name in wanted}
                data = {name: file.read() for name, file in found.items() if file}
        else:
            data = {name: read_file(table.parent / name) for name in wanted}
    except (OSError, tarfile.TarError) as error:
        raise ImageError(f"the pictures of {table} cannot be read: {error}") from error
    for row in rows:
        if row.file not in data:
            raise ImageError(f"{archive} has no {row.file}, which {table} names")
    return ((row, decode_photo(data[row.file], row.file).rgb8) for row in rows)


def _read_list(file: Path, rows: Iterable[HeadRow]) -> list[tuple[HeadRow, Sequence[str]]]:
    """Read the heads that a file names, one a line, and the words behind; `#` begins a comment."""
    known = {row.name: row for row in rows}
    try:
        lines = [line.split("#")[0].split() for line in read_text(file).splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not a text file of heads: {error}") from error
    for name in (line[0] for line in lines if line):
        if name not in known:
            raise UsageError(f"{file} names the head {name}, which the table does not have")
    return [(known[line[0]], tuple(line[1:])) for line in lines if line]


def _row(entry: TableRow) -> HeadRow:
    ages = [entry.real(key, 0, OLDEST) for key in ("age", "age_second")]
    known = [age for age in ages if age is not None]
    ita, yaw = (_angle(entry, name) for name in ("ita", "yaw"))
    return HeadRow(
        file=entry.text("file"),
        source=entry.text("source"),
        sex=SEXES[entry.text("sex")],
        age=sum(known) / len(known) if known else float("nan"),
        ita=ita,
        yaw=yaw,
        sharp_to=int(entry.real("sharp_to", 0, MOST_PIXELS) or 0),
        licence=entry.text("licence"),
        grey=entry.text("grey") == "1",
    )


def _angle(entry: TableRow, name: str) -> float:
    angle = entry.real(name, -180, 180)
    return entry.refuse(f"it has no {name}") if angle is None else angle
