"""Pairs of photos of one person: does ageing the older photo bring it nearer to the newer?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from reage.datasets.face_dataset import FaceRow
from reage.editor import Editor
from reage.errors import FaceError, ImageError
from reage.evaluation.ageing import Subject, age_photo
from reage.evaluation.config import EvaluationConfig
from reage.evaluation.judges import Judges
from reage.evaluation.looks import Look, distance
from reage.evaluation.metrics import bootstrap
from reage.evaluation.samples import Progress
from reage.images import Photo, read_photo
from reage.tables import read_table

__all__ = ["Pair", "PairOutcome", "Pairs", "find_pairs", "gap_of", "measure_pairs", "year_of"]

TABLE = "pairs.csv"
OLDEST = 80.0  # years: where the age network's scale ends
YEAR = 365.25  # days


@dataclass(frozen=True)
class Pair:
    """Two photos of one person."""

    name: str
    older: Path
    newer: Path


@dataclass(frozen=True, eq=False)
class PairOutcome:
    """One pair: looks of the older photo, of its edits, and of the newer photo."""

    name: str
    gap: float  # years
    asked: float  # years, by the age network's reading: the older photo's and the gap
    subject: Subject  # of the older photo; its only target is `asked`
    newer: Look
    pictures: Sequence[np.ndarray]  # older, reconstruction, aged, newer

    @property
    def aged(self) -> Look:
        return self.subject.aged[self.asked]

    def record(self) -> dict[str, Any]:
        """All figures of the pair."""
        looks = {"older": self.subject.photo, "reconstruction": self.subject.reconstruction}
        return {"name": self.name, "gap": self.gap, "asked": self.asked} | {
            name: {"age": look.age, "second_age": look.second, "to_newer": self.apart(look)}
            for name, look in (looks | {"aged": self.aged, "newer": self.newer}).items()
        }

    def apart(self, look: Look) -> float | None:
        """Identity distance of a look to the newer photo."""
        return distance(look, self.newer)


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs that could be compared."""

    outcomes: Sequence[PairOutcome]
    missed: Sequence[str]
    dated: int  # pairs of which both photos say when they were taken

    def figures(self, threshold: float | None) -> dict[str, Any]:
        """Means, and paired differences with their intervals; above 0 the aged one is nearer."""
        measures: dict[str, Callable[[PairOutcome, Look], float | None]] = {
            "identity": lambda pair, look: pair.apart(look),
            "age": lambda pair, look: abs(look.age - pair.newer.age),
            "second_age": _second_difference,
        }
        gaps = [pair.gap for pair in self.outcomes]
        return {
            "pairs": len(self.outcomes),
            "missed": len(self.missed),
            "dated": self.dated,
            "gap": {"mean": float(np.mean(gaps)), "low": min(gaps), "high": max(gaps)}
            if gaps
            else None,
            "measures": {name: self._compare(find) for name, find in measures.items()},
            "same_person": None if threshold is None else self._same(threshold),
        }

    def _compare(self, find: Callable[[PairOutcome, Look], float | None]) -> dict[str, Any] | None:
        found = [
            [find(pair, look) for look in (s.photo, s.reconstruction, pair.aged)]
            for pair in self.outcomes
            for s in (pair.subject,)
        ]
        rows = np.array([row for row in found if None not in row], np.float64)
        if not len(rows):
            return None
        older, made, aged = rows.T
        return {
            "older": float(older.mean()),
            "reconstruction": float(made.mean()),
            "aged": float(aged.mean()),
            "nearer": float((aged < older).mean()),
            "gain": _interval(older - aged),
            "gain_over_reconstruction": _interval(made - aged),
        }

    def _same(self, threshold: float) -> dict[str, float] | None:
        """Return the share of pairs that the recogniser matches."""
        before = [pair.apart(pair.subject.photo) for pair in self.outcomes]
        after = [pair.apart(pair.aged) for pair in self.outcomes]
        found = [
            (b < threshold, a < threshold)
            for b, a in zip(before, after, strict=True)
            if a is not None and b is not None
        ]
        if not found:
            return None
        older, aged = np.mean(found, 0)
        return {"older": float(older), "aged": float(aged)}


def find_pairs(folder: Path) -> list[Pair]:
    """Read pairs.csv (id, older, newer) of a folder or of the folders in it; ImageError."""
    tables = sorted({*folder.glob(TABLE), *folder.glob(f"*/{TABLE}")})
    if not tables:
        raise ImageError(f"{folder} has no {TABLE}, nor has a folder in it; name one that has")
    pairs = []
    for table in tables:
        for row in read_table(table, ("older", "newer")):
            names = [row.text(name) for name in ("older", "newer")]
            if not all(names):
                row.refuse("it has to name a file as older and one as newer")
            older, newer = (table.parent / name for name in names)
            pairs.append(Pair(row.text("id") or older.stem, older, newer))
    return pairs


def measure_pairs(
    editor: Editor,
    judges: Judges,
    pairs: Sequence[Pair],
    config: EvaluationConfig,
    progress: Progress,
) -> Pairs:
    """Age each older photo by the gap and compare it with the newer one."""
    outcomes, missed, dated = [], [], 0
    for done, pair in enumerate(pairs, 1):
        older, newer = read_photo(pair.older), read_photo(pair.newer)
        try:
            outcomes.append(_measure(editor, judges, pair, older, newer, config))
            dated += None not in (year_of(older), year_of(newer))
        except FaceError:
            missed.append(pair.name)
        progress("pairs", done, len(pairs))
    return Pairs(outcomes, missed, dated)


def gap_of(older: Photo, newer: Photo, config: EvaluationConfig) -> float:
    """Return the years between two photos, by their dates or else by the config."""
    end = year_of(newer)
    if end is None:
        return config.gap
    begin = year_of(older)
    return max(end - (config.older_year if begin is None else begin), 0.0)


def year_of(photo: Photo) -> float | None:
    """Return when a photo was taken, in fractional years: EXIF's original date, else its date."""
    if photo.exif is None:
        return None
    exif = Image.Exif()
    exif.load(photo.exif)
    own = exif.get_ifd(ExifTags.IFD.Exif)
    text = own.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    try:
        taken = datetime.strptime(str(text)[:10], "%Y:%m:%d")
    except ValueError:
        return None
    return taken.year + (taken - datetime(taken.year, 1, 1)).days / YEAR


def _measure(
    editor: Editor,
    judges: Judges,
    pair: Pair,
    older: Photo,
    newer: Photo,
    config: EvaluationConfig,
) -> PairOutcome:
    (face,) = editor.choose_faces(newer).values()
    (own,) = editor.choose_faces(older).values()
    gap = gap_of(older, newer, config)
    asked = min(judges.look(older.rgb8, own).age + gap, OLDEST)
    row = FaceRow(pair.older.name, "pairs", None, "", "", {}, pair.name)
    subject, made = age_photo(editor, judges, row, older, replace(config, targets=(asked,)))
    seen = judges.look(newer.rgb8, face)
    return PairOutcome(pair.name, gap, asked, subject, seen, [*made, newer.rgb8])


def _second_difference(pair: PairOutcome, look: Look) -> float | None:
    if look.second is None or pair.newer.second is None:
        return None
    return abs(look.second - pair.newer.second)


def _interval(values: np.ndarray) -> dict[str, float] | None:
    found = bootstrap(values.tolist())
    return None if found is None else asdict(found)
