"""Age whole heads; compare their skin with real heads, and groups with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from reage.editor import Editor
from reage.errors import UsageError
from reage.evaluation.config import EvaluationConfig
from reage.evaluation.head_sheet import GROUPS, choose_heads, group_of
from reage.evaluation.judges import Judges
from reage.evaluation.looks import Look, distance
from reage.evaluation.metrics import bootstrap
from reage.evaluation.samples import Progress
from reage.evaluation.skin import (
    band_energies,
    skin_distance,
    skin_patches,
    standardise,
    texture_features,
    xception_features,
)
from reage.faces.face import Face
from reage.fitting.heads import LEAST_SHARP, HeadRow, read_heads, read_pictures
from reage.networks.judges.xception_age import XceptionAge

__all__ = [
    "LEAST",
    "HeadCase",
    "Heads",
    "Skin",
    "choose_real",
    "compare_skin",
    "find_heads",
    "group_figures",
    "measure_heads",
]

NEAR = 10.0  # years off the target that a real head may be
AWAY = 20.0  # years off the target that an aged head is at least, for its skin to be compared
LEAST = 4  # heads that a figure of skin is made of, at least
# How much larger a group's figure is than that of all, when it is worse.
MEASURES = {"mae": 1, "mae_second": 1, "identity_distance": 1, "same_person": -1}

Features = Mapping[str, np.ndarray]  # place -> [N, D]


@dataclass(frozen=True, eq=False)
class Heads:
    """Heads to age, two halves of real heads near each target, and the pictures of all."""

    aged: Sequence[HeadRow]
    real: Mapping[float, tuple[Sequence[HeadRow], Sequence[HeadRow]]]  # by target, years
    pictures: Iterator[tuple[HeadRow, np.ndarray]]
    count: int  # of the pictures


@dataclass(frozen=True, eq=False)
class Skin:
    """Features of one head's patches in each feature space, and their detail."""

    features: Mapping[str, Features]
    energy: np.ndarray  # [bands], fine first; the mean over places


@dataclass(frozen=True, eq=False)
class HeadCase:
    """One head at one target age."""

    row: HeadRow
    target: float  # years
    photo: Look
    aged: Look


def find_heads(table: Path, exclude: Path | None, config: EvaluationConfig) -> Heads:
    """Choose heads to age, and others to compare them with; the same for the same seed.

    Raises UsageError for wrong lists and without any head to age, ImageError for pictures that
    cannot be read.
    """
    rows = read_heads(table, exclude)
    aged = choose_heads(rows, config.heads)
    if not aged:
        raise UsageError(f"{table} has no adults, in colour and not excluded, to be aged")
    rest = [row for row in rows if row not in set(aged)]
    real = {
        target: choose_real(rest, target, config.real_heads, config.seed)
        for target in config.head_targets
    }
    every = list(dict.fromkeys(chain(aged, *chain.from_iterable(real.values()))))
    return Heads(aged, real, read_pictures(table, every), len(every))


def choose_real(
    rows: Sequence[HeadRow], target: float, count: int, seed: int
) -> tuple[list[HeadRow], list[HeadRow]]:
    """Choose two disjoint lists of heads near an age, the sharpest, at most `count` each."""
    able = [
        row
        for row in rows
        if abs(row.age - target) <= NEAR and row.sharp_to >= LEAST_SHARP and not row.grey
    ]
    order = np.random.default_rng(seed).permutation(len(able))
    able = sorted((able[i] for i in order), key=lambda row: -row.sharp_to)[: 2 * count]
    return able[::2], able[1::2]


def measure_heads(
    editor: Editor, judges: Judges, heads: Heads, config: EvaluationConfig, progress: Progress
) -> dict[str, Any]:
    """Age heads; compare their skin with that of real heads, and their groups with each other."""
    read, cases = _skin_reader(judges), []
    photos: dict[HeadRow, Skin] = {}
    aged: dict[tuple[HeadRow, float], Skin] = {}
    for done, (row, rgb) in enumerate(heads.pictures, 1):
        progress("heads", done, heads.count)
        face = judges.find(rgb)
        if face is None or face.landmarks is None:
            continue
        photos[row] = read(rgb, face)
        if row in heads.aged:
            photo = judges.look(rgb, face)
            for target, picture in _age(editor, rgb, config):
                aged[row, target] = read(picture, face)
                cases.append(HeadCase(row, target, photo, judges.look(picture, face)))
    found = {f"{target:g}": _compare(photos, aged, heads, target) for target in heads.real}
    threshold = None if judges.recogniser is None else judges.recogniser.threshold
    return {
        "heads": len({case.row for case in cases}),
        "missed": heads.count - len(photos),
        "skin": found,
        **group_figures(cases, threshold),
        "records": [_record(case) for case in cases],
    }


def compare_skin(sets: Mapping[str, Sequence[Skin]], real: Sequence[Skin]) -> dict[str, Any]:
    """Return KID by set and feature space, and energy by band over that of the real heads.

    A set of fewer heads than `LEAST` has no figures; of so few real heads none has.
    """
    enough = {name: some for name, some in sets.items() if min(len(some), len(real)) >= LEAST}
    kid: dict[str, Any] = {name: {} for name in enough}
    for space in real[0].features if enough else ():
        even = standardise([one.features[space] for one in real])
        wanted = [even(one.features[space]) for one in real]
        for name, some in enough.items():
            apart = skin_distance([even(one.features[space]) for one in some], wanted)
            kid[name][space] = {"mean": apart.mean, "spread": apart.spread}
    return {
        "heads": {name: len(some) for name, some in sets.items()},
        "real": len(real),
        "kid": kid,
        "energy": {name: (_energy(some) / _energy(real)).tolist() for name, some in enough.items()},
        "real_energy": _energy(real).tolist() if real else None,
    }


def group_figures(cases: Sequence[HeadCase], threshold: float | None) -> dict[str, Any]:
    """Return errors and identity by group, and by how much the worst group is worse than all.

    `threshold` is the recogniser's.
    """
    groups = {"all": list(cases)}
    for name in ("female", "male", *(group[0] for group in GROUPS)):
        groups[name] = [case for case in cases if name in (case.row.sex, group_of(case.row))]
    by = {name: _figures(some, threshold) for name, some in groups.items() if some}
    return {"by": by, "worst": {name: _worst(by, name, sign) for name, sign in MEASURES.items()}}


def _skin_reader(judges: Judges) -> Callable[[np.ndarray, Face], Skin]:
    spaces: dict[str, Callable[[np.ndarray], np.ndarray]] = {"Gabor": texture_features}
    if judges.second is not None and isinstance(judges.second.network, XceptionAge):
        spaces["network"] = xception_features(judges.second.network)

    def read(rgb: np.ndarray, face: Face) -> Skin:
        patches = skin_patches(rgb, face)
        features = {
            space: {place: describe(part) for place, part in patches.items()}
            for space, describe in spaces.items()
        }
        return Skin(features, np.mean(list(band_energies(patches).values()), 0))

    return read


def _age(
    editor: Editor, rgb: np.ndarray, config: EvaluationConfig
) -> Iterator[tuple[float, np.ndarray]]:
    result = editor.edit(
        rgb, config.head_targets, paste=config.paste, quality=config.quality, seed=config.seed
    )
    for target, edit in zip(config.head_targets, result.edits, strict=True):
        yield target, edit.photo.rgb8


def _compare(
    photos: Mapping[HeadRow, Skin],
    aged: Mapping[tuple[HeadRow, float], Skin],
    heads: Heads,
    target: float,
) -> dict[str, Any]:
    """Compare the heads that are far from a target with real heads that are near."""
    real, others = ([photos[row] for row in half if row in photos] for half in heads.real[target])
    far = [row for row in heads.aged if row in photos and abs(row.age - target) >= AWAY]
    sets = {
        "aged": [aged[row, target] for row in far],
        "nothing done": [photos[row] for row in far],
        "other real heads, the floor": others,
    }
    return compare_skin(sets, real)


def _energy(some: Sequence[Skin]) -> np.ndarray:
    return np.mean([one.energy for one in some], 0)


def _figures(cases: Sequence[HeadCase], threshold: float | None) -> dict[str, Any]:
    apart = [distance(case.aged, case.photo) for case in cases]
    values: dict[str, list[float | None]] = {
        "mae": [abs(case.aged.age - case.target) for case in cases],
        "mae_second": [
            None if case.aged.second is None else abs(case.aged.second - case.target)
            for case in cases
        ],
        "identity_distance": apart,
        "same_person": [
            None if one is None or threshold is None else float(one < threshold) for one in apart
        ],
    }
    figures = {name: _over_heads(cases, some) for name, some in values.items()}
    return {"heads": len({case.row for case in cases}), **figures}


def _over_heads(cases: Sequence[HeadCase], values: Sequence[float | None]) -> Any:
    """Mean and bootstrap interval over heads, as plain data; None where there is no value."""
    by_head: dict[HeadRow, list[float]] = {}
    for case, value in zip(cases, values, strict=True):
        if value is not None:
            by_head.setdefault(case.row, []).append(value)
    interval = bootstrap([float(np.mean(some)) for some in by_head.values()])
    return None if interval is None else asdict(interval)


def _worst(by: Mapping[str, Any], measure: str, sign: int) -> dict[str, Any] | None:
    if not by or by["all"][measure] is None:
        return None
    size = {name: sign * row[measure]["mean"] for name, row in by.items()}
    group = max(size.keys() - {"all"}, key=lambda name: (size[name], name), default="all")
    return {"group": group, "beyond": size[group] - size["all"]}


def _record(case: HeadCase) -> dict[str, Any]:
    return {
        "head": case.row.name,
        "sex": case.row.sex,
        "group": group_of(case.row),
        "target": case.target,
        "photo_age": case.photo.age,
        "photo_second_age": case.photo.second,
        "age": case.aged.age,
        "second_age": case.aged.second,
        "identity_distance": distance(case.aged, case.photo),
    }
