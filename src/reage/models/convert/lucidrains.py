"""Why files of lucidrains/stylegan2-pytorch are refused.

Its network is a relative of StyleGAN2 and no renaming of tensors makes them the same: it has two
modulated convolutions at 4 px (StyleGAN2 has one) behind an unmodulated one, doubles features by
bilinear interpolation whose border is repeated (StyleGAN2's is zero), blurs the picture once more
at each doubling, and weighs noise by channel (StyleGAN2 by layer). What could be carried over,
the mapping, is of no use alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reage.errors import ModelError

__all__ = ["refuse_lucidrains"]

TRAINING = "GAN"  # its key of the state dict
SIGN = "blocks.0.to_noise1.weight"  # no StyleGAN2 of another family has a noise layer


def refuse_lucidrains(content: Mapping[str, Any], source: str) -> None:
    """Raise ModelError where the content is a generator of lucidrains' architecture."""
    held = content.get(TRAINING)
    for state in (held, content) if isinstance(held, dict) else (content,):
        if any(isinstance(key, str) and key.endswith(SIGN) for key in state):
            raise ModelError(
                f"{source} is of lucidrains/stylegan2-pytorch, whose network is not StyleGAN2's "
                "(two convolutions at 4 px, bilinear doubling, noise by channel): no conversion "
                "can give its pictures; give a StyleGAN2 checkpoint of another program"
            )
