"""Prepare faces for the training of the photo ager beside skin detail.

    python training/photo_ager/faces.py HEADS.csv FACES.csv faces.safetensors --faces 2400

HEADS.csv is a table of sharp heads, FACES.csv one of crops on the embedded model's square. Each
face is found and read as an edit does it, and the detail of old skin and its own are laid over it.
Ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reage.agers.skin import LAID, SkinAger
from reage.compositing.detail_transfer import detail_in
from reage.editor import Editor, load
from reage.errors import FaceError
from reage.images import Photo
from reage.models.files import save_tensors

SIDE = 128


def prepare(editor: Editor, picture: np.ndarray, sharp: bool) -> dict[str, Tensor] | None:
    """Return a crop, its layers of detail `[3, 128, 128]` and its age; None without a face."""
    photo = Photo(picture)
    try:
        (face,) = editor.prepare(photo, editor.choose_faces(photo))
    except FaceError:
        return None
    assert isinstance(editor.ager, SkinAger)
    editor.ager.change(face, torch.tensor([face.own_age]))
    if face.notes[LAID] is None:
        return None
    quad = face.view.crop.quad
    old, own = (detail_in(laid, quad, SIDE) for laid in face.notes[LAID])
    return {
        "images": torch.from_numpy(np.array(face.view.crop.image)).permute(2, 0, 1),
        "old": torch.from_numpy(old).half(),
        "own": torch.from_numpy(own).half(),
        "eyes": torch.from_numpy(face.view.eyes).half(),
        "ages": torch.tensor(face.own_age),
        "sharp": torch.tensor(sharp),
    }


def pictures(options: argparse.Namespace) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield pictures `[H, W, 3]`, and whether they are sharp heads."""
    heads = list(csv.DictReader(options.heads.open(newline="")))
    # Grey pictures have no colour of skin, and CC BY-SA would bind what is trained.
    heads = [row for row in heads if row["grey"] != "1" and "BY-SA" not in row["licence"]]
    faces = list(csv.DictReader(options.faces_table.open(newline="")))
    np.random.default_rng(0).shuffle(faces)
    for table, rows in ((options.heads, heads), (options.faces_table, faces[: options.faces])):
        for row in rows:
            with Image.open(table.parent / row["file"]) as picture:
                yield np.asarray(picture.convert("RGB")), table == options.heads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("heads", type=Path, help="table; its pictures lie unpacked beside it")
    parser.add_argument("faces_table", type=Path, help="the same")
    parser.add_argument("output", type=Path)
    parser.add_argument("--faces", type=int, default=2400, help="how many of the crops")
    options = parser.parse_args()
    editor = load()
    found = [prepare(editor, picture, sharp) for picture, sharp in pictures(options)]
    known = [one for one in found if one is not None]
    tensors = {name: torch.stack([one[name] for one in known]) for name in known[0]}
    save_tensors(options.output, tensors)
    print(len(known), "faces")


if __name__ == "__main__":
    main()
