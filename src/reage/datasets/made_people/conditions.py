"""Simulate the conditions of a photo: light, pose, blur, noise and compression."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from reage.faces.squares import crop_face

__all__ = ["PLAIN", "Condition", "Shot", "draw_condition", "take"]


@dataclass(frozen=True)
class Condition:
    """The changes to one picture; the defaults do nothing."""

    roll: float = 0.0  # degrees
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)  # of the picture's side
    exposure: float = 0.0  # stops
    warmth: float = 0.0  # stops between red and blue
    side_light: tuple[float, float] = (0.0, 0.0)  # stops from edge to edge, across and down
    blur: float = 0.0  # standard deviation, thousandths of the side
    noise: float = 0.0  # standard deviation, levels of 255
    jpeg: int = 0  # quality; 0: not compressed

    def describe(self) -> dict[str, Any]:
        """Return what differs from a plain picture, rounded."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {n: v for n, v in values.items() if v != getattr(PLAIN, n)}


PLAIN = Condition()


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture under its condition."""

    rgb: np.ndarray  # [H, W, 3] uint8
    points: np.ndarray  # [5, 2] of the face
    padding: float  # fraction that lay outside the picture


def draw_condition(rng: np.random.Generator, amount: float) -> Condition:
    """Draw random conditions; `amount` scales them, 0 is a plain picture."""
    if amount == 0:
        return PLAIN
    n = (rng.standard_normal(8).clip(-2, 2) * amount).tolist()
    u = rng.random(3).tolist()
    return Condition(
        roll=round(2.5 * n[0], 2),
        zoom=round(float(np.exp(0.03 * n[1])), 4),
        shift=(round(0.012 * n[2], 4), round(0.012 * n[3], 4)),
        exposure=round(0.22 * n[4], 3),
        warmth=round(0.12 * n[5], 3),
        side_light=(round(0.4 * n[6], 3), round(0.15 * n[7], 3)),
        blur=round(5.0 * u[0] * min(amount, 1), 2),
        noise=round(4.0 * u[1] * min(amount, 1), 2),
        jpeg=round(95 - 40 * u[2] * min(amount, 1)),
    )


def take(
    rgb: np.ndarray, points: np.ndarray, condition: Condition, rng: np.random.Generator
) -> Shot:
    """Take a picture `[S, S, 3]` uint8 of the face with the points `[5, 2]` under a condition."""
    if condition == PLAIN:
        return Shot(rgb, points, 0.0)
    side = len(rgb)
    turned, points, padding = _change_pose(rgb, points, condition)
    lit = _change_light(turned, condition)
    lit += rng.standard_normal(lit.shape) * condition.noise
    image = Image.fromarray(np.rint(lit.clip(0, 255)).astype(np.uint8))
    if condition.blur:
        image = image.filter(ImageFilter.GaussianBlur(condition.blur * side / 1000))
    if condition.jpeg:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=condition.jpeg)
        image = Image.open(buffer)
    return Shot(np.asarray(image.convert("RGB")), points, padding)


def _change_pose(
    rgb: np.ndarray, points: np.ndarray, condition: Condition
) -> tuple[np.ndarray, np.ndarray, float]:
    """Rotate, shift and scale the picture; the border is mirrored."""
    side = len(rgb)
    middle = np.full(2, (side - 1) / 2)
    angle = np.radians(condition.roll)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) * side / 2  # TL, BL, BR, TR
    origin = middle + np.array(condition.shift) * side
    crop = crop_face(rgb, origin + corners / condition.zoom @ turn.T, side)
    moved = (np.asarray(points, np.float64) - origin) @ turn * condition.zoom + middle
    return crop.image, moved, 1.0 - float(crop.mask.mean())


def _change_light(rgb: np.ndarray, condition: Condition) -> np.ndarray:
    """Change the light as stops of linear light, `[H, W, 3]` float 0..255 (gamma 2.2)."""
    across, down = np.meshgrid(*[np.linspace(-0.5, 0.5, len(rgb))] * 2)
    stops = condition.exposure + condition.side_light[0] * across + condition.side_light[1] * down
    tint = np.array([condition.warmth / 2, 0.0, -condition.warmth / 2])
    gain = 2.0 ** ((stops[..., None] + tint) / 2.2)
    return rgb * gain
