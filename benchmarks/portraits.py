"""All portraits of a folder at 20, 40, 60 and 80 years, in one command, and the table of it.

python benchmarks/portraits.py ../shared/portraits docs/reference/portraits.md
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

AGES = "20:80:20"
PROGRAM = "from reage.cli import main; main()"


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    photos = sorted(source.glob("*/*.jpg"))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", PROGRAM, "edit", *map(str, photos)]
        done = subprocess.run([*command, "--ages", AGES, "--output", folder], check=False)
        reports = {}
        for photo in photos:
            file = Path(folder) / f"{photo.stem}-ages20-80-reage.json"
            if file.is_file():
                reports[photo] = json.loads(file.read_text())
    target.write_text(page(photos, reports, done.returncode))


def page(photos: list[Path], reports: dict[Path, dict], status: int) -> str:
    lines = [
        "# Portraits at other ages",
        "",
        f"`reage edit */*.jpg --ages {AGES}` on the {len(photos)} portraits, one command, exit "
        f"status {status}, measured by `make portraits`. Ages are read from the finished photo by "
        "the two networks that also steer the edit; of younger ones, half by the age asked for. "
        "An age counts as reached within 2 years, if "
        "the two agree; *difference* is the mean error of the reached ones. *Moved* is how far "
        "the estimated age moved in the requested direction, where the target was ten years or "
        "more away.",
        "",
        "| set | photos done | asked | reached | difference, years | moved, years "
        "| likeness | seconds a photo |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in sorted({photo.parent.name for photo in photos}):
        chosen = [photo for photo in photos if photo.parent.name == name]
        found = [reports[photo] for photo in chosen if photo in reports]
        lines += rows(f"{name}", f"{len(found)} of {len(chosen)}", found)
    lines += rows("all", f"{len(reports)} of {len(photos)}", list(reports.values()))
    return "\n".join(lines) + "\n"


def rows(name: str, done: str, reports: list[dict]) -> list[str]:
    if not reports:
        return [f"| {name} | {done} | | | | | | |"]
    faces = [face for report in reports for edit in report["edits"] for face in edit["faces"]]
    seconds = statistics.median(r["seconds"]["total"] for r in reports)
    lines = []
    for asked in (None, 20.0, 40.0, 60.0, 80.0):
        part = [f for f in faces if asked in (None, f["asked"])]
        reached = [f for f in part if f["reached"]]
        difference = [abs(f["after"]["age"] - f["asked"]) for f in reached]
        moved = [
            (f["after"]["age"] - f["before"]["age"])
            * (1 if f["asked"] > f["before"]["age"] else -1)
            for f in part
            if abs(f["asked"] - f["before"]["age"]) >= 10
        ]
        likeness = statistics.mean(f["likeness"] for f in part)
        whole = asked is None
        lines.append(
            f"| {name if whole else ''} | {done if whole else ''} | "
            f"{'all' if whole else f'{asked:g}'} | {len(reached) / len(part):.0%} | "
            f"{mean(difference)} | {mean(moved)} | {likeness:.2f} | "
            f"{f'{seconds:.1f}' if whole else ''} |"
        )
    return lines


def mean(values: list[float]) -> str:
    return f"{statistics.mean(values):.1f}" if values else "-"


if __name__ == "__main__":
    main()
