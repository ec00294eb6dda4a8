"""The pictures of docs/guides/animations.md: animation, grid, sheet, mix, a batch's table.

python benchmarks/outputs.py ../shared/portraits/synthetic docs
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image

from reage.cli import main as reage

# People who do not exist (CC0): nobody's face belongs on a made-up sheet of the missing.
ANIMATED, PEOPLE = "female-35.jpg", ("female-35.jpg", "male-74.jpg")
GRID = (*PEOPLE, "male-11.jpg")
SOUGHT = "male-72.jpg"
FIELDS = """
name = "John Example"
born = 1978-03-02
missing_since = 2014-04-19
missing_from = "Harbour Street, Sampletown"
today = 2026-11-29
sex = "male"
height = "178 cm"
weight = "76 kg"
eyes = "brown"
hair = "brown, short"
marks = "mole on the left cheek"
clothes = "blue rain jacket, jeans"
contacts = ["+1 202 555 0143", "search@example.org"]
case_number = "14-0419"
organisation = "Example Search Organisation"
url = "https://example.org/14-0419"
"""
MOST = 2 << 20  # bytes of an animation
PAGE = 1240  # pixels across the sheet in docs; the command writes 2480 and a PDF


def run(*arguments: object) -> None:
    """Run one command, as typed."""
    print("reage", *arguments, flush=True)
    try:
        reage([str(argument) for argument in arguments])
    except SystemExit as end:
        if end.code:
            raise


def main() -> None:
    portraits, docs = Path(sys.argv[1]), Path(sys.argv[2])
    again = ("--overwrite",)
    animation = docs / "animation.webp"
    run("animate", portraits / ANIMATED, "--ages", "5:80", "--size", 320, "--fps", 15, "--label",
        "-o", animation, *again)  # fmt: skip
    assert animation.stat().st_size < MOST, animation.stat().st_size
    run("strip", *(portraits / name for name in GRID), "--to", 20, 40, 60, 80, "--cell", 256,
        "-o", docs / "strip.jpg", *again)  # fmt: skip
    run("mix", *(portraits / name for name in PEOPLE), "-o", docs / "mix.jpg", *again)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "sheet.png"
        fields = Path(folder) / "fields.toml"
        fields.write_text(FIELDS, "utf-8")
        run("sheet", portraits / SOUGHT, "--fields", fields, "-o", page)
        with Image.open(page) as image:
            height = round(image.height * PAGE / image.width)
            small = image.resize((PAGE, height), Image.Resampling.LANCZOS)
            small.save(docs / "sheet.jpg", quality=88, xmp=image.info.get("xmp", b""))
        photos = Path(folder) / "photos"
        photos.mkdir()
        for name in PEOPLE:
            shutil.copy(portraits / name, photos)
        (photos / "broken.jpg").write_text("no picture")
        try:
            run("batch", photos, Path(folder) / "aged", "--to", 20, 60, "--quality", "fast")
        except SystemExit as end:
            print("exit", end.code)
        shutil.copy(Path(folder) / "aged" / "manifest.csv", docs / "manifest.csv")


if __name__ == "__main__":
    main()
