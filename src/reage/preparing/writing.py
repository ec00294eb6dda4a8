"""The dataset's files: tar shards in the WebDataset convention, and the index table.

Nothing in them depends on when, where or by how many processes they were made.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reage.preparing.selection import Chosen, LeftOut

__all__ = ["COLUMNS", "index_row", "move_all", "write_index", "write_left_out", "write_shards"]

COLUMNS = (
    *("file", "split", "source", "original", "person", "age", "age_bin", "gender", "race"),
    *("apparent_age", "apparent_age_spread", "yaw", "pitch", "padding", "sharpness"),
)


def shuffled(chosen: Sequence[Chosen]) -> list[Chosen]:
    """Mix the sources by the pictures' hashes: who reads a shard in order sees all of them."""
    return sorted(
        chosen, key=lambda c: (c.record.digest, c.picture.source, c.picture.original, c.face.number)
    )


def index_row(name: str, chosen: Chosen) -> dict[str, Any]:
    """One row of the index, None where nothing is known."""
    face, labels = chosen.face, chosen.labels
    age = labels.age
    values = (
        *(name, chosen.split, chosen.picture.source, chosen.picture.original),
        *(labels.person or None, int(age) if age is not None and age.is_integer() else age),
        *(labels.age_bin or None, labels.gender or None, labels.race or None),
        *(round(face.apparent_age, 1), round(face.apparent_age_spread, 1)),
        *(round(face.yaw, 1), round(face.pitch, 1)),
        *(round(face.padding, 3), round(face.sharpness, 1)),
    )
    return dict(zip(COLUMNS, values, strict=True))


def write_shards(
    folder: Path,
    name: str,
    chosen: Sequence[Chosen],
    read_crop: Callable[[tuple[int, int]], bytes],
    size: int,
) -> list[dict[str, Any]]:
    """Pack `NAME-train-000000.tar`, ...: each picture and its row of the index, which return."""
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped here
    folder.mkdir()
    ordered = shuffled(chosen)
    rows = [index_row(f"{i:09}.webp", face) for i, face in enumerate(ordered)]
    for split in ("train", "val"):
        members = [i for i, face in enumerate(ordered) if face.split == split]
        for number, begin in enumerate(range(0, len(members), size)):
            with tarfile.open(
                folder / f"{name}-{split}-{number:06}.tar", "w", format=tarfile.USTAR_FORMAT
            ) as archive:
                for i in members[begin : begin + size]:
                    place = ordered[i].face.place
                    assert place is not None
                    _add(archive, rows[i]["file"], read_crop(place))
                    _add(archive, f"{i:09}.json", _side(rows[i]))
    return rows


def write_index(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the index table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_left_out(path: Path, left_out: Sequence[LeftOut]) -> None:
    """Write what is not in the dataset: name, reason and detail between tabulators."""
    lines = [f"{item.name}\t{item.reason}\t{item.detail}\n" for item in left_out]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def move_all(ready: Path, output: Path) -> list[Path]:
    """Move finished files to their places, the index last: where it is, all is."""
    files = sorted(ready.iterdir(), key=lambda path: (path.suffix == ".csv", path.name))
    for file in files:
        os.replace(file, output / file.name)
    return [output / file.name for file in files]


def _side(row: Mapping[str, Any]) -> bytes:
    known = {name: value for name, value in row.items() if value is not None and name != "file"}
    return json.dumps(known, ensure_ascii=False).encode()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # no time and no owner
    member.size, member.mode = len(data), 0o644
    archive.addfile(member, io.BytesIO(data))
