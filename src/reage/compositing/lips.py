"""Let lips get paler with age."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from reage.compositing.bands import LUMA
from reage.compositing.boxed_face import HALF, half_mask
from reage.compositing.skin_mask import LIPS, LOG_OFFSET, fill_rings
from reage.compositing.smoothing import resize_plane

__all__ = ["pale_lips"]

# Rings of MediaPipe's mesh.
MOUTH = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]
FEATHER = 2.5  # pixels of the frame, standard deviation
# Share of what lips have more of red than the skin that goes, with all of old skin's detail. In 719
# men the mean logarithm of R/G is 0.151 above the skin's below 30 years, and 0.103 from 70 on.
PALER = 0.75


def pale_lips(rgb: np.ndarray, canonical: np.ndarray) -> np.ndarray:
    """Return what the logarithms of the colours lose beside old skin's detail, `[3, h, w]`.

    `rgb` `[3, h, w]` in 0..1 and the result lie on the canonical face, shrunk by `HALF`. The light
    stays. Lips that are no redder than the skin stay as they are.
    """
    certain = half_mask(canonical.tobytes()) > 0.9
    logs = np.log(rgb + np.float32(LOG_OFFSET))
    usual = np.median(logs[:, certain], axis=1)[:, None, None]
    more = (logs - logs[1]) - (usual - usual[1])  # of R/G and B/G
    change = -PALER * _lips_mask(canonical.tobytes()) * more * (more[0] > 0)
    return (change - np.tensordot(LUMA, change, 1)).astype(np.float32)


@lru_cache(maxsize=2)
def _lips_mask(canonical: bytes) -> np.ndarray:
    mesh = np.frombuffer(canonical).reshape(-1, 2)
    lips = fill_rings([mesh[LIPS]], FEATHER) * (1 - fill_rings([mesh[MOUTH]], FEATHER))
    return resize_plane(lips, (lips.shape[1] // HALF, lips.shape[0] // HALF), Image.Resampling.BOX)
