"""Detect glasses in a dataset, so that they can be equally frequent at every age.

A third of the labelled faces over 60 wear glasses, but hardly any child does. Critics that learn
each age from its real faces would reward painted rims.

No dataset here says who wears glasses, and no network for it has a free licence. So the clearest
cases name themselves (a line across the bridge of the nose and one under both eyes), and a linear
classifier of the edges around the eyes learns from them and then from its own clearest answers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from reage.compositing.bands import LUMA
from reage.compositing.view import EYES_TO_MOUTH
from reage.datasets.face_dataset import FaceDataset, FaceRow
from reage.models.checkpoints import Alignment
from reage.training.agers.crops import length, lies

__all__ = ["edges_around_eyes", "glasses_lines", "learn_from_the_clearest", "wear_glasses"]

SQUARE = Alignment(scale=0.7, shift=0.22)  # of the faces that are looked at
SIDE = 128  # pixels of it; boxes below are x0, y0, x1, y1 of these
EYES, FACE = (17, 38, 111, 86), (30, 40, 98, 90)
BRIDGE, UNDER_LEFT, UNDER_RIGHT = (56, 46, 72, 64), (28, 58, 52, 76), (76, 58, 100, 76)
CELL = 4  # pixels over which edges are averaged
# Quantiles of the score above and below which cases are clear: of the lines, then of the edges.
BY_LINES, BY_EDGES = (0.92, 0.5), (0.9, 0.6)
ROUNDS = 4
RIDGE = 0.02  # a face
LEAST_ROWS = 200  # below which nothing can be learnt, and nobody is taken to wear any


def wear_glasses(dataset: FaceDataset, rows: Sequence[FaceRow], alignment: Alignment) -> np.ndarray:
    """Detect glasses on each face, `[N]` bool; all False if there are too few clear cases.

    `alignment` is that of the dataset's crops, which have to show the square `SQUARE`.
    """
    middle, half = lies(SQUARE.shift * EYES_TO_MOUTH, alignment), length(SQUARE.scale, alignment)
    box = (0.5 - half, middle - half, 0.5 + half, middle + half)
    if len(rows) < LEAST_ROWS or min(box) < -1e-6 or max(box) > 1 + 1e-6:
        return np.zeros(len(rows), bool)
    edges, lines = [], []
    for row in rows:
        picture = Image.fromarray(dataset.read(row))
        x0, y0, x1, y1 = (min(max(v, 0), 1) * picture.width for v in box)
        picture = picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, (x0, y0, x1, y1))
        light = np.asarray(picture, np.float32) @ LUMA
        edges.append(edges_around_eyes(light))
        lines.append(glasses_lines(light))
    return learn_from_the_clearest(np.stack(edges), np.array(lines))


def glasses_lines(light: np.ndarray) -> float:
    """How clear horizontal lines cross the bridge and lie under both eyes, of `[128, 128]`."""
    bridge, left, right = (
        np.abs(np.diff(_part(light, box).mean(1))).max()
        for box in (BRIDGE, UNDER_LEFT, UNDER_RIGHT)
    )
    return float((bridge + min(left, right)) / (_part(light, FACE).std() + 4))


def edges_around_eyes(light: np.ndarray) -> np.ndarray:
    """Strength of edges of four directions in cells around the eyes, left and right alike."""
    s = _part(light, EYES)
    found = np.stack([s[1:-1, 2:] - s[1:-1, :-2], s[2:, 1:-1] - s[:-2, 1:-1],
                      s[2:, 2:] - s[:-2, :-2], s[2:, :-2] - s[:-2, 2:]])  # fmt: skip
    rows, columns = (n // CELL for n in found.shape[1:])
    found = np.abs(found[:, : rows * CELL, : columns * CELL])
    cells = found.reshape(4, rows, CELL, columns, CELL).mean((2, 4))
    # A mirrored face has its two diagonals exchanged.
    cells = (cells + cells[[0, 1, 3, 2], :, ::-1]) / 2
    return np.sqrt(cells / (cells.mean() + 2))[:, :, : columns // 2 + 1].ravel()


def learn_from_the_clearest(edges: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Whether each of N faces wears glasses, by its edges `[N, D]` and its lines `[N]`: bool."""
    edges = (edges - edges.mean(0)) / np.maximum(edges.std(0), 1e-6)
    inputs = np.concatenate([edges, np.ones((len(edges), 1))], 1)
    score, (high, low) = lines, BY_LINES
    for _ in range(ROUNDS):
        top, bottom = np.quantile(score, [high, low])
        wears, bare = score > top, score < bottom
        chosen = wears | bare
        weight = np.where(wears, bare.sum() / max(wears.sum(), 1), 1.0)[chosen, None]
        known = inputs[chosen]
        normal = (known * weight).T @ known + RIDGE * len(known) * np.eye(known.shape[1])
        score = inputs @ np.linalg.solve(normal, (known * weight).T @ wears[chosen].astype(float))
        high, low = BY_EDGES
    return score > 0.5


def _part(light: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    x0, y0, x1, y1 = box
    return light[y0:y1, x0:x1]
