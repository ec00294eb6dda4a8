"""Prepared face crops: tar shards beside an index table, as `reage prepare` makes them."""

from __future__ import annotations

import random
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reage.errors import ImageError
from reage.files import open_file
from reage.images import decode_photo
from reage.numbers import read_real
from reage.tables import TableRow, read_table

__all__ = ["FaceDataset", "FaceRow", "choose_balanced", "open_dataset"]

OLDEST = 120.0  # years
OPEN_BIN = 100.0  # years at which a bin such as "70+" ends


@dataclass(frozen=True)
class FaceRow:
    """One row of the index table: a picture and its labels."""

    file: str  # name inside the shards
    split: str  # train, val, ...
    age_range: tuple[float, float] | None  # years, both ends included; equal for a known age
    gender: str  # male, female or empty
    group: str  # race or skin-tone label or empty
    numbers: Mapping[str, float]  # yaw, pitch, padding, sharpness, ... where the table has them
    person: str = ""  # rows of the same person have the same; empty: not known
    apparent_age: float | None = None  # years, as a network reads it; never a label


@dataclass(frozen=True, eq=False)
class FaceDataset:
    """Rows and where each picture lies."""

    folder: Path
    rows: Sequence[FaceRow]
    places: Mapping[str, tuple[Path, int, int]]  # name -> shard, offset, bytes

    def read(self, row: FaceRow) -> np.ndarray:
        """Decode one picture, uint8 RGB `[R, R, 3]`; ImageError if it is not a square."""
        shard, offset, size = self.places[row.file]
        with open_file(shard) as file:
            file.seek(offset)
            picture = decode_photo(file.read(size), row.file).rgb8
        if picture.shape[0] != picture.shape[1]:
            raise ImageError(
                f"{shard}: {row.file} is {picture.shape[1]} x {picture.shape[0]} pixels; a "
                "dataset's pictures are squares: make one with reage prepare"
            )
        return picture

    def read_all(self, rows: Sequence[FaceRow]) -> np.ndarray:
        """Decode pictures of one size, uint8 RGB `[N, R, R, 3]`; ImageError if one differs."""
        pictures = [self.read(row) for row in rows]
        side = len(pictures[0])
        for row, picture in zip(rows, pictures, strict=True):
            if len(picture) != side:
                raise ImageError(
                    f"{self.folder}: {row.file} has {len(picture)} px, {rows[0].file} {side}; a "
                    "dataset's pictures have one size: make one with reage prepare"
                )
        return np.stack(pictures)


def open_dataset(folder: Path) -> FaceDataset:
    """Read the index table (the one .csv) and the shards' contents (every .tar) of a folder.

    Columns: `file`, `split`; `age` or `age_bin` ("30-39", "70+"), `gender`, `race`, `person`,
    `apparent_age` and numbers may be there. Raises ImageError where something is missing.
    """
    tables = sorted(folder.glob("*.csv"))
    shards = sorted(folder.glob("*.tar"))
    if len(tables) != 1 or not shards:
        raise ImageError(
            f"{folder} has {len(tables)} index tables (.csv) and {len(shards)} shards (.tar); "
            "a dataset has one table and at least one shard"
        )
    places = {}
    for shard in shards:
        try:
            with open_file(shard) as opened, tarfile.open(fileobj=opened) as archive:
                for member in archive:
                    if member.isfile():
                        places[member.name] = (shard, member.offset_data, member.size)
        except (tarfile.TarError, OSError) as error:
            reason = str(error).splitlines()[0].rstrip(":")
            raise ImageError(f"{shard} cannot be read as a tar file: {reason}") from error
    rows = [_row(row) for row in read_table(tables[0]) if row.text("file") in places]
    if not rows:
        raise ImageError(f"no row of {tables[0]} names a picture in {folder}'s shards")
    return FaceDataset(folder, rows, places)


def choose_balanced(rows: Sequence[FaceRow], count: int, seed: int) -> list[FaceRow]:
    """Choose `count` rows, balanced by age range, gender and group as far as possible.

    The order is random, so any first part of it is balanced, too.
    """
    rng = random.Random(seed)
    cells: dict[tuple, list[FaceRow]] = {}
    for row in rows:
        cells.setdefault((row.age_range, row.gender, row.group), []).append(row)
    for cell in cells.values():
        rng.shuffle(cell)
    by_age: dict[object, list[list[FaceRow]]] = {}
    for key, cell in cells.items():
        by_age.setdefault(key[0], []).append(cell)
    chosen: list[FaceRow] = []
    while len(chosen) < count and any(any(group) for group in by_age.values()):
        for groups in by_age.values():
            # Of one age range, the group that has given least so far has the most left over.
            groups[:] = [group for group in groups if group]
            if groups and len(chosen) < count:
                chosen.append(groups[0].pop())
                groups.append(groups.pop(0))
    rng.shuffle(chosen)
    return chosen


def _row(row: TableRow) -> FaceRow:
    names = ("yaw", "pitch", "padding", "sharpness", "apparent_age_spread")
    numbers = {name: row.real(name) for name in names}
    return FaceRow(
        row.text("file"),
        row.text("split"),
        _age_range(row),
        row.text("gender"),
        row.text("race"),
        {name: value for name, value in numbers.items() if value is not None},
        row.text("person"),
        row.real("apparent_age", 0, OLDEST),
    )


def _age_range(row: TableRow) -> tuple[float, float] | None:
    """Read an age ("34", "30-39", "70+")."""
    text = row.text("age") or row.text("age_bin")
    if not text:
        return None
    low, dash, high = text.removesuffix("+").partition("-")
    first, last = (read_real(part, 0, OLDEST) for part in (low, high if dash else low))
    if text.endswith("+") and first is not None:
        last = max(first, OPEN_BIN)
    if first is None or last is None or first > last:
        row.refuse(f"the age {text!r:.60} is not understood; give years, 30-39 or 70+")
    return first, last
