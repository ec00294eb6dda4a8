"""Recognisers: identity vectors compared by Euclidean distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from reage.compositing.view import crop_for_age
from reage.editor import Editor
from reage.errors import ModelError, UsageError
from reage.evaluation.recogniser import DlibRecogniser, load_recogniser
from reage.faces.face import Face
from reage.images import to_tensor

__all__ = ["NAMES", "Recogniser", "apart_by", "choose_recogniser", "make_recogniser"]

DIMENSIONS = 256  # to which features are projected
DLIB, FEATURES = "dlib", "features"
# Distance below which two drawn people are too like each other. dlib's own threshold is 0.6, but
# made faces lie nearer together than real ones.
APART = {DLIB: 0.45, FEATURES: 0.5}
NAMES = {DLIB: DlibRecogniser.name, FEATURES: "efficientnet-lite0 features"}


class Recogniser(Protocol):
    """The interface of a recogniser."""

    def describe(self, rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Vector `[D]` of the face with the points `[5, 2]` in a picture `[H, W, 3]` uint8."""
        ...


@dataclass(frozen=True, eq=False)
class Dlib:
    """dlib's recogniser, which no training used."""

    network: DlibRecogniser

    def describe(self, rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
        return self.network.describe(rgb, points)


@dataclass(frozen=True, eq=False)
class Features:
    """ImageNet features in place, projected at random: it sees pictures rather than people."""

    editor: Editor
    projection: Tensor  # [D, DIMENSIONS]

    @torch.no_grad()
    def describe(self, rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
        square = to_tensor(crop_for_age(rgb, Face.from_points(points)).image)
        found = self.editor.likeness.describe(square.to(self.editor.device))
        flat = torch.cat(found, 1).cpu() / len(found) ** 0.5
        return (flat @ self.projection)[0].numpy()


def choose_recogniser(name: str) -> str:
    """Resolve `auto`: dlib if it is installed. Raises UsageError or ModelError."""
    if name == DLIB:
        load_recogniser()
    if name != "auto":
        if name not in NAMES:
            raise UsageError(f"the recogniser {name!r} is not known; choose auto, dlib or features")
        return name
    try:
        load_recogniser()
    except ModelError:
        return FEATURES
    return DLIB


def apart_by(name: str) -> float:
    """Distance below which two drawn people are too like each other, by a chosen recogniser."""
    return APART[name]


def make_recogniser(name: str, editor: Editor) -> Recogniser:
    """Load the chosen recogniser."""
    if name == DLIB:
        return Dlib(load_recogniser())
    size = sum(layer.shape[1] for layer in editor.likeness.describe(torch.zeros(1, 3, 128, 128)))
    rng = torch.Generator().manual_seed(0)
    # Distances are kept but for some hundredths (Johnson and Lindenstrauss, 1984).
    return Features(editor, torch.randn(size, DIMENSIONS, generator=rng) / DIMENSIONS**0.5)
