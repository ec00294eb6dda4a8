"""The input photos of a batch: a folder tree, a glob, a list, a ZIP or one file.

Files are known by their suffix or, where that says nothing, by their first bytes. What is left
out is counted and said.
"""

from __future__ import annotations

import glob
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from reage.errors import ImageError, ReageError, UsageError
from reage.files import absence, open_file, real_path
from reage.images import read_mark
from reage.images.encoding import can_write_heif
from reage.images.sources import HEAD, other_kind, picture_format
from reage.images.writing import FORMATS, USUAL_SUFFIX
from reage.jobs.batch.journal import FOLDER
from reage.jobs.batch.task import Item
from reage.jobs.zips import open_zip
from reage.tables import read_text

__all__ = [
    "DAMAGED_ZIP",
    "MADE",
    "MAX_MEMBER",
    "Found",
    "find_items",
    "is_made",
    "is_mark_of_made",
    "with_outputs",
]

HEIF = {".heic", ".heif", ".hif"}
MAGIC = "*?["
MAX_LIST = 256 << 20  # bytes: some million photos
MAX_MEMBER = 1 << 30  # bytes of one photo in a ZIP
# What the standard library raises for archives that are damaged, or packed in a way it lacks.
DAMAGED_ZIP = (OSError, ValueError, KeyError, IndexError, EOFError, RuntimeError,
               zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error)  # fmt: skip
VIDEOS, ZIPS = "videos (see reage video)", "ZIPs in it (extract first)"
UNNAMED = "without a readable name"
HIDDEN, LINKS, LOCKED = "hidden", "linked folders", "folders that may not be read"
MADE, BATCHES = "made by reage", "folders of other batches"
_PLURAL = re.compile(r"(?:(?<=file)|(?<=video)|(?<=ZIP)|(?<=folder)|(?<=one))s\b")
NAMED = re.compile(r"-ages?([0-9.=-]|$)")  # how reage names what it makes of a photo
MARKED = re.compile(r"\S+ by reage\b")  # how marks of it begin; those of made people do not
TWINS, OTHERS = "further ones of the same name", "of other kinds"


@dataclass
class Found:
    """The photos of an input, and how many files are left out, by kind."""

    items: list[Item] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def notice(self) -> str | None:
        """One line of what is left out."""
        count, each = self.left_out.total(), sorted(self.left_out.items())
        kinds = ", ".join(_counted(kind, number) for kind, number in each if number)
        return f"{_counted('files', count)} left out: {kinds}" if count else None


def _counted(kind: str, number: int) -> str:
    return f"{number} {kind if number != 1 else _PLURAL.sub('', kind)}"


def find_items(source: str, listed: Path | None = None, leave_out: Path | None = None) -> Found:
    """Find the photos of an input in the order of their places.

    `listed` is a file with one place a line, relative to the input. Without it, hidden files, all
    below `leave_out` (the output), folders of other batches and pictures that are named like those
    that reage makes of others are passed over; the work passes over those that were renamed.
    ImageError where there is no such input or no photo in it.
    """
    path, found = Path(source), Found()
    leave_out = None if leave_out is None else real_path(leave_out)
    if path.is_file() and zipfile.is_zipfile(path):
        items = _in_zip(path, found)
    elif path.is_dir():
        items = _in_folder(path, leave_out, found)
    elif path.is_file():
        items = _known([_item(path.name, path)], found, made=True)
    elif any(sign in source for sign in MAGIC):
        items = _known(_in_glob(source, leave_out), found)
    else:
        raise ImageError(f"{source} {absence(path)}: give a folder, a ZIP, a photo or a glob")
    if listed is not None:
        chosen = _pick_listed(listed, path, items)
        if not chosen:
            raise ImageError(f"{listed} names no photo: give one place a line, relative to {path}")
        found.left_out.clear()  # the list says what is wanted
    else:
        chosen = list(items)
    if not chosen:
        more = "" if found.notice is None else f" ({found.notice})"
        raise ImageError(f"{source} has no photos in it: reage reads {' '.join(FORMATS)}{more}")
    found.items = sorted(chosen, key=lambda item: item.key)
    return found


def with_outputs(items: Sequence[Item], labels: Sequence[str]) -> list[Item]:
    """Give each item its places in the output; the format stays, where it can be written.

    Two photos that would get the same place (a.heic and a.jpg) have their format in the name.
    """
    plain = [_places(item, labels, "") for item in items]
    count = Counter(place.casefold() for places in plain for place in places)
    taken = {place for place, number in count.items() if number > 1}
    named = []
    for item, usual in zip(items, plain, strict=True):
        places, number = usual, 1
        while taken & {place.casefold() for place in places}:
            apart = PurePosixPath(item.key).suffix[1:] or "file"
            places = _places(item, labels, f"-{apart}{'' if number == 1 else number}")
            number += 1
        taken |= {place.casefold() for place in places if places is not usual}
        named.append(replace(item, outputs=places))
    return named


def _places(item: Item, labels: Sequence[str], apart: str) -> tuple[str, ...]:
    key = PurePosixPath(item.key)
    suffix = item.suffix or key.suffix
    if suffix.lower() in HEIF and not can_write_heif():
        suffix = ".jpg"
    elif suffix.lower() == ".gif":  # 256 colours are too few
        suffix = ".png"
    return tuple(str(key.with_name(f"{key.stem}{apart}-{label}{suffix}")) for label in labels)


def _suffix_of(key: str, head: Callable[[], bytes], found: Found) -> str | None:
    """Return the suffix of the outputs; None, and one more left out, for what is no photo."""
    own = PurePosixPath(key).suffix
    if own.lower() in FORMATS:
        return own
    data = b""
    try:
        data = head()
        return USUAL_SUFFIX[picture_format(data, Path(key))]
    except (ImageError, *DAMAGED_ZIP):
        kind = other_kind(data)
        named = {"a video": VIDEOS, "a ZIP archive or office document": ZIPS}
        found.left_out[named.get(kind, OTHERS)] += 1
        return None


def _item(key: str, file: Path) -> Item:
    try:
        status = file.stat()
        stamp = f"{status.st_size} {status.st_mtime_ns}"
    except (OSError, ValueError):
        stamp = "missing"
    return Item(key, str(file), None, stamp)


def _known(
    items: Iterator[Item] | Sequence[Item], found: Found, *, made: bool = False
) -> Iterator[Item]:
    """Pass on the photos among files, also those that reage `made`."""
    for item in items:

        def head(file: Path = Path(item.file)) -> bytes:
            with open_file(file) as opened:
                return opened.read(HEAD)

        suffix = _suffix_of(item.key, head, found)
        # A mark is read here where the name asks for it; of all photos that would take too long.
        if suffix is not None and not made and NAMED.search(Path(item.file).stem) and is_made(item):
            found.left_out[MADE] += 1
        elif suffix is not None:
            yield replace(item, suffix=suffix, found=not made)


def is_made(item: Item) -> bool:
    """Return whether reage made a picture of another: its mark says so."""
    try:
        return is_mark_of_made(read_mark(item.file))
    except ReageError:
        return False  # reading it says what is wrong


def is_mark_of_made(mark: str | None) -> bool:
    """Return whether a mark says that reage made the picture of another."""
    return bool(MARKED.match(mark or ""))


def _in_folder(folder: Path, leave_out: Path | None, found: Found) -> Iterator[Item]:
    def locked(_: OSError) -> None:
        found.left_out[LOCKED] += 1

    def files() -> Iterator[Item]:
        for place, folders, names in os.walk(folder, onerror=locked):
            here = Path(place)
            kept = (n for n in folders if not n.startswith("."))
            seen = sorted(n for n in kept if real_path(here / n) != leave_out)
            found.left_out[BATCHES] += len(
                others := [n for n in seen if (here / n / FOLDER).is_dir()]
            )
            seen = [name for name in seen if name not in others]
            folders[:] = [name for name in seen if not (here / name).is_symlink()]
            found.left_out[LINKS] += len(seen) - len(folders)
            for name in names:
                if name.startswith("."):
                    found.left_out[HIDDEN] += 1
                else:
                    yield _item((here / name).relative_to(folder).as_posix(), here / name)

    return _known(files(), found)


def _in_glob(pattern: str, leave_out: Path | None) -> Iterator[Item]:
    """Places are relative to the part of the pattern before the first wildcard."""
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if any(sign in part for sign in MAGIC))
    base = Path(*parts[:fixed])
    for name in glob.glob(pattern, recursive=True):
        path = Path(name)
        if path.is_file() and (leave_out is None or leave_out not in real_path(path).parents):
            yield _item(path.relative_to(base).as_posix(), path)


def _in_zip(path: Path, found: Found) -> Iterator[Item]:
    seen: set[str] = set()
    try:
        with path.open("rb") as file, open_zip(file) as archive:
            for member in archive.infolist():
                place = PurePosixPath(member.filename)
                hidden = any(part.startswith((".", "__MACOSX")) for part in place.parts)
                if not place.parts:
                    found.left_out[UNNAMED] += 1
                elif member.is_dir():
                    continue
                elif hidden or place.is_absolute():  # ".." is hidden, too
                    found.left_out[HIDDEN] += 1
                elif str(place) in seen:
                    found.left_out[TWINS] += 1
                else:
                    seen.add(str(place))
                    suffix = _suffix_of(str(place), _head_of(archive, member), found)
                    stamp = f"{member.file_size} {member.CRC:08x}"
                    if suffix is not None:
                        yield Item(str(place), str(path), member.filename, stamp, suffix=suffix)
    except DAMAGED_ZIP as error:
        raise ImageError(f"{path} is a damaged ZIP: get it again from its source") from error


def _head_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], bytes]:
    def head() -> bytes:
        with archive.open(member) as opened:
            return opened.read(HEAD)

    return head


def _pick_listed(listed: Path, base: Path, items: Iterator[Item]) -> list[Item]:
    """Pick the photos that a list names; a missing one becomes an item that will fail."""
    known, chosen = {item.key: item for item in items}, {}
    for line in _listed_places(listed):
        is_quoted = line not in known and line[0] == line[-1] == '"'  # as file managers copy them
        place = Path(line[1:-1] if is_quoted else line)
        if place.is_absolute() and place.is_relative_to(base.absolute()):
            place = place.relative_to(base.absolute())
        key = place.as_posix()
        if place.is_absolute() or ".." in place.parts:
            raise UsageError(f"{listed}: {line} is not within {base}; give places relative to it")
        if not place.name:
            raise UsageError(f"{listed}: {line!r} names no photo; give places relative to {base}")
        chosen[key] = replace(known.get(key) or _item(key, base / place), found=False)
    return list(chosen.values())


def _listed_places(listed: Path) -> list[str]:
    """Read the lines of a list; names of files need not be UTF-8."""
    try:
        if listed.stat().st_size > MAX_LIST:
            raise ImageError(f"{listed} has {listed.stat().st_size >> 20} MB; is it a list?")
        text = read_text(listed, "surrogateescape")
    except (OSError, ValueError) as error:
        is_text = not isinstance(error, UnicodeDecodeError)
        reason = getattr(error, "strerror", None) or ("not a file name" if is_text else "no text")
        raise ImageError(
            f"{listed} cannot be read as a list ({reason}): give a text file"
        ) from error
    if "\0" in text:
        raise ImageError(f"{listed} cannot be read as a list: it is not text; one place a line")
    lines = (line.strip() for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith("#")]
