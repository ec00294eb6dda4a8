"""A contact sheet: each portrait of a folder before, and at 8, 20, 40, 60 and 80 years.

python benchmarks/contact_sheet.py ../shared/portraits/synthetic docs/contact-sheet.jpg
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


def main() -> None:
    editor = reage.load()
    strips = []
    for photo in sorted(Path(sys.argv[1]).glob("*.jpg")):
        result = editor.edit(photo, to=AGES)
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


if __name__ == "__main__":
    main()
