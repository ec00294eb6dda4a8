"""Measure skin at full size: patches, their distance to real skin of an age, their detail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from reage.compositing.bands import LUMA
from reage.compositing.skin_mask import LOG_OFFSET
from reage.compositing.smoothing import gaussian
from reage.evaluation.metrics import squared_mmd
from reage.faces.face import Face
from reage.faces.squares import crop_face, face_quad, to_unit
from reage.images import to_tensor
from reage.networks.judges.xception_age import XceptionAge

__all__ = [
    "PLACES",
    "SkinDistance",
    "band_energies",
    "skin_distance",
    "skin_patches",
    "standardise",
    "texture_features",
    "xception_features",
]

SQUARE = 512  # pixels of FFHQ's square, at which patches are cut
PATCH = 64  # pixels of a patch
# The mesh's points in the middle of the patches.
PLACES: Mapping[str, Sequence[int]] = {
    "forehead": (69, 151, 299),
    "eyes": (143, 372, 119, 348),
    "cheeks": (205, 425, 50, 280),
    "mouth": (57, 287, 210, 430),
}
# Standard deviations in shares of FFHQ's square's side that part the bands of detail.
BANDS = (0.002, 0.004, 0.008, 0.014, 0.028)
WAVES, TURNS = (3.0, 5.0, 9.0, 16.0), 6  # pixels, directions of the Gabor filters
SKIN_COLOUR = np.array([176, 140, 122], np.float32)  # that all patches are brought to
CLIPPED = 2.5  # standard deviations
KID_SCALE = 1000.0


@dataclass(frozen=True)
class SkinDistance:
    """KID of the patches' features, a thousandfold; by place and their mean."""

    places: Mapping[str, float]
    spread: float  # standard deviation of the mean, by resampling people

    @property
    def mean(self) -> float:
        return float(np.mean(list(self.places.values())))


def skin_patches(rgb: np.ndarray, face: Face) -> Mapping[str, np.ndarray]:
    """Cut the skin's patches of a face with a mesh out of a photo: place -> `[N, 64, 64, 3]`."""
    assert face.landmarks is not None, "a face without a mesh"
    quad = face_quad(face)
    square = crop_face(rgb, quad, SQUARE).image
    points = to_unit(face.landmarks[:, :2], quad) * SQUARE - PATCH / 2
    corners = np.clip(np.rint(points), 0, SQUARE - PATCH).astype(int)
    return {
        place: _balance_colour(
            np.stack([square[y : y + PATCH, x : x + PATCH] for x, y in corners[list(indices)]])
        )
        for place, indices in PLACES.items()
    }


def skin_distance(
    made: Sequence[Mapping[str, np.ndarray]],
    real: Sequence[Mapping[str, np.ndarray]],
    draws: int = 50,
) -> SkinDistance:
    """Compare features `[N, D]` of people's patches, by place; people are resampled together."""
    places = {place: _kid(made, real, place) for place in PLACES}
    rng = np.random.default_rng(0)
    means = []
    for _ in range(draws):
        # Without repeats: a patch beside itself would count as a likeness.
        few = rng.choice(len(made), max(2, int(0.7 * len(made))), replace=False)
        many = rng.choice(len(real), max(2, int(0.7 * len(real))), replace=False)
        a, b = [made[i] for i in few], [real[i] for i in many]
        means.append(np.mean([_kid(a, b, place) for place in PLACES]))
    return SkinDistance(places, float(np.std(means)))


def standardise(
    real: Sequence[Mapping[str, np.ndarray]],
) -> Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]:
    """Fit a normalisation of features to mean 0 and deviation 1 on real people's patches.

    Beyond `CLIPPED` deviations they are cut off: the kernel is cubic, and one odd patch would
    outweigh all others.
    """
    known = np.concatenate([patches for one in real for patches in one.values()])
    mean, spread = known.mean(0), known.std(0) + 1e-6

    def apply(one: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        return {
            place: np.clip((found - mean) / spread, -CLIPPED, CLIPPED)
            for place, found in one.items()
        }

    return apply


def xception_features(network: XceptionAge) -> Callable[[np.ndarray], np.ndarray]:
    """Features of patches `[N, 64, 64, 3]` by the second age network's early blocks, `[N, D]`."""

    place = next(network.parameters()).device

    @torch.no_grad()
    def describe(patches: np.ndarray) -> np.ndarray:
        x = to_tensor(patches).to(place)
        x = torch.nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear")
        x = torch.relu(network.stem((x + 1) / 2 - 0.45))
        maps = [x]
        for block in network.entry:
            maps.append(block(maps[-1]))
        parts = [m.relu().mean((2, 3)) for m in maps] + [m.relu().std((2, 3)) for m in maps]
        found = torch.cat(parts, 1)
        return (found / found.std(1, keepdim=True)).cpu().numpy()

    return describe


def texture_features(patches: np.ndarray) -> np.ndarray:
    """Compute hand-made features of patches `[N, 64, 64, 3]`, `[N, D]`.

    Mean, spread and skew of the logarithm of the light behind Gabor filters (Manjunath and Ma
    1996): how strong lines are at each width and direction, and whether they are dark or light.
    """
    light = np.log(patches.astype(np.float32) @ LUMA / 255 + LOG_OFFSET)
    light = light - light.mean((1, 2), keepdims=True)
    spectrum = np.fft.fft2(light)
    fy, fx = np.meshgrid(np.fft.fftfreq(PATCH), np.fft.fftfreq(PATCH), indexing="ij")
    found = []
    for wave in WAVES:
        for turn in range(TURNS):
            angle = np.pi * turn / TURNS
            along, across = (
                fx * np.cos(angle) + fy * np.sin(angle),
                fy * np.cos(angle) - fx * np.sin(angle),
            )
            window = np.exp(
                -(np.square((along - 1 / wave) * wave / 0.45) + np.square(across * wave / 0.45)) / 2
            )
            answer = np.fft.ifft2(spectrum * window)
            size = np.abs(answer)
            real = answer.real
            scale = np.sqrt(np.mean(real**2, (1, 2))) + 1e-4
            found += [
                np.log(size.mean((1, 2)) + 1e-3),
                np.log(size.std((1, 2)) + 1e-3),
                (real**3).mean((1, 2)) / scale**3,
            ]
    return np.stack(found, 1)


def band_energies(patches: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """RMS of the light's logarithm in `BANDS`' bands, fine first, by place: `[len(BANDS)]`."""
    energies = {}
    for place, part in patches.items():
        squares = []
        for patch in part:
            light = np.log(patch.astype(np.float32) @ LUMA / 255 + LOG_OFFSET)
            smooth = [light, *(gaussian(light, sigma * SQUARE) for sigma in BANDS)]
            squares.append([np.mean((a - b) ** 2) for a, b in pairwise(smooth)])
        energies[place] = np.sqrt(np.mean(squares, 0))
    return energies


def _balance_colour(patches: np.ndarray) -> np.ndarray:
    """Bring each patch's mean to one colour: cameras, lamps and skin tones are not texture."""
    means = patches.astype(np.float32).mean((1, 2), keepdims=True)
    return np.clip(patches * (SKIN_COLOUR / np.maximum(means, 8)), 0, 255).astype(np.uint8)


def _kid(
    a: Sequence[Mapping[str, np.ndarray]], b: Sequence[Mapping[str, np.ndarray]], place: str
) -> float:
    first, second = (np.concatenate([one[place] for one in some]) for some in (a, b))
    return KID_SCALE * squared_mmd(first, second)
