"""Dark beards, moustaches and stubble: by what a network that takes beards off would change."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reage.compositing.bands import LUMA
from reage.compositing.beard_removal import beard_region, shave
from reage.compositing.boxed_face import HALF, BoxedFace
from reage.compositing.detail_removal import Remover
from reage.compositing.hair.beards import beard_zones
from reage.compositing.hair.facial import Matte
from reage.compositing.mesh_warp import FRAME
from reage.compositing.skin_mask import LOG_OFFSET
from reage.compositing.smoothing import smoothstep
from reage.faces.sampling import interpolate
from reage.faces.squares import FaceCrop, to_unit

__all__ = ["UNCOUNTED", "BeardFinder", "DarkBeard"]

# Mean change of log-luminance on the chin or the upper lip: of 1,046 heads, no woman in even light
# has as much as the second, and few men with a beard have less than the first.
DOUBTFUL, CERTAIN = 0.04, 0.09
STUBBLE, THICK = 0.1, 0.4  # the same around a place, evened: what counts ever more as beard
BARE, DENSE = 0.06, 0.4  # of skin's light: what is less dark is skin, what is darker is all hair
UNCOUNTED = 0.4  # share of hair in a pixel that does not turn grey: bare skin gets that much
LEAST_LIGHT = 0.02
SHOWN = 0.85  # of a beard is hair at most: skin shows between
BLACK, DARK = 0.08, 0.18  # light of cheeks, between which ever more of a beard can be seen


@dataclass(frozen=True, eq=False)
class DarkBeard:
    """A dark beard in the square around a face."""

    quad: np.ndarray  # [4, 2] the square in the photo, TL, BL, BR, TR
    share: np.ndarray  # [S, S] how far a pixel is within the beard, 0..1
    change: np.ndarray  # [S, S] of log-luminance, to the skin below

    def matte(self, quad: np.ndarray, light: np.ndarray) -> Matte:
        """Tell its hairs by the `light` `[side, side]` in another square of the same photo."""
        places = to_unit(quad, self.quad) * len(self.share) - 0.5
        share, change = (interpolate(one, places, light.shape) for one in (self.share, self.change))
        skin = np.maximum((light + LOG_OFFSET) * np.exp(change) - LOG_OFFSET, LEAST_LIGHT)
        # Stubble turns grey evenly from skin to hair: it would have edges where hair counts first.
        reach = (DENSE - BARE) / (1 - UNCOUNTED)
        return Matte(np.clip(share, 0, 1), skin, skin, DENSE - reach, DENSE)


@dataclass(frozen=True, eq=False)
class BeardFinder:
    """Finds dark beards by a network that takes beards off."""

    network: Remover
    canonical: np.ndarray  # [468, 2] the mesh that it knows, in the frame
    sha256: str  # of the network's weights

    def __call__(self, crop: FaceCrop, landmarks: np.ndarray) -> DarkBeard | None:
        """Look at the square of a face; None where no beard is seen.

        `landmarks` `[468 or more, 2 or 3]` are the face's in the photo.
        """
        side = len(crop.image)
        mesh = to_unit(landmarks[:, :2], crop.quad) * side - 0.5
        face = BoxedFace.cut(crop.image, mesh, self.canonical)
        if face is None:
            return None
        *logs, evened = shave(face.frame, self.canonical, self.network)
        light, change = (np.tensordot(LUMA, rgb, 1) for rgb in (face.frame, np.stack(logs)))
        zones = _zones(self.canonical.tobytes())
        found = max(float(change[zones[name]].mean()) for name in ("chin", "lip"))
        skin = float(np.median(light[zones["cheeks"]]))
        certain = float(np.clip((found - DOUBTFUL) / (CERTAIN - DOUBTFUL), 0, 1))
        certain *= float(np.clip((skin - BLACK) / (DARK - BLACK), 0, 1))
        if certain == 0:
            return None
        thick = smoothstep((evened - STUBBLE) / (THICK - STUBBLE))
        within = SHOWN * certain * thick * beard_region(self.canonical)
        layers = np.zeros((2, side, side), np.float32)
        x0, y0, x1, y1 = face.box
        layers[:, y0:y1, x0:x1] = face.share * face.from_frame(np.stack([within, change]))
        return DarkBeard(crop.quad, *layers)


@lru_cache(maxsize=2)
def _zones(canonical: bytes) -> dict[str, np.ndarray]:
    """Return which pixels `[320, 256]` of the canonical face are of which zone."""
    mesh = (np.frombuffer(canonical).reshape(-1, 2) + 0.5) / HALF - 0.5
    width, height = (side // HALF for side in FRAME)
    zones = beard_zones(mesh, max(width, height))
    return {name: zone[:height, :width] for name, zone in zones.items()}
