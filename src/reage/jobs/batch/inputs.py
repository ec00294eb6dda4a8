"""The input photos of a batch: a folder tree, a glob, a list, a ZIP or one file."""

from __future__ import annotations

import glob
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from reage.errors import ImageError, UsageError
from reage.images.encoding import can_write_heif
from reage.jobs.batch.task import Item

__all__ = ["MAX_MEMBER", "find_items", "with_outputs"]

SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".heic", ".heif", ".hif", ".tif", ".tiff", ".png", ".webp",
    ".avif", ".bmp", ".gif",
}  # fmt: skip
HEIF = {".heic", ".heif", ".hif"}
MAGIC = "*?["
MAX_MEMBER = 1 << 30  # bytes of one photo in a ZIP


def find_items(
    source: str, listed: Path | None = None, leave_out: Path | None = None
) -> list[Item]:
    """Find the photos of an input in the order of their places.

    `listed` is a file with one place a line, relative to the input. Hidden files and all below
    `leave_out` are passed over. ImageError where there is no such input or no photo in it.
    """
    path = Path(source)
    if path.is_file() and zipfile.is_zipfile(path):
        items = _in_zip(path)
    elif path.is_dir():
        items = _in_folder(path, leave_out)
    elif path.is_file():
        items = iter([_item(path.name, path)])
    elif any(sign in source for sign in MAGIC):
        items = _in_glob(source, leave_out)
    else:
        raise ImageError(f"{source} does not exist: give a folder, a ZIP, a photo or a glob")
    if listed is not None:
        found = _pick_listed(listed, path, items)
    else:
        found = [item for item in items if PurePosixPath(item.key).suffix.lower() in SUFFIXES]
    if not found:
        raise ImageError(f"{source} has no photos in it: reage reads {' '.join(sorted(SUFFIXES))}")
    return sorted(found, key=lambda item: item.key)


def with_outputs(items: Sequence[Item], labels: Sequence[str]) -> list[Item]:
    """Give each item its places in the output; the format stays, where it can be written.

    Two photos that would get the same place (a.heic and a.jpg) have their format in the name.
    """
    plain = [_places(item, labels, "") for item in items]
    count: dict[str, int] = {}
    for place in (place.casefold() for places in plain for place in places):
        count[place] = count.get(place, 0) + 1
    return [
        replace(
            item,
            outputs=places
            if all(count[place.casefold()] == 1 for place in places)
            else _places(item, labels, f"-{PurePosixPath(item.key).suffix[1:]}"),
        )
        for item, places in zip(items, plain, strict=True)
    ]


def _places(item: Item, labels: Sequence[str], apart: str) -> tuple[str, ...]:
    key = PurePosixPath(item.key)
    suffix = key.suffix
    if suffix.lower() in HEIF and not can_write_heif():
        suffix = ".jpg"
    elif suffix.lower() == ".gif":  # 256 colours are too few
        suffix = ".png"
    return tuple(str(key.with_name(f"{key.stem}{apart}-{label}{suffix}")) for label in labels)


def _item(key: str, file: Path) -> Item:
    try:
        status = file.stat()
        stamp = f"{status.st_size} {status.st_mtime_ns}"
    except OSError:
        stamp = "missing"
    return Item(key, str(file), None, stamp)


def _in_folder(folder: Path, leave_out: Path | None) -> Iterator[Item]:
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(n for n in folders if not n.startswith(".") and here / n != leave_out)
        for name in files:
            if not name.startswith("."):
                yield _item((here / name).relative_to(folder).as_posix(), here / name)


def _in_glob(pattern: str, leave_out: Path | None) -> Iterator[Item]:
    """Places are relative to the part of the pattern before the first wildcard."""
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if any(sign in part for sign in MAGIC))
    base = Path(*parts[:fixed])
    for name in glob.glob(pattern, recursive=True):
        path = Path(name)
        if path.is_file() and (leave_out is None or leave_out not in path.resolve().parents):
            yield _item(path.relative_to(base).as_posix(), path)


def _in_zip(path: Path) -> Iterator[Item]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise ImageError(f"{path} is a damaged ZIP: get it again from its source") from error
    for member in members:
        place = PurePosixPath(member.filename)
        hidden = any(part.startswith((".", "__MACOSX")) for part in place.parts)
        if member.is_dir() or hidden or place.is_absolute():  # ".." is hidden, too
            continue
        stamp = f"{member.file_size} {member.CRC:08x}"
        yield Item(str(place), str(path), member.filename, stamp)


def _pick_listed(listed: Path, base: Path, items: Iterator[Item]) -> list[Item]:
    """Pick the photos that a list names; a missing one becomes an item that will fail."""
    try:
        lines = listed.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"{listed} cannot be read as a list: give a text file in UTF-8") from error
    known, chosen = {item.key: item for item in items}, {}
    for line in (line.strip() for line in lines):
        if not line or line.startswith("#"):
            continue
        place = Path(line)
        if place.is_absolute() and place.is_relative_to(base.absolute()):
            place = place.relative_to(base.absolute())
        key = place.as_posix()
        if place.is_absolute() or ".." in place.parts:
            raise UsageError(f"{listed}: {line} is not within {base}; give places relative to it")
        chosen[key] = known.get(key) or _item(key, base / place)
    return list(chosen.values())
