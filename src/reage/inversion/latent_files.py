"""Latent codes in files: reage's own safetensors with their provenance, and the field's formats."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reage.errors import LatentError, ModelError
from reage.files import absence
from reage.inversion.numpy_files import is_pickled, read_npy, read_npz
from reage.models.facts import Facts
from reage.models.files import is_file, load_tensors, save_tensors, write_file
from reage.models.pickles.arrays import read_pickled_arrays
from reage.numbers import read_whole

__all__ = [
    "Latents",
    "Picture",
    "read_content",
    "read_latents",
    "split_choice",
    "write_latents",
]

# Keys under which the field's files keep a code, in the order in which they are tried.
KEYS = ("ws", "w", "latent_code", "latent", "wplus", "latents", "w_plus")
Z = "z"
Z_NAME = re.compile(r"(^|[_-])z([_-]|space|$)", re.IGNORECASE)
MAX_VALUES = 50_000_000  # a file that claims more holds no codes


@dataclass(frozen=True, eq=False)
class Picture:
    """What rosinality keeps beside a code."""

    name: str  # of the photo
    image: Tensor  # [3, R, R] in [-1, 1]
    noise: Sequence[Tensor]  # maps [1, 1, r, r]


@dataclass(frozen=True, eq=False)
class Latents:
    """Codes and where they come from."""

    ws: Tensor  # [N, num_ws, w_dim]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    generator_hash: str | None = None  # None: the file does not say

    @property
    def space(self) -> str:
        """W where every level has the same code, else W+; Z where a mapping made it."""
        same = bool((self.ws == self.ws[:, :1]).all())
        return str(self.provenance.get("space", "W" if same else "W+"))


def split_choice(path: Path) -> tuple[Path, str]:
    """Split "FILE:NAME"; an existing file of the whole name takes precedence."""
    file, colon, choice = str(path).partition(":")
    return (path, "") if not colon or is_file(path) else (Path(file), choice)


def write_latents(
    path: Path,
    latents: Latents,
    picture: Picture | None = None,
    *,
    write: Callable[[Path, bytes], None] = write_file,
) -> Path:
    """Write codes: .safetensors with all that is known, or bare ones in a format of the field.

    These are a .npy `[N, num_ws, w_dim]`, NVIDIA's .npz (`w`) and rosinality's .pt, which holds
    one code with its picture.
    """
    ws = latents.ws.detach().float().cpu().contiguous()
    if path.suffix in (".npy", ".npz", ".pt"):
        write(path, _foreign(path, ws, picture))
        return path
    known = {
        "kind": "reage-latents",
        "format": 1,
        "generator_hash": latents.generator_hash,
        "provenance": dict(latents.provenance),
    }
    save_tensors(path, {"ws": ws}, {"latents": json.dumps(known, sort_keys=True)}, write=write)
    return path


def _foreign(path: Path, ws: Tensor, picture: Picture | None) -> bytes:
    file = io.BytesIO()
    if path.suffix == ".npy":
        np.save(file, ws.numpy())
    elif path.suffix == ".npz":
        np.savez(file, w=ws.numpy())
    else:
        assert picture is not None and len(ws) == 1, "rosinality keeps a code with its picture"
        image = picture.image.detach().float().cpu()
        noise = [part.detach().float().cpu() for part in picture.noise]
        torch.save({picture.name: {"img": image, "latent": ws[0], "noise": noise}}, file)
    return file.getvalue()


def read_latents(
    path: Path,
    num_ws: int,
    w_dim: int = 512,
    *,
    choice: str = "",
    map_z: Callable[[Tensor], Tensor] | None = None,
) -> Latents:
    """Read codes of reage, or .npy, .npz, .pt, .pkl and .pd files of the shapes of the field.

    Taken are (w_dim), (1, w_dim), (levels, w_dim), (1, levels, w_dim) and (N, levels, w_dim); a
    code of one level is repeated over all. What a file calls z is mapped by `map_z` (`[N, z_dim]`
    to ws), and refused without. `choice` is a name in the file, or a code's number from 0.
    Raises LatentError.
    """
    if not is_file(path):
        raise LatentError(f"{path!s:.200} {absence(path)}; give a file of latent codes")
    if path.suffix == ".safetensors":
        return _pick_code(_read_own(path, num_ws, w_dim), choice, path)
    content = read_content(path)
    if isinstance(content, Mapping) and choice:
        names = {str(name): name for name in content}
        if choice in names:
            chosen = content[names[choice]]
            content, choice = {Z if choice == Z else "latent": chosen}, ""  # z stays z
    return _pick_code(_read(content, path, num_ws, w_dim, map_z), choice, path)


def _read(
    content: Any, path: Path, num_ws: int, w_dim: int, map_z: Callable[[Tensor], Tensor] | None
) -> Latents:
    if isinstance(content, Mapping) and Z in content and not set(KEYS) & set(content):
        return _map_z(content[Z], path, map_z)
    if isinstance(content, list | tuple) and content:  # several people, one code each
        if len(content) * num_ws * w_dim > MAX_VALUES:
            raise LatentError(f"{path} holds {len(content)} codes, too many to show; split it")
        codes = [as_ws(_numbers(one, path), num_ws, w_dim, str(path)) for one in content]
        return Latents(torch.cat(codes), {"source": path.name})
    provenance: dict[str, Any] = {"source": path.name}
    steps = _steps_of(content)
    if steps > 1:
        provenance["steps_of_encoder"] = steps
    return Latents(as_ws(_numbers(content, path), num_ws, w_dim, str(path)), provenance)


def _pick_code(latents: Latents, choice: str, path: Path) -> Latents:
    """Pick the chosen one of several codes."""
    if not choice:
        return latents
    count = len(latents.ws)
    number = read_whole(choice, 0, count - 1)
    if number is None:
        known = f"the codes 0 to {count - 1}" if count > 1 else "one code only"
        raise LatentError(f"{path} holds {known} and nothing named {choice!r:.60}")
    return replace(latents, ws=latents.ws[number][None])


def _map_z(z: Any, path: Path, map_z: Callable[[Tensor], Tensor] | None) -> Latents:
    """Map codes of Z through the current generator's mapping."""
    if map_z is None:
        raise LatentError(f"{path} holds codes of Z, which belong to one mapping; give W or W+")
    array = _numbers(z, path)
    codes = torch.from_numpy(np.array(array, np.float32)).reshape(-1, array.shape[-1])
    try:
        ws = map_z(codes)
    except AssertionError as error:
        raise LatentError(f"{path} holds z of another size: {error}") from error
    return Latents(ws.clone(), {"source": path.name, "space": "Z"})


def as_ws(array: np.ndarray, num_ws: int, w_dim: int, name: str) -> Tensor:
    """Bring an array of a known shape to `[N, num_ws, w_dim]`."""
    shape = list(array.shape)
    if array.ndim == 1:
        array = array[None, None]
    elif array.ndim == 2:
        array = array[None]
    fits = array.ndim == 3 and array.shape[2] == w_dim and array.shape[1] in (1, num_ws)
    if not fits or not len(array):
        raise LatentError(
            f"{name} holds {shape}; this model takes ({num_ws}, {w_dim}) or ({w_dim},), so the "
            "code belongs to a generator of another size"
        )
    if len(array) * num_ws * w_dim > MAX_VALUES:
        raise LatentError(f"{name} holds {len(array)} codes, too many to show; split it")
    with np.errstate(over="ignore"):
        ws = torch.from_numpy(np.array(array, np.float32))
    if not ws.isfinite().all():
        raise LatentError(f"{name} holds values that are not finite; it is damaged")
    return ws.expand(-1, num_ws, -1).clone()


def _numbers(content: Any, path: Path) -> np.ndarray:
    array = _single(content, path)
    if not array.ndim or array.dtype.kind not in "fiu" or array.size > MAX_VALUES:
        raise LatentError(f"{path} holds {array.dtype} {list(array.shape)}: no latent code")
    return array


def read_content(path: Path) -> Any:
    """Read all arrays of a .npy, .npz, .pt, .pth, .pd or .pdparams file; no code of it runs."""
    try:
        if path.suffix == ".npz":
            return read_npz(path)
        # ReStyle's latents.npy: a pickled dictionary of names to lists of steps.
        numpy = path.suffix == ".npy" and not is_pickled(path)
        return read_npy(path) if numpy else read_pickled_arrays(path)
    except ModelError as error:
        raise LatentError(str(error)) from error


def _steps_of(found: Any) -> int:
    """Return how many steps of an iterative encoder a code stands for; 0: it is none of several."""
    while isinstance(found, Mapping) and found:
        found = next((found[key] for key in KEYS if key in found), next(iter(found.values())))
    return len(found) if isinstance(found, list | tuple) else 0


def _single(found: Any, path: Path) -> np.ndarray:
    """The code in what a file held: an array, or a dictionary or list around it."""
    if isinstance(found, np.ndarray):
        return found.item() if found.dtype == object and found.ndim == 0 else found
    if isinstance(found, Mapping):
        for key in KEYS:
            if key in found:
                return _single(found[key], path)
        if len(found) == 1:
            return _single(next(iter(found.values())), path)
        names = ", ".join(str(name) for name in list(found)[:5])
        raise LatentError(
            f"{path} holds {names}, none of which is known as a latent code; choose one with "
            f"{path}:NAME"
        )
    if isinstance(found, list | tuple) and found:
        return _single(found[-1], path)  # of the steps of an iterative encoder, the last
    raise LatentError(f"{path} holds no latent code")


def _read_own(path: Path, num_ws: int, w_dim: int) -> Latents:
    try:
        tensors, metadata = load_tensors(path)
    except ModelError as error:
        raise LatentError(str(error)) from error
    if "ws" not in tensors:
        raise LatentError(f"{path} holds {', '.join(sorted(tensors)[:3])} and no ws")
    facts = Facts({"latents": "{}"} | metadata, "latents", str(path), "a file of codes")
    named = facts.known.get("generator_hash") is not None
    provenance = facts.part("provenance") if "provenance" in facts.known else {}
    ws = as_ws(tensors["ws"].float().numpy(), num_ws, w_dim, str(path))
    return Latents(ws, provenance, facts.text("generator_hash") if named else None)
