"""The dataset's files: tar shards in the WebDataset convention, and the index table.

Nothing in them depends on when, where or by how many processes they were made.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reage.datasets.prepare.selection import Chosen, LeftOut
from reage.errors import ReageError
from reage.files import publish

__all__ = [
    "COLUMNS",
    "disk_errors",
    "index_row",
    "move_all",
    "pack",
    "write_index",
    "write_left_out",
    "write_shards",
]

COLUMNS = (
    *("file", "split", "source", "original", "person", "age", "age_bin", "gender", "race"),
    *("apparent_age", "apparent_age_spread", "yaw", "pitch", "padding", "sharpness"),
)


def shuffle(chosen: Sequence[Chosen]) -> list[Chosen]:
    """Shuffle by the pictures' hashes, so that every shard mixes all sources."""
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
    read_crop: Callable[[str, int], bytes],  # of a record's key and a face's number
    size: int,
) -> list[dict[str, Any]]:
    """Pack `NAME-train-000000.tar`, ...: each picture and its row of the index, which return."""
    ordered = shuffle(chosen)
    rows = [index_row(f"{i:09}.webp", face) for i, face in enumerate(ordered)]

    def picture(i: int) -> bytes:
        return read_crop(ordered[i].record.key, ordered[i].face.number)

    pack(folder, name, rows, picture, size)
    return rows


def pack(
    folder: Path,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    picture: Callable[[int], bytes],
    size: int,
) -> None:
    """Pack pictures by their rows' `split`, each with its row as .json, in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)  # left by a run that stopped here
    folder.mkdir()
    for split in ("train", "val"):
        members = [i for i, row in enumerate(rows) if row["split"] == split]
        for number, begin in enumerate(range(0, len(members), size)):
            with tarfile.open(
                folder / f"{name}-{split}-{number:06}.tar", "w", format=tarfile.USTAR_FORMAT
            ) as archive:
                for i in members[begin : begin + size]:
                    _add(archive, rows[i]["file"], picture(i))
                    _add(archive, f"{Path(rows[i]['file']).stem}.json", _side(rows[i]))


def write_index(
    path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = COLUMNS
) -> None:
    """Write the index table; what is in no column is left to the .json."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def write_left_out(path: Path, left_out: Sequence[LeftOut]) -> None:
    """Write the left-out pictures: name, reason and detail, separated by tabs."""
    lines = [f"{item.name}\t{item.reason}\t{item.detail}\n" for item in left_out]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def move_all(ready: Path, output: Path) -> list[Path]:
    """Move finished files into place, the index last: its presence marks a complete dataset."""
    files = sorted(ready.iterdir(), key=lambda path: (path.suffix == ".csv", path.name))
    return [publish(file, output / file.name) for file in files]


def _side(row: Mapping[str, Any]) -> bytes:
    known = {name: value for name, value in row.items() if value is not None and name != "file"}
    return json.dumps(known, ensure_ascii=False).encode()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # no time and no owner
    member.size, member.mode = len(data), 0o644
    archive.addfile(member, io.BytesIO(data))


@contextmanager
def disk_errors(output: Path) -> Iterator[None]:
    """Turn disk errors into a one-line ReageError; the work so far is kept."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ReageError(
                f"the disk of {output} is full: make room and give the same command again; the "
                "work so far is kept"
            ) from error
        raise ReageError(f"{output} cannot be written: {error.strerror or error}") from error
