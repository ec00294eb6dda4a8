"""Take a beard, stubble or its shadow off a photo's face, as children have none."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from PIL import Image

from reage.compositing.bands import LUMA
from reage.compositing.boxed_face import HALF, BoxedFace, covered, half_mask
from reage.compositing.detail_removal import Remover, as_laid, centred_logs
from reage.compositing.detail_transfer import LaidSkin
from reage.compositing.hair.beards import beard_reach
from reage.compositing.hair.regions import CHIN
from reage.compositing.mesh_warp import FRAME, FRAME_SCALE
from reage.compositing.skin_mask import LOG_OFFSET, NOSTRILS, fill_rings, skin_likelihood
from reage.compositing.smoothing import gaussian, resize_plane, smoothstep

__all__ = ["bare_region", "beard_region", "lay_shave", "shave"]

BELOW_NOSE = 2  # of the mesh
LIMITS = (2.0, 1.0)  # log-luminance: most lighter, most darker
# Of the change of log-luminance, evened over `LOCKS`: below the first there is no hair, from the
# second on nothing of what is finer than the network sees is skin.
THIN, DENSE = 0.04, 0.2
END, LONG = (0.2, 0.6), 0.5  # of the region: its edge; so much of it is hair where beards are long
LOCKS, HAIRS = 0.012, 0.006  # of FFHQ's square's side, standard deviations


@lru_cache(maxsize=2)
def _beard_region(canonical: bytes) -> np.ndarray:
    mesh = (np.frombuffer(canonical).reshape(-1, 2) + 0.5) / HALF - 0.5
    width, height = (side // HALF for side in FRAME)
    reach = beard_reach(mesh, max(width, height))[:height, :width].astype(np.float32)
    nostrils = fill_rings([np.frombuffer(canonical).reshape(-1, 2)[r] for r in NOSTRILS], 3.0)
    return reach * (1 - resize_plane(nostrils, (width, height), Image.Resampling.BOX))


def beard_region(canonical: np.ndarray) -> np.ndarray:
    """Return where beards grow on the canonical face `[468, 2]`, `[320, 256]` in 0..1."""
    return _beard_region(canonical.tobytes())


def bare_region(canonical: np.ndarray) -> np.ndarray:
    """Return where its skin has no beard: above the lower end of the nose, `[320, 256]` in 0..1."""
    bare = half_mask(canonical.tobytes()) * (1 - beard_region(canonical))
    bare[round(canonical[BELOW_NOSE, 1] / HALF) :] = 0
    return bare


def lay_shave(
    face: BoxedFace, network: Remover, hidden: np.ndarray | None = None
) -> LaidSkin | None:
    """Compute what takes the beard off a photo's face, 0 where there is none.

    `hidden` `[H, W]` in 0..1 is what is known to cover the photo's face. None if the beard hangs
    lower than it can be followed: half a beard is worse than all of it.
    """
    found = shave(face.frame, face.canonical, network)
    found[3] = smoothstep((np.abs(found[3]) - THIN) / (DENSE - THIN))
    end = _lower_end(face.canonical.tobytes())
    if (found[3] * end).sum() > LONG * end.sum():
        return None
    *logs, dense = face.from_frame(found)
    change, dense = np.stack(logs), np.clip(dense, 0, 1)
    # Single hairs are finer than what the network sees.
    shown = np.log(face.light[: face.rows] + LOG_OFFSET) + np.tensordot(LUMA, change, 1)
    hairs = shown - gaussian(shown, HAIRS * face.side)
    change = face.share * face.pad(change - dense * hairs)
    return as_laid(face.box, change * (1 - covered(face.box, change, hidden)), LIMITS)


@torch.no_grad()
def shave(rgb: np.ndarray, canonical: np.ndarray, network: Remover) -> np.ndarray:
    """Ask the network what a face without a beard would have otherwise, `[4, h, w]`.

    `rgb` `[3, h, w]` in 0..1 and the result lie on the canonical face, shrunk by `HALF`: changes of
    the logarithms of the colours, and that of the luma, evened over `LOCKS`.
    """
    region, mask = beard_region(canonical), half_mask(canonical.tobytes())
    bare = bare_region(canonical) * skin_likelihood(np.moveaxis(rgb, 0, 2), mask)
    given = (torch.from_numpy(part)[None] for part in (centred_logs(rgb, bare), bare[None]))
    change = region * network(*given)[0].numpy()
    evened = gaussian(np.tensordot(LUMA, change, 1), LOCKS * FRAME_SCALE / HALF)
    return np.concatenate([change, evened[None]]).astype(np.float32)


@lru_cache(maxsize=2)
def _lower_end(canonical: bytes) -> np.ndarray:
    """Return where below the chin the region ends, `[320, 256]` bool."""
    mesh = np.frombuffer(canonical).reshape(-1, 2) / HALF
    region = _beard_region(canonical)
    end = (region > END[0]) & (region < END[1])
    end[: round(mesh[CHIN, 1])] = False
    return end
