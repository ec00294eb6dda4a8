"""Measurements of one face in one picture: age, identity, and attributes to preserve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reage.compositing.bands import LUMA
from reage.compositing.skin_tone import typology_angle
from reage.evaluation.recogniser import chip_quad
from reage.faces.face import Face
from reage.faces.squares import crop_face

__all__ = ["ATTRIBUTES", "Look", "bridge_edges", "distance", "smile", "tone"]

SIDE = 96  # pixels of the square in which skin and nose bridge are looked at
# In the recogniser's square: cheeks below the eyes, above most beards; the bridge of the nose.
CHEEKS = ((0.22, 0.48, 0.32, 0.58), (0.68, 0.48, 0.78, 0.58))  # x0, y0, x1, y1
BRIDGE = (0.44, 0.22, 0.56, 0.38)

# Attributes that must not change with age, and their units.
ATTRIBUTES: Mapping[str, str] = {
    "gender": "probability of male, by the network that losses use too",
    "second_gender": "probability of male, by the second age network, which no loss has seen",
    "skin": "degrees, individual typology angle of the cheeks; larger is lighter",
    "smile": "mouth's width over the eyes' distance",
    "yaw": "degrees",
    "pitch": "degrees",
    "glasses": "grey levels, horizontal edges on the nose bridge: a proxy",
}


@dataclass(frozen=True, eq=False)
class Look:
    """One face in one picture, as measured by independent networks."""

    age: float  # years, by the network that also steers the edit
    second: float | None  # years, by the network that no loss has seen; None: not at hand
    descriptor: np.ndarray | None  # [D] of the recogniser; None: not at hand
    attributes: Mapping[str, float | None]  # of ATTRIBUTES; None: no face, or no network


def distance(a: Look, b: Look) -> float | None:
    """Euclidean distance of two descriptors; None without a recogniser."""
    if a.descriptor is None or b.descriptor is None:
        return None
    return float(np.linalg.norm(a.descriptor - b.descriptor))


def smile(face: Face) -> float:
    """Mouth's width over the eyes' distance."""
    left_eye, right_eye, _, left_mouth, right_mouth = face.points
    return float(np.hypot(*(right_mouth - left_mouth)) / np.hypot(*(right_eye - left_eye)))


def tone(rgb: np.ndarray, points: np.ndarray) -> float:
    """Skin tone of the cheeks of a face with the points `[5, 2]`, degrees."""
    square = crop_face(rgb, chip_quad(points), SIDE).image
    return typology_angle(np.concatenate([_part(square, box).reshape(-1, 3) for box in CHEEKS]))


def bridge_edges(rgb: np.ndarray, points: np.ndarray) -> float:
    """Mean absolute vertical gradient on the nose bridge, grey levels a pixel of the square.

    A frame of glasses crosses the bridge, bare skin is smooth there. It tells that something
    appeared or vanished, not that it is glasses.
    """
    square = crop_face(rgb, chip_quad(points), SIDE).image
    return float(np.abs(np.diff(_part(square, BRIDGE) @ LUMA, axis=0)).mean())


def _part(square: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    x0, y0, x1, y1 = (round(v * len(square)) for v in box)
    return square[y0:y1, x0:x1]
