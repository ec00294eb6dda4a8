"""A contact sheet of a dataset of `reage synthesize`: a row a person, young to old.

python benchmarks/people_sheet.py DATASET docs/synthesize.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from reage.datasets.face_dataset import open_dataset

PEOPLE, SIDE = 10, 80  # rows; pixels of a picture


def main(folder: Path, output: Path) -> None:
    dataset = open_dataset(folder)
    people = sorted({row.person for row in dataset.rows})[:PEOPLE]
    rows = []
    for person in people:
        own = [row for row in dataset.rows if row.person == person]
        pictures = [Image.fromarray(dataset.read(row)).resize((SIDE, SIDE)) for row in own]
        rows.append(np.concatenate([np.asarray(picture) for picture in pictures], 1))
    Image.fromarray(np.concatenate(rows)).save(output, quality=88)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
