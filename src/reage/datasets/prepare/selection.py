"""Select the faces of the dataset, their labels and their split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reage.datasets.prepare.labels import Labels, read_label_table
from reage.datasets.prepare.names import Convention, find_convention
from reage.datasets.prepare.options import PrepareOptions
from reage.datasets.prepare.records import FaceRecord, Record
from reage.datasets.prepare.sources import Picture
from reage.errors import ImageError

__all__ = [
    "Chosen",
    "Labeller",
    "LeftOut",
    "Selection",
    "exclusions",
    "select",
    "split_of",
    "twins",
]

BLOCK = 256


@dataclass(frozen=True)
class Chosen:
    """A face of the dataset."""

    picture: Picture
    record: Record
    face: FaceRecord
    labels: Labels
    split: str  # train or val


@dataclass(frozen=True)
class LeftOut:
    """A picture or face that is not in the dataset, and why."""

    name: str
    reason: str  # one of REASONS
    detail: str


@dataclass(frozen=True)
class Selection:
    """The selected faces and the left-out pictures, by name."""

    chosen: tuple[Chosen, ...]
    left_out: tuple[LeftOut, ...]


class Labeller:
    """Labels of pictures: of the table, else of the .json beside them, else of their names."""

    def __init__(self, pictures: Sequence[Picture], options: PrepareOptions):
        self.table = {} if options.labels is None else read_label_table(options.labels)
        if options.labels is not None and not any(map(self._in_table, pictures)):
            raise ImageError(
                f"{options.labels} names none of the {len(pictures)} pictures; its column `file` "
                f"has to hold names such as {pictures[0].original}"
            )
        by_source: dict[str, list[str]] = {}
        for picture in pictures:
            by_source.setdefault(picture.source, []).append(picture.original)
        self.conventions: Mapping[str, Convention | None] = {
            source: find_convention(options.names, options.age_pattern, originals)
            for source, originals in by_source.items()
        }

    def labels(self, picture: Picture, record: Record) -> Labels:
        """What is known; nothing where one of several faces may be meant."""
        if len(record.faces) > 1:
            return Labels()
        convention = self.conventions[picture.source]
        named = convention.read(picture.original) if convention else None
        return (self._in_table(picture) or Labels()) | record.labels | (named or Labels())

    def _in_table(self, picture: Picture) -> Labels | None:
        names = (picture.name, picture.original, picture.original.rpartition("/")[2])
        return next((self.table[name] for name in names if name in self.table), None)


def select(
    pictures: Sequence[Picture],
    records: Mapping[str, Record],
    labeller: Labeller,
    options: PrepareOptions,
) -> Selection:
    """Select among the detected faces, in the order of the pictures' names."""
    chosen: list[Chosen] = []
    left_out: list[LeftOut] = []
    for picture in pictures:
        record = records[picture.key]
        left_out += exclusions(picture, record)
        labels = labeller.labels(picture, record)
        split = split_of(labels.person, record.digest, options.val)
        chosen += [Chosen(picture, record, f, labels, split) for f in record.faces if not f.reason]
    for index, first in _same_pictures(chosen, options.duplicates):
        left_out.append(_without(chosen[index], "duplicate", f"of {chosen[first].picture.name}"))
        chosen[index] = replace(chosen[index], split="")
    chosen = [face for face in chosen if face.split]
    blurred = _blurriest(chosen, options.blurriest)
    for index in blurred:
        detail = f"sharpness {chosen[index].face.sharpness:.1f}"
        left_out.append(_without(chosen[index], "blurred", detail))
    chosen = [face for index, face in enumerate(chosen) if index not in blurred]
    return Selection(tuple(chosen), tuple(sorted(left_out, key=lambda item: item.name)))


def split_of(person: str, digest: str, val: float) -> str:
    """Return the split of a person, or else of a picture, independent of the rest of the dataset.

    Names count without case and punctuation: CACD's Robin_Williams is AgeDB's RobinWilliams.
    """
    name = "".join(c for c in person.casefold() if c.isalnum()) or person
    identity = f"person {name}" if name else f"picture {digest}"
    number = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big")
    return "val" if number < val * 2**64 else "train"


def twins(looks: Sequence[str], bits: int) -> Iterator[tuple[int, list[int]]]:
    """For each of the looks (equal lengths, hexadecimal), those before it that differ little."""
    packed = np.array([np.frombuffer(bytes.fromhex(look), np.uint8) for look in looks])
    signs = np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1  # [N, 256]
    length = signs.shape[1]
    for begin in range(0, len(signs), BLOCK):
        # The product of two looks is how many bits agree less how many differ; exact in float32.
        products = signs[begin : begin + BLOCK] @ signs[: begin + BLOCK].T
        for row, close in enumerate(products >= length - 2 * bits):
            before = np.flatnonzero(close[: begin + row])
            if before.size:
                yield begin + row, before.tolist()


def exclusions(picture: Picture, record: Record) -> Iterator[LeftOut]:
    """Yield the reasons why a picture or its faces cannot be used."""
    if record.reason:
        yield LeftOut(picture.name, record.reason, record.detail)
    for face in record.faces:
        if face.reason:
            name = f"{picture.name} face {face.number}" if len(record.faces) > 1 else picture.name
            yield LeftOut(name, face.reason, face.detail)


def _same_pictures(chosen: Sequence[Chosen], bits: int) -> Iterator[tuple[int, int]]:
    """Yield each duplicate face with the kept one, which is the first by name."""
    if bits < 0 or not chosen:
        return
    dropped: set[int] = set()
    for index, before in twins([face.face.look for face in chosen], bits):
        first = next((i for i in before if i not in dropped), None)
        if first is not None:
            dropped.add(index)
            yield index, first


def _blurriest(chosen: Sequence[Chosen], fraction: float) -> set[int]:
    order = sorted(range(len(chosen)), key=lambda i: (chosen[i].face.sharpness, i))
    return set(order[: int(fraction * len(chosen))])


def _without(face: Chosen, reason: str, detail: str) -> LeftOut:
    return LeftOut(face.picture.name, reason, detail)
