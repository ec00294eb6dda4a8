"""Plots of a run: grids of pictures, and the curves of its log."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from torch import Tensor

from reage.images import save_array, to_array

__all__ = ["picture_grid", "save_curves", "save_grid"]

COLUMNS = 8
SHARE = 20  # a curve is smoothed over this part of its points


def picture_grid(images: Tensor, columns: int = COLUMNS) -> np.ndarray:
    """Pictures `[N, 3, h, w]` in [-1, 1] side by side, row by row, uint8 `[H, W, 3]`."""
    array = np.asarray(to_array(images))
    columns = min(columns, len(array))
    rows = math.ceil(len(array) / columns)
    height, width = array.shape[1:3]
    padded = np.zeros((rows * columns, height, width, 3), np.uint8)
    padded[: len(array)] = array
    grid = padded.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(grid.reshape(rows * height, columns * width, 3))


def save_grid(images: Tensor, path: Path, columns: int = COLUMNS) -> None:
    """Write a grid of pictures as PNG."""
    save_array(picture_grid(images, columns), path, overwrite=True)


def save_curves(log: Path, path: Path) -> bool:
    """Draw every figure of a log over the pictures seen; False where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    names = sorted({name for entry in entries for name in entry} - {"step", "kimg"})
    if not names:
        return True
    columns = min(4, len(names))
    rows = math.ceil(len(names) / columns)
    wide, high = 4 * columns, 2.6 * rows  # inches
    figure = Figure(figsize=(wide, high))
    # Fixed margins: a layout that matplotlib computes takes as long as the drawing itself.
    figure.subplots_adjust(
        0.75 / wide, 0.5 / high, 1 - 0.2 / wide, 1 - 0.3 / high, wspace=0.28, hspace=0.45
    )
    for i, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, i + 1)
        points = [(entry["kimg"], entry[name]) for entry in entries if name in entry]
        kimg, values = (np.array(column, float) for column in zip(*points, strict=True))
        axes.plot(kimg, values, color="#9db4c8", linewidth=0.8)
        width = max(len(values) // SHARE, 1)
        smooth = np.convolve(values, np.ones(width) / width, "valid")
        axes.plot(kimg[width - 1 :], smooth, color="#1b4965", linewidth=1.6)
        axes.set_title(name, fontsize=9)
        axes.locator_params(nbins=5)
        axes.tick_params(labelsize=7)
        axes.set_xlabel("kimg", fontsize=7)
    figure.savefig(path, dpi=80)
    return True
