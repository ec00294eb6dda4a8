"""Directions of other projects: InterFaceGAN, StyleGAN2, GANSpace and PaddleGAN.

Such a file does not state its sign, its scale or its generator. They are assumed and named in the
report; `reage.agers.direction_scale` measures the sign and the scale. Directions of another space
or another kind of generator are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reage.agers.direction import Direction, check_vector
from reage.errors import LatentError
from reage.inversion.latent_files import Z_NAME, read_content

__all__ = ["read_foreign_direction"]

TRUSTED = ["sign", "scale", "space", "generator"]
# InterFaceGAN's own boundaries, by the names of its files; its StyleGAN is the first one.
FIRST_GENERATION = re.compile(r"(stylegan|pggan)_(celebahq|ffhq)_.*boundary", re.IGNORECASE)
STYLE_SPACE = re.compile(r"^(fs3|s_mean_std|.*stylespace.*|.*style_space.*)$", re.IGNORECASE)
PCA = (("comp", "mean", "std"), ("lat_comp", "lat_mean", "lat_stdev"))  # short and whole files
MAX_LEVEL = 17


def read_foreign_direction(path: Path, choice: str) -> Direction:
    """Read a .npy, .npz, .pt, .pkl or .pdparams file; `choice` is a name or a component in it.

    Raises LatentError with the reason if the direction cannot be added to ws.
    """
    _refuse_by_name(path)
    content = read_content(path)
    if isinstance(content, Mapping):
        for keys in PCA:
            if set(keys) <= set(content):
                return _component(path, choice, *(content[key] for key in keys))
        return _direction_by_name(path, choice, content)
    if choice:
        raise LatentError(f"{path} holds one direction only; leave out :{choice}")
    return _plain(path.stem, content, path)


def _refuse_by_name(path: Path) -> None:
    if FIRST_GENERATION.search(path.stem):
        raise LatentError(
            f"{path} is a boundary of InterFaceGAN's StyleGAN1 or PGGAN, whose latent space is "
            "another network's: it says nothing of a StyleGAN2 face; fit one with: reage fit MODEL"
        )
    if Z_NAME.search(path.stem):
        raise LatentError(
            f"{path} is named as a direction of Z, the space before the mapping; real faces have "
            "no code there: give one of W or W+"
        )
    if STYLE_SPACE.match(path.stem):
        raise LatentError(
            f"{path} is named as StyleSpace's (S, a number for each channel), as StyleCLIP's are; "
            "only directions of W and W+ can be added to ws"
        )


def _direction_by_name(path: Path, choice: str, content: Mapping[Any, Any]) -> Direction:
    """Read one of a dictionary of directions, such as PaddleGAN's."""
    if str(content.get("space", "")).upper() in ("Z", "S"):
        raise LatentError(f"{path} lives in {content['space']}; only W and W+ can be added to ws")
    arrays = {str(k): v for k, v in content.items() if isinstance(v, np.ndarray)}
    if not choice and len(arrays) == 1:
        choice = next(iter(arrays))
    if choice not in arrays:
        names = ", ".join(sorted(arrays)[:20]) or "no direction"
        raise LatentError(f"{path} holds {names}; choose one with {path}:NAME")
    if choice in ("z", "Z"):
        raise LatentError(f"{path} lives in Z; only W and W+ can be added to ws")
    return _plain(choice, arrays[choice], path)


def _plain(name: str, array: Any, path: Path) -> Direction:
    """Read an array of one of the usual shapes."""
    if not isinstance(array, np.ndarray):
        raise LatentError(
            f"{path} holds no array; a direction is (512,), (1, 512) or (levels, 512)"
        )
    shape = list(array.shape)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise LatentError(
            f"{path} holds {array.dtype} {shape}; a direction is (512,), (1, 512) or (levels, 512)"
        )
    vector = check_vector(torch.from_numpy(np.array(array, np.float32)), str(path))
    space = "W" if len(vector) == 1 else "W+"
    report = {"source": path.name, "trusted": TRUSTED}
    return Direction(name, vector, space=space, report=report)


def _component(path: Path, choice: str, comp: Any, mean: Any, std: Any) -> Direction:
    """Read GANSpace's principal component "N" or "N:A-B" (from 0); strengths are deviations."""
    match = re.fullmatch(r"([0-9]{1,4})(?::([0-9]{1,4})-([0-9]{1,4}))?", choice)
    whole = all(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in (comp, mean, std))
    if not whole or comp.ndim not in (2, 3) or not len(comp) == std.size or comp[0].ndim > 2:
        raise LatentError(f"{path} is a damaged file of GANSpace's components")
    if match is None or int(match[1]) >= len(comp) or int(match[3] or 0) > MAX_LEVEL:
        raise LatentError(
            f"{path} holds the components 0 to {len(comp) - 1} of GANSpace; choose one, with the "
            f"levels that it moves, as in {path}:2:0-4"
        )
    number = int(match[1])
    found = _plain(f"component {number}", comp[number].reshape(1, -1) * std.flat[number], path)
    levels = [int(match[2]), int(match[3])] if match[2] else None
    report = {"source": path.name, "trusted": ["sign", "generator"], "levels": levels}
    origin = torch.from_numpy(np.array(mean, np.float32)).reshape(1, -1)
    return Direction(found.name, found.vector, space="W", sign="none", origin=origin, report=report)
