"""Read a table of sharp heads; choose those for a bank of skin detail."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from reage.compositing.detail_bank import REGIONS, Sex
from reage.errors import ImageError, UsageError
from reage.files import open_file, read_file

__all__ = ["HeadRow", "choose_old", "choose_young", "read_choice", "read_heads", "read_pictures"]

SEXES: Mapping[str, Sex] = {"f": "female", "m": "male", "female": "female", "male": "male"}
FRONTAL = 9.0  # degrees of yaw, at most
YOUNGEST, YOUNG, OLD = 18.0, 35.0, 60.0  # years
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


def read_heads(table: Path) -> list[HeadRow]:
    """Read a table such as heads.csv. Raises UsageError where columns or values are missing."""
    try:
        with open_file(table, newline="", encoding="utf-8") as file:
            return [_row(entry) for entry in csv.DictReader(file) if entry.get("sex") in SEXES]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UsageError(f"{table} is not a table of heads: {error}") from error


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


def read_choice(file: Path, rows: Sequence[HeadRow]) -> list[tuple[HeadRow, tuple[str, ...]]]:
    """Read which heads to use, one name a line, and behind it the regions that are covered.

    A line such as `0699 forehead`. Raises UsageError for unknown heads and regions.
    """
    known = {row.name: row for row in rows}
    chosen = []
    try:
        lines = read_file(file).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not a text file of heads: {error}") from error
    for line in lines:
        name, *covered = line.split("#")[0].split() or [""]
        if not name:
            continue
        if name not in known:
            raise UsageError(f"{file} names the head {name}, which the table does not have")
        unknown = [region for region in covered if region not in REGIONS]
        if unknown:
            raise UsageError(f"{file}: {unknown[0]} is not one of {', '.join(REGIONS)}")
        chosen.append((known[name], tuple(covered)))
    return chosen


def read_pictures(table: Path, rows: Iterable[HeadRow]) -> Mapping[str, np.ndarray]:
    """Read heads' pictures `[H, W, 3]` uint8 by file, from the table's tar or its folder."""
    archive = table.with_suffix(".tar")
    wanted = {row.file for row in rows}
    try:
        if not archive.is_file():
            return {name: _picture(read_file(table.parent / name)) for name in wanted}
        with tarfile.open(archive) as tar:
            found = {m.name: tar.extractfile(m) for m in tar if m.name in wanted}
            return {name: _picture(file.read()) for name, file in found.items() if file}
    except (OSError, tarfile.TarError) as error:
        raise ImageError(f"the pictures of {table} cannot be read: {error}") from error


def _row(entry: Mapping[str, str]) -> HeadRow:
    ages = [float(entry[key]) for key in ("age", "age_second") if entry.get(key)]
    return HeadRow(
        file=entry["file"],
        source=entry["source"],
        sex=SEXES[entry["sex"]],
        age=sum(ages) / len(ages) if ages else float("nan"),
        ita=float(entry["ita"]),
        yaw=float(entry["yaw"]),
        sharp_to=int(entry["sharp_to"]),
        licence=entry.get("licence", ""),
        grey=entry.get("grey") == "1",
    )


def _picture(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))
