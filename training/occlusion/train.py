"""Train the network that sees what covers a face: `python training/occlusion/train.py --help`."""

from __future__ import annotations

import argparse
import csv
import io
import tarfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from reage.agers.skin import read_embedded_bank
from reage.compositing.cover import SQUARE
from reage.faces.detection import FaceDetector
from reage.faces.squares import crop_face, face_quad, to_unit
from reage.models.files import save_tensors
from reage.models.pretrained import load_efficientnet
from reage.networks.occlusion import OcclusionNetwork
from reage.training.occlusion.covered_faces import cover_face

SIDE = 160  # pixels of the faces that things are drawn over
BATCH, NEW = 16, 4  # pictures a step, and how many of them are new: the others were kept
RATE, RISE = 3e-3, 60  # of learning, and steps until it is reached
DICE = 0.3  # weight of that loss: small things count as much as large ones
HEADS = 1.6  # how much more often the sharp heads are taken


def read_faces(archive: Path, rows: Path | None, every: int) -> tuple[list, list]:
    """Return faces `[160, 160, 3]` and their meshes `[478, 2]` in 0..1, of an archive's pictures.

    Rows of the table with a share-alike licence are left out.
    """
    listed = {} if rows is None else {r["file"]: r for r in csv.DictReader(rows.open())}
    detector, faces, meshes = FaceDetector(), [], []
    with tarfile.open(archive) as tar:
        members = [one for one in tar if one.name.endswith(".webp")]
        for member in members[::every]:
            row = listed.get(member.name.removeprefix("./"), {"licence": ""})
            data = tar.extractfile(member)
            if "SA" in row["licence"] or data is None:
                continue
            rgb = np.asarray(Image.open(io.BytesIO(data.read())).convert("RGB"))
            found = [face for face in detector.detect(rgb) if face.landmarks is not None]
            if found:
                face = max(found, key=lambda one: one.size)
                quad = face_quad(face, *SQUARE)
                faces.append(crop_face(rgb, quad, SIDE).image)
                meshes.append(to_unit(face.landmarks[:, :2], quad).astype(np.float32))
    return faces, meshes


def mirrored_points() -> np.ndarray:
    """Return which of the mesh's points `[478]` each one becomes in a mirror."""
    mesh = read_embedded_bank().canonical
    mirror = mesh * [-1, 1] + [2 * mesh[:, 0].mean(), 0]
    near = np.square(mirror[:, None] - mesh[None]).sum(-1).argmin(1)
    return np.concatenate([near, np.arange(473, 478), np.arange(468, 473)])


class Drawer:
    """Draws batches of covered and of clear faces."""

    def __init__(self, faces: list, meshes: list, weights: np.ndarray, seed: int):
        self.faces, self.meshes = np.stack(faces), np.stack(meshes)
        self.weights, self.random = weights / weights.sum(), np.random.default_rng(seed)
        self.mirror = mirrored_points()

    def draw(self, count: int) -> list[Tensor]:
        """Return pictures in -1..1, what is covered, and the faces, `[N, C, H, W]`."""
        chosen = self.random.choice(len(self.faces), count, p=self.weights)
        drawn = [self._one(self.faces[i], self.meshes[i]) for i in chosen]
        pictures, covered, face = (
            torch.from_numpy(np.stack(part)).float() / 255 for part in zip(*drawn, strict=True)
        )
        return [pictures.permute(0, 3, 1, 2) * 2 - 1, covered[:, None], face[:, None]]

    def _one(self, face: np.ndarray, mesh: np.ndarray) -> tuple[np.ndarray, ...]:
        if self.random.random() < 0.5:
            face, mesh = face[:, ::-1], (mesh * [-1, 1] + [1, 0])[self.mirror]
        return cover_face(self.random, np.ascontiguousarray(face), mesh, self.faces)


def loss_of(logits: Tensor, covered: Tensor, face: Tensor) -> Tensor:
    """Cross entropy and Dice within the faces."""
    entropy = F.binary_cross_entropy_with_logits(logits, covered, reduction="none")
    total = (entropy * face).sum() / face.sum()
    found, there = torch.sigmoid(logits) * face, covered * face
    some = there.sum((1, 2, 3)) > 20
    if not some.any():
        return total
    both, each = ((a).sum((1, 2, 3))[some] for a in (found * there, found + there))
    return total + DICE * (1 - (2 * both + 1) / (each + 1)).mean()


def train(network: OcclusionNetwork, drawer: Drawer, minutes: float) -> int:
    """Train for a time; return the number of steps.

    The features of all pictures drawn so far are kept, in float16: each is used several times.
    """
    own = [p for name, p in network.named_parameters() if not name.startswith("features.")]
    optimiser = torch.optim.AdamW(own, RATE, weight_decay=1e-4)
    kept: list[list[Tensor]] = []
    began, steps = time.monotonic(), 0
    while (share := (time.monotonic() - began) / 60 / minutes) < 1:
        rate = RATE * min(1, (steps + 1) / RISE) * max(0.02, 0.5 * (1 + np.cos(np.pi * share)))
        optimiser.param_groups[0]["lr"] = rate
        new = drawer.draw(NEW if kept else 2 * BATCH)
        with torch.no_grad():
            new += [layer.half() for layer in network.features.first(new[0], 3)]
        kept += [list(row) for row in zip(*new, strict=True)]
        old = drawer.random.integers(0, len(kept), BATCH - NEW).tolist()
        rows = [kept[i] for i in [*range(-NEW, 0), *old]]
        pictures, covered, face, *layers = (
            torch.stack(column).float() for column in zip(*rows, strict=True)
        )
        optimiser.zero_grad()
        loss = loss_of(network.merge(pictures, layers), covered, face)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(own, 1.0)
        optimiser.step()
        steps += 1
        if steps % 100 == 0:
            print(f"step {steps}, {60 * minutes * share:.0f} s: loss {float(loss):.3f}", flush=True)
    return steps


def main() -> None:
    """Read the faces, train, and write the network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=Path, required=True, help="heads.tar, heads.csv beside it")
    parser.add_argument(
        "--faces", type=Path, required=True, help="faces192.tar; one in four is read"
    )
    parser.add_argument("--minutes", type=float, default=26, help="of training")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    heads = read_faces(given.heads, given.heads.with_suffix(".csv"), 1)
    others = read_faces(given.faces, None, 4)
    weights = np.repeat([HEADS, 1.0], [len(heads[0]), len(others[0])])
    torch.manual_seed(0)
    network = OcclusionNetwork(load_efficientnet())
    drawer = Drawer(heads[0] + others[0], heads[1] + others[1], weights, seed=0)
    print(f"{train(network, drawer, given.minutes)} steps on {len(drawer.faces)} faces")
    state = network.own_state()
    state = {k: (t.half() if t.numel() > 1000 else t).contiguous() for k, t in state.items()}
    save_tensors(given.output, state)


if __name__ == "__main__":
    main()
