"""Draw things before faces, age the faces, and measure what changed on the things.

    python benchmarks/covers.py ../shared/portraits/synthetic --count 5 --json build/covers.json

Seven things are drawn by this file, which the network that finds them was not trained with:
a surgical mask, sunglasses, a microphone, a hand, a cup, a phone and a veil. For each: whether the
edit says that the face is covered, and the change on the whole thing, below the chin too, in
levels of 255 (the largest of the three channels): 95th percentile and most.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from reage.editor import Editor, load
from reage.errors import FaceError
from reage.images import read_photo

FINER = 4  # drawn so many times as large, then reduced: smooth edges
Draw = Callable[["Canvas"], None]


class Canvas:
    """A layer over a photo, drawn in units of the eyes' distance from the middle of the face."""

    def __init__(self, shape: tuple[int, ...], points: np.ndarray, seed: int):
        eyes, mouth = points[:2].mean(0), points[3:].mean(0)
        across = points[1] - points[0]
        self.unit = float(np.hypot(*across))
        self.right = across / self.unit
        self.down = np.array([-self.right[1], self.right[0]])
        self.eyes, self.mouth = eyes, float((mouth - eyes) @ self.down) / self.unit
        self.chance = np.random.default_rng(seed)
        size = (shape[1] * FINER, shape[0] * FINER)
        self.mask = Image.new("L", size)
        self.colours = Image.new("RGB", size)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The pixel that lies x to the right of the eyes' middle and y below it."""
        px, py = (self.eyes + self.unit * (x * self.right + y * self.down) + 0.5) * FINER
        return float(px), float(py)

    def polygon(self, corners: list[tuple[float, float]], colour: tuple[int, int, int]) -> None:
        outline = [self.place(*corner) for corner in corners]
        for image, fill in ((self.mask, 255), (self.colours, colour)):
            ImageDraw.Draw(image).polygon(outline, fill=fill)

    def ellipse(
        self, centre: tuple[float, float], radii: tuple[float, float], colour: tuple[int, int, int]
    ) -> None:
        turns = np.linspace(0, 2 * np.pi, 90)
        self.polygon(
            [(centre[0] + radii[0] * np.cos(t), centre[1] + radii[1] * np.sin(t)) for t in turns],
            colour,
        )

    def bar(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        width: float,
        colour: tuple[int, int, int],
    ) -> None:
        """A line with round ends."""
        a, b = np.array(start), np.array(end)
        side = np.array([a[1] - b[1], b[0] - a[0]]) / np.hypot(*(b - a)) * width / 2
        self.polygon([tuple(p) for p in (a + side, b + side, b - side, a - side)], colour)
        for end_ in (a, b):
            self.ellipse((end_[0], end_[1]), (width / 2, width / 2), colour)

    def over(self, rgb: np.ndarray, opacity: float) -> tuple[np.ndarray, np.ndarray]:
        """The photo with the layer, shaded and grainy, and where it is `[H, W]`, 0..1."""
        size = (rgb.shape[1], rgb.shape[0])
        blur = ImageFilter.GaussianBlur(0.15 * self.unit * FINER)
        soft = np.asarray(self.mask.filter(blur).resize(size, Image.Resampling.BOX)) / 255
        mask = np.asarray(self.mask.resize(size, Image.Resampling.BOX), np.float32) / 255
        colours = np.asarray(self.colours.resize(size, Image.Resampling.BOX), np.float32)
        colours = colours / np.maximum(mask, 1e-3)[..., None]
        shade = 0.75 + 0.25 * soft[..., None]  # darker towards the edge
        grain = self.chance.normal(0, 2.5, rgb.shape[:2])[..., None]
        layer = np.clip(colours * shade + grain, 0, 255)
        share = (mask * opacity)[..., None]
        return np.rint(rgb * (1 - share) + layer * share).astype(np.uint8), mask


def surgical_mask(canvas: Canvas) -> None:
    low = canvas.mouth
    colour = (150, 190, 205)
    sides = [(-0.95, 0.35), (-0.45, 0.35), (0, 0.25), (0.45, 0.35), (0.95, 0.35)]
    canvas.polygon([*sides, (0.8, low + 0.4), (0.3, low + 0.8), (-0.3, low + 0.8),
                    (-0.8, low + 0.4)], colour)  # fmt: skip
    for step in range(3):
        y = 0.6 + step * (low + 0.1 - 0.6) / 2
        canvas.bar((-0.7, y), (0.7, y + 0.03), 0.02, (125, 165, 185))


def sunglasses(canvas: Canvas) -> None:
    for side in (-1, 1):
        canvas.ellipse((0.5 * side, 0.03), (0.44, 0.34), (22, 22, 26))
        canvas.bar((0.9 * side, -0.05), (1.15 * side, -0.08), 0.08, (35, 30, 28))
    canvas.bar((-0.12, -0.04), (0.12, -0.04), 0.08, (35, 30, 28))


def microphone(canvas: Canvas) -> None:
    x, y = 0.15, canvas.mouth + 0.35
    canvas.bar((x, y + 0.2), (x + 0.6, y + 2.6), 0.3, (28, 28, 30))
    canvas.ellipse((x, y), (0.36, 0.36), (120, 122, 126))
    for step in range(-3, 4):
        canvas.bar((x - 0.3, y + 0.09 * step), (x + 0.3, y + 0.09 * step), 0.015, (88, 90, 94))


def hand(canvas: Canvas) -> None:
    skin, line = (205, 160, 135), (165, 118, 98)
    low = canvas.mouth
    canvas.ellipse((0.95, low + 1.1), (0.55, 0.7), skin)
    for finger in range(4):
        start, end = (0.75, low + 0.65 + 0.24 * finger), (-0.35 + 0.1 * finger, low + 0.2 * finger)
        canvas.bar(start, end, 0.25, line)
        canvas.bar(start, end, 0.21, skin)


def cup(canvas: Canvas) -> None:
    top = canvas.mouth - 0.12
    canvas.polygon([(-0.5, top), (0.5, top), (0.4, top + 1.3), (-0.4, top + 1.3)], (232, 228, 220))
    canvas.bar((-0.5, top), (0.5, top), 0.1, (245, 242, 236))
    canvas.polygon([(-0.46, top + 0.5), (0.46, top + 0.5), (0.43, top + 0.9), (-0.43, top + 0.9)],
                   (150, 95, 60))  # fmt: skip


def phone(canvas: Canvas) -> None:
    canvas.polygon([(0.2, -0.6), (1.05, -0.5), (0.9, 1.3), (0.05, 1.2)], (38, 40, 46))
    for y in (-0.3, -0.08):
        canvas.ellipse((0.42, y), (0.1, 0.1), (12, 12, 16))


def veil(canvas: Canvas) -> None:
    top = 0.38
    canvas.polygon([(-1.4, top), (1.4, top), (1.7, 3.2), (-1.7, 3.2)], (40, 36, 58))
    for step in range(-5, 6):
        canvas.bar((0.22 * step, top + 0.1), (0.3 * step, 3.0), 0.03, (30, 27, 46))


THINGS: dict[str, Draw] = {
    "mask": surgical_mask, "sunglasses": sunglasses, "microphone": microphone, "hand": hand,
    "cup": cup, "phone": phone, "veil": veil,
}  # fmt: skip


def changes(
    editor: Editor, covered: np.ndarray, mask: np.ndarray, age: float
) -> tuple[dict[str, float | None], np.ndarray | None]:
    """Age a photo; what changed where the mask is 1, and the picture (None: no face found)."""
    try:
        edit = editor.edit(covered, to=age).edits[0]
    except FaceError:
        return {"found": None, "p95": None, "most": None}, None
    aged = edit.photo.rgb8
    moved = np.abs(aged.astype(int) - covered).max(-1)[mask > 0.99]
    said = any("is covered" in notice for notice in edit.notices)
    return {
        "found": float(said),
        "p95": float(np.percentile(moved, 95)),
        "most": float(moved.max()),
    }, aged


def table(rows: list[dict[str, Any]]) -> str:
    """Figures by thing."""
    head = ("thing", "edits", "found", "95th percentile below 3", "its worst", "most")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for thing in [*dict.fromkeys(row["thing"] for row in rows), "all"]:
        mine = [row for row in rows if row["found"] is not None and thing in (row["thing"], "all")]
        if mine:
            found = sum(row["found"] for row in mine)
            p95, most = (max(row[key] for row in mine) for key in ("p95", "most"))
            below = sum(row["p95"] < 3 for row in mine)
            cells = (thing, len(mine), f"{found:.0f}", below, f"{p95:.0f}", f"{most:.0f}")
            lines.append(f"| {' | '.join(map(str, cells))} |")
    missed = sum(row["found"] is None for row in rows)
    return "\n".join([*lines, f"no face found under {missed} of {len(rows)} things"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--to", type=float, default=75)
    parser.add_argument("--things", nargs="+", choices=THINGS, default=list(THINGS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pictures", type=Path, help="folder for covered and aged photos")
    options = parser.parse_args()
    editor, rows = load(), []
    files = sorted(f for f in options.portraits.iterdir() if f.suffix in (".jpg", ".png"))
    step = max(len(files) // options.count, 1)
    for seed, file in enumerate(files[::step][: options.count]):
        rgb = read_photo(file).rgb8
        face = editor.detector.detect(rgb)[0]
        for thing in options.things:
            canvas = Canvas(rgb.shape, face.points, seed)
            THINGS[thing](canvas)
            covered, mask = canvas.over(rgb, 0.9 if thing == "veil" else 1.0)
            figures, aged = changes(editor, covered, mask, options.to)
            rows.append({"photo": file.name, "thing": thing, **figures})
            print(" ".join(f"{value}" for value in rows[-1].values()), flush=True)
            if options.pictures is not None and aged is not None:
                options.pictures.mkdir(parents=True, exist_ok=True)
                both = Image.fromarray(np.concatenate([covered, aged], 1))
                both.save(options.pictures / f"{file.stem}-{thing}.jpg")
    print(table(rows))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
