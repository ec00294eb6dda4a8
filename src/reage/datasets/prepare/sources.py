"""The pictures of folders and tar files, and their bytes."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reage.datasets.prepare.labels import Labels, parse_labels
from reage.datasets.prepare.names import PICTURE_SUFFIXES
from reage.errors import ImageError
from reage.files import absence, open_file

__all__ = ["Picture", "list_pictures", "read_picture", "read_side_labels"]

_GZIP_AND_OTHERS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")


@dataclass(frozen=True)
class Picture:
    """Where a picture is."""

    source: str  # name of the folder or tar file, without .tar
    original: str  # path in it, as it can be written down
    file: str  # file that holds its bytes, absolute
    offset: int  # of its bytes
    size: int  # bytes
    key: str  # changes with the file
    side: tuple[int, int] | None = None  # offset and bytes of its .json in the tar

    @property
    def name(self) -> str:
        return f"{self.source}/{self.original}"


def list_pictures(inputs: Sequence[Path], output: Path) -> list[Picture]:
    """Find the pictures of folders and tar files, in an order that the arguments' does not change.

    What is in the folder `output` is left out. Raises ImageError where an input is neither.
    """
    found: dict[str, Picture] = {}
    for path in inputs:
        for picture in _in_folder(path, output) if path.is_dir() else _in_tar(path):
            found[picture.key] = picture
    if not found:
        names = ", ".join(str(path) for path in inputs)
        raise ImageError(f"no pictures in {names}; looked for {' '.join(PICTURE_SUFFIXES)}")
    return sorted(found.values(), key=lambda p: (p.source, p.original, p.file))


def read_picture(picture: Picture) -> bytes:
    """Read a picture's bytes; ImageError if they no longer exist."""
    return _read(picture, picture.offset, picture.size)


def read_side_labels(picture: Picture) -> Labels:
    """Read the .json beside a picture in a tar file; no labels if it is invalid."""
    if picture.side is None:
        return Labels()
    try:
        values = json.loads(_read(picture, *picture.side))
        return parse_labels(values) if isinstance(values, dict) else Labels()
    except (ValueError, RecursionError):  # no JSON, or an age that is none: the picture is good
        return Labels()


def _read(picture: Picture, offset: int, size: int) -> bytes:
    try:
        with open_file(Path(picture.file)) as file:
            file.seek(offset)
            data = file.read(size)
    except OSError as error:
        raise ImageError(f"{picture.name} cannot be read: {error.strerror}") from error
    if len(data) != size:
        raise ImageError(f"{picture.name} is cut short: {len(data)} of {size} bytes are there")
    return data


def _in_folder(folder: Path, output: Path) -> Iterator[Picture]:
    root = folder.resolve()
    for place, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f[0] != "." and Path(place, f) != output.resolve()]
        for name in files:
            if _is_picture(name):
                path = Path(place, name)
                try:
                    state = path.stat()
                except OSError:  # a link to nowhere: reading it says so
                    state = path.lstat()
                original = path.relative_to(root).as_posix()
                yield _picture(root.name or "root", original, path, 0, state.st_size, state)


def _in_tar(path: Path) -> Iterator[Picture]:
    _check_tar(path)
    try:
        with tarfile.open(path, "r:") as archive:
            members = {m.name: m for m in archive if m.isfile() and m.sparse is None}
    except (tarfile.TarError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(":")
        raise ImageError(f"{path} cannot be read as a tar file: {reason}") from error
    state, absolute = path.stat(), path.resolve()
    for name, member in members.items():
        if not _is_picture(name.rpartition("/")[2]):
            continue
        folder, slash, base = name.rpartition("/")
        side = members.get(folder + slash + base.partition(".")[0] + ".json")
        place = None if side is None else (side.offset_data, side.size)
        original = name.removeprefix("./")
        yield _picture(path.stem, original, absolute, member.offset_data, member.size, state, place)


def _check_tar(path: Path) -> None:
    if not path.is_file():
        raise ImageError(f"{path} {absence(path)}; give folders of pictures or tar files")
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(_GZIP_AND_OTHERS):
        raise ImageError(f"{path} is compressed; decompress it first (its pictures already are)")


def _is_picture(name: str) -> bool:
    return name[:1] != "." and name.lower().endswith(PICTURE_SUFFIXES)


def _picture(
    source: str,
    original: str,
    path: Path,
    offset: int,
    size: int,
    state: os.stat_result,
    side: tuple[int, int] | None = None,
) -> Picture:
    identity = (os.fsencode(path), original, offset, size, state.st_size, state.st_mtime_ns)
    key = hashlib.sha256(repr(identity).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return Picture(_plain(source), _plain(original), str(path), offset, size, key, side)


def _plain(name: str) -> str:
    """A name that can be written as UTF-8 on one line."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
