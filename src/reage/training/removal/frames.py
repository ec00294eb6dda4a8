"""Lay sharp heads out on the canonical face, for the training of skin removal.

    python training/skin_removal/frames.py HEADS.csv frames.safetensors

The pictures of HEADS.csv lie unpacked beside it. Five minutes on two cores.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reage.agers.skin import read_embedded_bank
from reage.compositing.boxed_face import HALF, BoxedFace, half_mask
from reage.compositing.hair.beards import beard_in
from reage.compositing.mesh_warp import carry_to_frame
from reage.compositing.skin_mask import skin_likelihood
from reage.editor import Editor, load
from reage.errors import FaceError
from reage.images import Photo
from reage.models.files import save_tensors

MOST_TURNED = 22.0  # degrees


def lay_out(editor: Editor, path: Path, row: dict[str, str]) -> dict[str, Tensor] | None:
    """Return a head's colours, skin and beard `[5, 320, 256]` and what is known; None if unfit."""
    with Image.open(path) as picture:
        photo = Photo(np.asarray(picture.convert("RGB")))
    try:
        face = next(iter(editor.choose_faces(photo).values()))
    except FaceError:
        return None
    if face.landmarks is None or abs(face.pose[0]) > MOST_TURNED:
        return None
    canonical = read_embedded_bank().canonical
    boxed = BoxedFace.cut(photo.pixels, face.landmarks, canonical)
    if boxed is None:
        return None
    mask = half_mask(canonical.tobytes())
    skin = mask * skin_likelihood(np.moveaxis(boxed.frame, 0, 2), mask)
    beard = beard_in(photo.rgb8, face.landmarks[:, :2])[0][None]
    beard = carry_to_frame(beard, canonical, face.landmarks, HALF)
    layers = np.concatenate([boxed.frame, skin[None], np.clip(beard, 0, 1)])
    return {
        "layers": torch.from_numpy(np.rint(255 * layers).astype(np.uint8)),
        "name": torch.tensor(int(Path(row["file"]).stem)),
        "ages": torch.tensor(float(row["age"])),
        "male": torch.tensor(row["sex"].startswith("m")),
        "ita": torch.tensor(float(row["ita"])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("heads", type=Path, help="table; its pictures lie unpacked beside it")
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    rows = list(csv.DictReader(options.heads.open(newline="")))
    # Grey pictures have no colour of skin, and CC BY-SA would bind what is trained.
    rows = [row for row in rows if row["grey"] != "1" and "BY-SA" not in row["licence"]]
    editor = load()
    found = [lay_out(editor, options.heads.parent / row["file"], row) for row in rows]
    known = [one for one in found if one is not None]
    save_tensors(options.output, {name: torch.stack([k[name] for k in known]) for name in known[0]})
    print(len(known), "heads")


if __name__ == "__main__":
    main()
