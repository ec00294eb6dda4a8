"""Figures of the ageing: errors and identity by group, leakage, smoothness."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from reage.evaluation.ageing import Ageing, Subject
from reage.evaluation.looks import ATTRIBUTES, Look
from reage.evaluation.metrics import mean

__all__ = [
    "GENDERS",
    "KINDS",
    "NEAR",
    "NEAR_SECOND",
    "Case",
    "ageing_figures",
    "cases_of",
    "records",
]

NEAR, NEAR_SECOND = 5.0, 8.0  # years off the target that count as there, by either network
GENDERS = ("gender", "second_gender")
KINDS = ("aged", "reconstruction", "photo")  # what is compared with the target
# Classes of the typology angle, degrees (Chardon et al. 1991; Del Bino and Bernerd 2013).
TONES = ((55, "very light"), (41, "light"), (28, "intermediate"), (10, "tan"), (-30, "brown"))


@dataclass(frozen=True, eq=False)
class Case:
    """One look and its target age."""

    subject: Subject
    target: float
    look: Look
    reached: bool | None  # what the edit itself says; None: not edited


def cases_of(subjects: Sequence[Subject], kind: str) -> list[Case]:
    """One case for each face and target; a photo's look is the same for all targets."""
    same = {"photo": lambda s: s.photo, "reconstruction": lambda s: s.reconstruction}
    return [
        Case(s, t, same[kind](s), None) if kind in same else Case(s, t, look, s.claimed[t])
        for s in subjects
        for t, look in s.aged.items()
    ]


def ageing_figures(ageing: Ageing, threshold: float | None) -> dict[str, Any]:
    """Return all figures of the ageing; `threshold` is the recogniser's."""
    subjects = ageing.subjects
    if not subjects:
        return {"faces": 0, "missed": len(ageing.missed)}
    groups: dict[str, Callable[[Case], str]] = {
        "all": lambda case: "all",
        "target": lambda case: f"{case.target:g}",
        "source": lambda case: _source(case.subject),
        "gender": lambda case: case.subject.row.gender or "not labelled",
        "group": lambda case: case.subject.row.group or _tone(case.subject),
    }
    cases = {kind: cases_of(subjects, kind) for kind in KINDS}
    return {
        "faces": len(subjects),
        "missed": len(ageing.missed),
        "by": {
            name: {
                kind: _group(cases[kind], key, threshold, by_number=name != "group")
                for kind in KINDS
            }
            for name, key in groups.items()
        },
        "labels": {kind: _against_labels(subjects, kind) for kind in ("photo", "reconstruction")},
        "leakage": {name: _leakage(subjects, name) for name in ATTRIBUTES},
        "smoothness": _smoothness(subjects),
        "psnr_outside": min(subject.outside for subject in subjects),
        "seconds": mean([subject.seconds for subject in subjects]),
    }


def records(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """Every figure of every face, for report.json."""
    return [
        {
            "file": subject.row.file,
            "age_range": subject.row.age_range,
            "gender": subject.row.gender,
            "group": subject.row.group,
            "photo": _record(subject, subject.photo),
            "reconstruction": _record(subject, subject.reconstruction),
            "aged": {
                f"{target:g}": _record(subject, look) | {"reached": subject.claimed[target]}
                for target, look in subject.aged.items()
            },
            "steps": list(subject.steps),
            "psnr_outside": subject.outside,
            "seconds": subject.seconds,
        }
        for subject in subjects
    ]


def _record(subject: Subject, look: Look) -> dict[str, Any]:
    return {
        "age": look.age,
        "second_age": look.second,
        "identity_distance": subject.apart(look),
        **look.attributes,
    }


def _group(
    cases: Sequence[Case], key: Callable[[Case], str], threshold: float | None, by_number: bool
) -> dict[str, Any]:
    names = sorted({key(case) for case in cases}, key=_number if by_number else str)
    return {name: _row([c for c in cases if key(c) == name], threshold) for name in names}


def _row(cases: Sequence[Case], threshold: float | None) -> dict[str, Any]:
    errors = [abs(case.look.age - case.target) for case in cases]
    seconds = [None if c.look.second is None else abs(c.look.second - c.target) for c in cases]
    apart = [case.subject.apart(case.look) for case in cases]
    same = [None if d is None or threshold is None else float(d < threshold) for d in apart]
    at_once = [
        None if s is None or kept is None else float(e <= NEAR and s <= NEAR_SECOND and kept > 0)
        for e, s, kept in zip(errors, seconds, same, strict=True)
    ]
    return {
        "pictures": len(cases),
        "mae": mean(errors),
        "mae_second": mean(seconds),
        "near": mean([float(error <= NEAR) for error in errors]),
        "reached": mean([None if c.reached is None else float(c.reached) for c in cases]),
        "identity_distance": mean(apart),
        "same_person": mean(same),
        "all_at_once": mean(at_once),
    }


def _against_labels(subjects: Sequence[Subject], kind: str) -> dict[str, float | None]:
    """Return the networks' errors on unedited photos: MAE to the middles of the labels."""
    labelled = [(case.look, case.subject.row.age_range) for case in _once(subjects, kind)]
    known = [(look, (r[0] + min(r[1], 79)) / 2) for look, r in labelled if r is not None]
    return {
        "mae": mean([abs(look.age - age) for look, age in known]),
        "mae_second": mean(
            [None if look.second is None else abs(look.second - age) for look, age in known]
        ),
        "faces": len(known),
    }


def _once(subjects: Sequence[Subject], kind: str) -> list[Case]:
    first = {id(case.subject): case for case in cases_of(subjects, kind)}
    return list(first.values())


def _leakage(subjects: Sequence[Subject], name: str) -> dict[str, float | None]:
    """Measure how an attribute differs from the photo's; a look without a face is left out."""
    cases = cases_of(subjects, "aged")
    moved = [(_change(c, name), (c.target - c.subject.photo.age) / 10) for c in cases]
    seen = [(change, decades) for change, decades in moved if change is not None]
    own = [s.photo.attributes[name] for s in subjects]
    there = [value for value in own if value is not None]
    decades = np.array([d for _, d in seen])
    changes = np.array([change for change, _ in seen])
    made = [_change(case, name) for case in _once(subjects, "reconstruction")]
    return {
        "photo_mean": mean(own),
        "photo_spread": float(np.std(there)) if there else None,
        "reconstruction": mean([None if c is None else abs(c) for c in made]),
        "aged": mean([abs(change) for change, _ in seen]),
        # Least squares through 0: no decades, no change.
        "drift": float(changes @ decades / (decades @ decades)) if decades.any() else None,
        "unseen": 1 - len(seen) / len(moved),
        "flipped": _flip_rate(cases, name) if name in GENDERS else None,
    }


def _change(case: Case, name: str) -> float | None:
    before, after = case.subject.photo.attributes[name], case.look.attributes[name]
    return None if before is None or after is None else after - before


def _flip_rate(cases: Sequence[Case], name: str) -> float | None:
    """Return the share of pictures whose predicted gender differs from the photo's."""
    changes = [(case.subject.photo.attributes[name], _change(case, name)) for case in cases]
    return mean(
        [
            float((own > 0.5) != (own + change > 0.5))
            for own, change in changes
            if own is not None and change is not None
        ]
    )


def _smoothness(subjects: Sequence[Subject]) -> Mapping[str, float | None]:
    """Measure the smoothness along the targets; all 0 for a photo or a reconstruction."""
    uneven = [float(np.std(s.steps) / np.mean(s.steps)) for s in subjects if sum(s.steps) > 0]
    falls = []
    for subject in subjects:
        ages = [subject.aged[target].age for target in sorted(subject.aged)]
        falls += [float(later < earlier - 1) for earlier, later in pairwise(ages)]
    return {
        "age_roughness": mean([subject.age_roughness for subject in subjects]),
        "step": mean([step for subject in subjects for step in subject.steps]),
        "step_unevenness": mean(uneven),
        "backwards": mean(falls),
    }


def _source(subject: Subject) -> str:
    """Return the labelled age range, else the decade of the estimated age."""
    if subject.row.age_range is not None:
        low, high = subject.row.age_range
        return f"{low:g}" if low == high else f"{low:g}-{high:g}"
    decade = int(subject.photo.age // 10) * 10
    return f"{decade}-{decade + 9} (read)"


def _tone(subject: Subject) -> str:
    angle = subject.photo.attributes["skin"]
    if angle is None:
        return "not labelled"
    return next((f"skin {name}" for least, name in TONES if angle > least), "skin dark")


def _number(text: str) -> tuple[float, str]:
    digits = text.split("-")[0].split(" ")[0]
    return (float(digits) if digits.replace(".", "", 1).isdecimal() else 0.0, text)
