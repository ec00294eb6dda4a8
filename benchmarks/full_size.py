"""Age portraits at full size with and without skin detail, and let other networks judge.

    python benchmarks/full_size.py ../shared/portraits --to 20 40 60 80 --json build/full-size.json

For each folder of portraits and target age: the error of the network that steers and of the second
age network (`reage evaluate` says how to get it), the recogniser's distance to the photo, and how
many are still matched at 0.6 and at a strict 0.5. Pictures go to --pictures.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from reage.editor import Editor, load
from reage.evaluation.judges import Judges, load_judges
from reage.evaluation.looks import distance
from reage.images import read_photo

FOLDERS = ("london", "synthetic", "congress")


def rows_of(
    editor: Editor, judges: Judges, photo: Path, ages: list[float], pictures: Path | None
) -> list[dict[str, float]]:
    """One row a target age."""
    began = time.process_time()
    result = editor.edit(read_photo(photo), to=ages)
    seconds = (time.process_time() - began) / len(ages)
    (face,) = result.prepared
    before = judges.look(result.photo.rgb8, face.view.face)
    rows = []
    for age, edit in zip(ages, result.edits, strict=True):
        after = judges.look(edit.photo.rgb8, face.view.face)
        apart = distance(after, before)
        row = {
            "to": age,
            "own": face.own_age,
            "error": abs(after.age - age),
            "second": np.nan if after.second is None else after.second,
            "second_own": np.nan if before.second is None else before.second,
            "distance": np.nan if apart is None else apart,
            "claimed": float(edit.faces[0].limit is None),
            "seconds": seconds,
        }
        rows.append({key: float(value) for key, value in row.items()})
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            Image.fromarray(edit.photo.rgb8).save(pictures / f"{photo.stem}-{age:g}.jpg")
    return rows


def summary(rows: list[dict[str, float]]) -> str:
    def mean(values: list[float]) -> float:
        return float(np.nanmean(values))

    apart = [row["distance"] for row in rows]
    second = mean([abs(row["second"] - row["to"]) for row in rows])
    return (
        f"{len(rows):3} pictures: {mean([row['error'] for row in rows]):4.1f} years, second "
        f"network {second:4.1f} (reads {mean([row['second'] for row in rows]):4.1f}), distance "
        f"{mean(apart):.3f}, same {mean([d < 0.6 for d in apart]):4.0%} at 0.6, "
        f"{mean([d < 0.5 for d in apart]):4.0%} at 0.5, reached "
        f"{mean([row['claimed'] for row in rows]):4.0%}, "
        f"{mean([row['seconds'] for row in rows]):.2f} s of processor"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--to", nargs="+", type=float, default=[20, 40, 60, 80])
    parser.add_argument("--folders", nargs="+", default=list(FOLDERS))
    parser.add_argument("--every", type=int, default=1, help="take each Nth portrait")
    parser.add_argument("--only", choices=["plain", "fine"], help="one of the two")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    editors = {"plain": load(fine_skin=False), "fine": load()}
    judges = load_judges(editors["plain"])
    if options.only:
        editors = {options.only: editors[options.only]}
    print("missing:", judges.missing)
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for folder in options.folders:
        photos = sorted((options.portraits / folder).glob("*.jpg"))[:: options.every]
        for photo in photos:
            for name, editor in editors.items():
                place = options.pictures and options.pictures / name
                rows = rows_of(editor, judges, photo, options.to, place)
                for row in rows:
                    found[f"{folder} {row['to']:g} {name}"].append(row)
            print(photo, flush=True)
        for key, rows in found.items():
            if key.startswith(folder):
                print(f"{key:24} {summary(rows)}", flush=True)
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
