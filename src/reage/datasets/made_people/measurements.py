"""Measure a dataset: how separable its people are, and how accurate its ages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reage.datasets.made_people.pair_lists import Fold, Pair

__all__ = ["age_errors", "area_under_curve", "equal_error", "separability", "sex_kept"]

GROWN_UP = 20.0  # years: below it the sex network is no better than chance on many faces
REACHED = 5.0  # years from the asked age: the age network's own mean error


def area_under_curve(same: np.ndarray, different: np.ndarray) -> float:
    """Return the probability that a same pair is nearer than a different one; ties count half."""
    ordered = np.sort(different)
    above = len(different) - np.searchsorted(ordered, same, "right")
    ties = np.searchsorted(ordered, same, "right") - np.searchsorted(ordered, same, "left")
    return float((above + ties / 2).mean() / len(different))


def equal_error(same: np.ndarray, different: np.ndarray) -> tuple[float, float]:
    """Return the equal error rate and its distance threshold."""
    thresholds = np.sort(np.concatenate([same, different]))
    missed = 1 - np.searchsorted(np.sort(same), thresholds, "right") / len(same)
    mistaken = np.searchsorted(np.sort(different), thresholds, "right") / len(different)
    best = int(np.abs(missed - mistaken).argmin())
    return float((missed[best] + mistaken[best]) / 2), float(thresholds[best])


def separability(folds: Sequence[Fold], vectors: np.ndarray) -> dict[str, Any]:
    """Distances of pairs by vectors `[N, D]`: their spread, errors, and accuracy as in LFW.

    The threshold of each fold is the best one of all the others (LFW's view 2); a single
    fold has no accuracy.
    """
    same = [_distances(fold.same, vectors) for fold in folds]
    different = [_distances(fold.different, vectors) for fold in folds]
    all_same, all_different = np.concatenate(same), np.concatenate(different)
    rate, threshold = equal_error(all_same, all_different)
    return {
        "pairs": len(all_same) + len(all_different),
        "same": _spread(all_same),
        "different": _spread(all_different),
        "auc": round(area_under_curve(all_same, all_different), 4),
        "equal_error": round(rate, 4),
        "threshold": round(threshold, 4),
        "accuracy": _accuracy(same, different),
    }


def age_errors(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Compare estimated with target ages, overall and by target; for plain and for all pictures."""
    ages = sorted({row["age"] for row in rows})
    by_age = {f"{age:g}": _age_figures([r for r in rows if r["age"] == age]) for age in ages}
    plain = [row for row in rows if row["condition"] == 0]
    return {"all": _age_figures(rows), "plain": _age_figures(plain), "by_age": by_age}


def sex_kept(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the share of grown-up pictures that read as the sex of most of the person's."""
    people: dict[str, list[bool]] = {}
    for row in rows:
        if row["age"] >= GROWN_UP:
            people.setdefault(row["person"], []).append(row["male"] > 0.5)
    kept = [max(sum(read), len(read) - sum(read)) for read in people.values()]
    count = sum(map(len, people.values()))
    return {"pictures": count, "kept": round(sum(kept) / count, 3) if count else None}


def _age_figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    missed = np.array([row["apparent_age"] - row["age"] for row in rows])
    return {
        "pictures": len(rows),
        "mean_error": round(float(np.abs(missed).mean()), 2),  # years
        "bias": round(float(missed.mean()), 2),  # above 0: read as older
        "reached": round(float((np.abs(missed) <= REACHED).mean()), 3),
    }


def _distances(pairs: Sequence[Pair], vectors: np.ndarray) -> np.ndarray:
    first, second = ([pair[i].index for pair in pairs] for i in (0, 1))
    return np.linalg.norm(vectors[first] - vectors[second], axis=1)


def _spread(distances: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(distances, [0.05, 0.95])
    values = (distances.mean(), distances.std(), low, high)
    names = ("mean", "deviation", "5%", "95%")
    return {name: round(float(v), 4) for name, v in zip(names, values, strict=True)}


def _accuracy(same: Sequence[np.ndarray], different: Sequence[np.ndarray]) -> float | None:
    if len(same) < 2:
        return None
    found = []
    for i in range(len(same)):
        others = [j for j in range(len(same)) if j != i]
        near = np.concatenate([same[j] for j in others])
        far = np.concatenate([different[j] for j in others])
        best = _best_threshold(near, far)
        found.append(((same[i] <= best).mean() + (different[i] > best).mean()) / 2)
    return round(float(np.mean(found)), 4)


def _best_threshold(same: np.ndarray, different: np.ndarray) -> float:
    thresholds = np.sort(np.concatenate([same, different]))
    right = np.searchsorted(np.sort(same), thresholds, "right") / len(same)
    wrong = np.searchsorted(np.sort(different), thresholds, "right") / len(different)
    return float(thresholds[int((right - wrong).argmax())])
