"""Skin masks of a face: the mesh excludes features; colour excludes hair and glasses."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from reage.compositing.bands import LUMA
from reage.compositing.mesh_warp import FRAME
from reage.compositing.smoothing import gaussian, resize_plane, smoothstep

__all__ = [
    "LIPS",
    "LOG_OFFSET",
    "NOSTRILS",
    "OVAL",
    "fill_rings",
    "frame_mask",
    "log_colours",
    "near_eyes",
    "region_weights",
    "skin_likelihood",
    "with_deep_folds",
]

# Rings of MediaPipe's mesh.
EYES = (
    [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7],
    [263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249],
)
BROWS = (
    [70, 63, 105, 66, 107, 55, 65, 52, 53, 46],
    [300, 293, 334, 296, 336, 285, 295, 282, 283, 276],
)
LIPS = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
NOSTRILS = (
    [59, 166, 79, 239, 238, 241, 242, 99, 60, 75],
    [289, 392, 309, 459, 458, 461, 462, 328, 290, 305],
)
OVAL = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
]  # fmt: skip
# Pixels of the frame, standard deviations: how softly each feature's ring fades outwards, and the
# face's outline inwards.
FEATHERS = {"eyes": 3.0, "brows": 5.0, "lips": 3.0, "nostrils": 3.0}
OVAL_FEATHER = 14.0
NEAR = 9.0  # ... and what is beside eyes and brows
FOREHEAD = 0.16  # of the face's height: how much higher than the mesh a forehead may reach
# Mahalanobis distances from the skin's colours between which a pixel ceases to be skin.
SKIN, NOT_SKIN = 2.6, 4.6
BLEND = 0.08  # of the face's height, in which one region passes into the next
# Of log-luminance, log R/G and log B/G, squared: skin varies by so much at least; their standard
# deviations, at most, where learning begins.
LEAST_SPREAD, MOST_SPREAD = np.array([0.006, 0.0006, 0.0012]), np.array([0.22, 0.06, 0.1])
SAMPLES = 4000  # pixels that the colours are learnt from
CLOSE, WIDE_FOLD = 0.012, 0.03  # of the width
FOLDS_WITHIN = 0.3  # of a face's width from its middle
FOLD = 0.3  # of log-luminance, by which the bottom of a deep fold is darker
LOG_OFFSET = 0.03  # of 0..1, added before logarithms: noise in black counts for nothing


def log_colours(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log-luminance `[H, W]` and log R/G, B/G `[2, H, W]` of colours in 0..1."""
    light = np.log(rgb @ LUMA + LOG_OFFSET)
    logs = np.log(rgb + LOG_OFFSET)
    return light, np.stack([logs[..., 0] - logs[..., 1], logs[..., 2] - logs[..., 1]])


def frame_mask(canonical: np.ndarray) -> np.ndarray:
    """Draw the skin mask of the canonical face `[468, 2]`, `[h, w]` float32 in 0..1.

    The forehead reaches beyond the mesh, because the mesh does not know the hairline.
    """
    outline = canonical[OVAL].copy()
    height = np.ptp(canonical[:, 1])
    brow = canonical[[105, 334], 1].mean()
    above = np.clip((brow - outline[:, 1]) / (brow - canonical[10, 1]), 0, 1)
    outline[:, 1] -= FOREHEAD * height * above**2
    mask = smoothstep(2 * fill_rings([outline], OVAL_FEATHER) - 1)
    for rings, name in ((EYES, "eyes"), (BROWS, "brows"), ([LIPS], "lips"), (NOSTRILS, "nostrils")):
        mask = mask * (
            1 - smoothstep(2 * fill_rings([canonical[r] for r in rings], FEATHERS[name]))
        )
    return mask


def near_eyes(canonical: np.ndarray, feather: float = NEAR) -> np.ndarray:
    """Draw a soft mask of eyes, lashes, brows and the area between them: `[h, w]` in 0..1.

    `feather` is how far around them it reaches, a standard deviation in pixels of the frame.
    """
    between = [55, 107, 9, 336, 285, 417, 6, 193]
    rings = [canonical[ring] for ring in (*EYES, *BROWS, between)]
    return smoothstep(2.5 * fill_rings(rings, feather))


def region_weights(canonical: np.ndarray) -> np.ndarray:
    """Divide the frame softly into forehead, eyes, cheeks and mouth: `[4, h, w]`, sum 1."""
    brow, lids = canonical[[105, 334], 1].mean(), canonical[[145, 374], 1].mean()
    nose, face = canonical[2, 1], np.ptp(canonical[:, 1])
    edges = np.array([brow, lids + 0.1 * face, nose - 0.02 * face])
    rows = np.arange(FRAME[1])
    below = smoothstep((rows[None] - edges[:, None]) / (BLEND * face) + 0.5)  # [3, h]
    parts = np.concatenate([np.ones((1, FRAME[1])), below]) - np.concatenate(
        [below, np.zeros((1, FRAME[1]))]
    )
    return np.repeat(parts[..., None], FRAME[0], 2).astype(np.float32)


def skin_likelihood(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return how likely each pixel of `[H, W, 3]` in 0..1 is skin as under `mask`, `[H, W]`.

    A robust Gaussian of the colours where the mask is 1 (features left out); hair, frames, beards
    and strong shadows lie outside it.
    """
    light, chroma = log_colours(rgb)
    values = np.stack([gaussian(plane, 1.0) for plane in (light, *chroma)])  # [3, H, W]
    chosen = values[:, mask > 0.9]
    chosen = chosen[:, :: max(1, chosen.shape[1] // SAMPLES)]
    centre = np.median(chosen, axis=1)
    # Hair may cover a good part of the mesh: no spread is learnt from all of it.
    typical = 1.5 * np.median(np.abs(chosen - centre[:, None]), axis=1)
    spread = np.diag(np.square(np.minimum(typical, MOST_SPREAD)) + LEAST_SPREAD)
    for _ in range(4):
        away = chosen - centre[:, None]
        distance = np.einsum("in,ij,jn->n", away, np.linalg.inv(spread), away)
        inside = chosen[:, distance < 7.0]
        centre, spread = inside.mean(1), np.cov(inside) + np.diag(LEAST_SPREAD)
    away = values - centre[:, None, None]
    distance = np.sqrt(np.einsum("iyx,ij,jyx->yx", away, np.linalg.inv(spread), away))
    likely = smoothstep((NOT_SKIN - distance) / (NOT_SKIN - SKIN))
    return _close(likely, CLOSE * rgb.shape[1])


def with_deep_folds(rgb: np.ndarray, skin: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Return where there is skin or a deep fold of it, `[H, W]` in 0..1, by where `skin` is seen.

    At the bottom of a fold skin is darker and redder than any other; a moustache is greyer. From
    the nose to the chin alone, beside which brown hair may hang. `mesh` `[468, 2]` is in pixels.
    """
    known = skin > 0.9
    if not known.any():
        return skin
    light, chroma = log_colours(rgb)
    planes = [gaussian(plane, 1.0) for plane in (light, *chroma)]
    darker, redder, bluer = (plane - np.median(plane[known]) for plane in planes)
    fold = (darker < -FOLD) & (redder > 0) & (bluer < 0)
    rows, columns = np.mgrid[: len(rgb), : rgb.shape[1]]
    lids, middle = mesh[[145, 374], 1].mean(), mesh[[1, 152], 0].mean()
    fold &= (rows > lids) & (np.abs(columns - middle) < FOLDS_WITHIN * np.ptp(mesh[:, 0]))
    if not fold.any():
        return skin
    shown = np.clip(2 * gaussian(fold.astype(np.float32), 1.0), 0, 1)
    height, width = skin.shape  # filters of ranks are slow: on a third of the places
    small = resize_plane(skin, (round(width / 3), round(height / 3)), Image.Resampling.BOX)
    closed = resize_plane(_close(small, WIDE_FOLD * small.shape[1]), (width, height))
    return np.maximum(skin, shown * closed)


def _close(plane: np.ndarray, radius: float) -> np.ndarray:
    """Fill dark lines narrower than two radii (wrinkles are skin, strands in a mass are not)."""
    side = 2 * max(1, round(radius)) + 1
    image = Image.fromarray(np.rint(plane * 255).astype(np.uint8))
    closed = image.filter(ImageFilter.MaxFilter(side)).filter(ImageFilter.MinFilter(side))
    return gaussian(np.asarray(closed, np.float32) / 255, radius / 2)


def fill_rings(rings: list[np.ndarray], feather: float) -> np.ndarray:
    """Fill polygons `[N, 2]` in the frame; the edge passes one half on the ring."""
    width, height = FRAME
    image = Image.new("L", (2 * width, 2 * height))
    pen = ImageDraw.Draw(image)
    for ring in rings:
        pen.polygon([tuple(point) for point in 2 * (ring + 0.5)], fill=255)
    plane = resize_plane(np.asarray(image, np.float32) / 255, FRAME, Image.Resampling.BOX)
    return gaussian(plane, feather)
