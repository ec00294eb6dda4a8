"""A contact sheet: each portrait of a folder before, and at 8, 20, 40, 60 and 80 years.

python benchmarks/contact_sheet.py ../shared/portraits/synthetic docs/contact-sheet.jpg
python benchmarks/contact_sheet.py ../shared/portraits/synthetic replaced.jpg replace
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import reage
from reage.images import save_array
from reage.outputs.strip import result_strip

AGES = (8.0, 20.0, 40.0, 60.0, 80.0)
WIDTH = 1000  # pixels of a strip; two stand side by side
QUALITY = 82  # half the size of what photos are written with


def main() -> None:
    paste = sys.argv[3] if len(sys.argv) > 3 else "delta"
    editor = reage.load()
    strips = []
    for photo in sorted(Path(sys.argv[1]).glob("*.jpg")):
        result = editor.edit(photo, to=AGES, paste=paste)
        print(photo.name, "; ".join(edit.faces[0].summary for edit in result.edits), flush=True)
        strip = Image.fromarray(result_strip(result))
        height = round(strip.height * WIDTH / strip.width)
        strips.append(np.asarray(strip.resize((WIDTH, height), Image.Resampling.LANCZOS)))
    height = max(len(strip) for strip in strips)
    cells = [np.pad(s, ((0, height - len(s)), (0, 0), (0, 0)), mode="edge") for s in strips]
    if len(cells) % 2:
        cells.append(np.full_like(cells[0], 255))
    rows = [np.concatenate(cells[i : i + 2], axis=1) for i in range(0, len(cells), 2)]
    mark = "Made by reage: synthetic ages"
    save_array(np.concatenate(rows), sys.argv[2], mark=mark, overwrite=True)
    with Image.open(sys.argv[2]) as sheet:
        sheet.load()
        kept = {name: sheet.info[name] for name in ("exif", "xmp") if name in sheet.info}
    sheet.save(sys.argv[2], quality=QUALITY, optimize=True, progressive=True, **kept)


if __name__ == "__main__":
    main()
