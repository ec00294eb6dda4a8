"""The hair segmentation network with its weights, and as a function of pictures."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from reage.errors import ModelError
from reage.networks.hair_segmentation import HairSegmentationNetwork

__all__ = ["HairFinder", "load_hair_network"]

FILE = Path(__file__).parent.parent / "assets" / "mediapipe" / "hair_segmentation.safetensors"


@cache
def load_hair_network() -> HairSegmentationNetwork:
    """Load MediaPipe's network from the package; frozen, float32. ModelError if it is damaged."""
    try:
        state = load_file(FILE)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot read {FILE}: reinstall reage") from error
    network = HairSegmentationNetwork()
    network.load_state_dict({name: value.float() for name, value in state.items()})
    return network.eval().requires_grad_(False)


class HairFinder:
    """Which pixels of a picture show hair. Safe for threads."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        self._network = load_hair_network().to(self._device)
        self.sha256 = hashlib.sha256(FILE.read_bytes()).hexdigest()

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Probabilities `[H, W]` float32 of a uint8 picture `[H, W, 3]`, sides multiples of 32."""
        pixels = torch.from_numpy(np.array(rgb)).to(self._device)  # a copy: torch writes to none
        with torch.no_grad():
            found = self._network(pixels.permute(2, 0, 1)[None].float() / 255)
        return found[0, 0].cpu().numpy()
