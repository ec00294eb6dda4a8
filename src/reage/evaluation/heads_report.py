"""Write the section of whole heads in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reage.evaluation.heads import AWAY, LEAST, NEAR
from reage.evaluation.words import percent, table

__all__ = ["heads_section"]

SPACES = ("network", "Gabor")
MEASURES = {
    "mae": "age error, steering networks, years",
    "mae_second": "age error, independent network, years",
    "identity_distance": "identity distance",
    "same_person": "same person, share",
}


def heads_section(found: Mapping[str, Any]) -> list[str]:
    """Return the lines of "Skin at full size"."""
    if "skin" not in found:
        return ["## Skin at full size", "", found["note"] + "."]
    return [
        "## Skin at full size",
        "",
        f"{found['heads']} heads were aged; {found['missed']} pictures without a face are left "
        f"out. Skin: patches of heads that are {AWAY:g} years or more from the target, against "
        f"those of sharp real heads within {NEAR:g} years of it. *Nothing done* are the same heads "
        "as they are. KID is x 1000 ± its standard deviation over people, by early blocks of the "
        "independent age network and by Gabor filters, which no loss uses. Energy is the contrast "
        "in five bands, fine first, over that of the real heads. Heads that the model was made "
        "from flatter all figures: exclude them (--exclude).",
        *_skin(found["skin"]),
        *_groups(found),
    ]


def _skin(found: Mapping[str, Any]) -> list[str]:
    rows, notes = [], []
    for target, one in found.items():
        counts = {"real heads": one["real"], **one["heads"]}
        few = [f"{count} {name}" for name, count in counts.items() if count < LEAST]
        if few:
            notes.append(f"Too few for figures at {target}: {', '.join(few)}; {LEAST} are needed.")
        for name, kids in one["kid"].items():
            kid = (kids.get(space) for space in SPACES)
            kid = (f"{k['mean']:.0f} ± {k['spread']:.0f}" if k else None for k in kid)
            energy = ", ".join(f"{value:.2f}" for value in one["energy"][name])
            rows.append((target, name, one["heads"][name], one["real"], *kid, energy))
    head = ("to", "skin of", "heads", "real", "KID, network", "KID, Gabor", "energy")
    return [*(table(head, rows) if rows else []), *(line for note in notes for line in ("", note))]


def _groups(found: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, row in found["by"].items():
        same = row["same_person"] and row["same_person"]["mean"]
        figures = (row[measure] for measure in tuple(MEASURES)[:3])
        rows.append((name, row["heads"], *figures, percent(same)))
    worst = [
        (words, one["group"], float(one["beyond"]))
        for measure, words in MEASURES.items()
        if (one := found["worst"][measure])
    ]
    head = ("group", "heads", "MAE", "MAE, second", "identity distance", "same person")
    return [*table(head, rows), *table(("", "worst group", "worse than all by"), worst)]
