"""A bank of old faces' skin detail on a canonical face: lines, folds and spots."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from reage.compositing.mesh_warp import FRAME, MESH
from reage.errors import ModelError
from reage.files import place_for_files, write_together

__all__ = [
    "INDEX",
    "REGIONS",
    "SEXES",
    "DetailBank",
    "Exemplar",
    "encode_detail",
    "read_bank",
    "write_bank",
]

KIND = "reage-detail-bank"
FORMAT = 1
INDEX = "bank.json"
REGIONS = ("forehead", "eyes", "cheeks", "mouth")
STEP = 1 / 240  # log-luminance that one level of a stored layer stands for; 128 is none
QUALITY = 95  # of WebP: errors below half a percent of the light

Sex = Literal["female", "male"]
SEXES: Sequence[Sex] = ("female", "male")


@dataclass(frozen=True, eq=False)
class Exemplar:
    """One old face's detail, and the faces that it suits."""

    name: str
    sex: Sex
    age: float  # years, apparent
    ita: float  # skin tone: individual typology angle, degrees; larger is lighter
    yaw: float  # degrees, as `Face.pose`
    smile: float  # mouth's width over the eyes' distance
    aspect: float  # height of the mesh over its width
    strengths: Mapping[str, float]  # by region: RMS of the fine detail, log-luminance
    covered: Sequence[str] = ()  # regions that show no skin
    data: bytes = field(default=b"", repr=False)  # WebP of the detail

    def detail(self) -> np.ndarray:
        """Decode the detail `[h, w]` float32, log-luminance; 0 where there is no skin."""
        return _decode(self.data)


@dataclass(frozen=True, eq=False)
class DetailBank:
    """Exemplars on one canonical face."""

    canonical: np.ndarray  # [468, 2] the mesh in the frame, pixels
    exemplars: Sequence[Exemplar]
    source: str = ""  # where the faces are from, and their licence
    folder: Path | None = None  # that it was read from, which may hold removal networks too

    @property
    def sha256(self) -> str:
        """Return the hash of everything that the bank adds to a photo."""
        digest = hashlib.sha256(self.canonical.tobytes())
        for one in self.exemplars:
            digest.update(one.data)
        for one in self.exemplars:
            digest.update(json.dumps({**asdict(one), "data": ""}, sort_keys=True).encode())
        return digest.hexdigest()


def read_bank(folder: Path) -> DetailBank:
    """Read a bank's folder. Raises ModelError if it does not hold one."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if (index["kind"], index["format"]) != (KIND, FORMAT):
            raise ModelError(f"{folder} holds {index['kind']} of format {index['format']}")
        if tuple(index["frame"]) != FRAME:
            raise ModelError(f"{folder} was made for frames of {index['frame']} pixels")
        canonical = np.array(index["canonical"], np.float64).reshape(MESH, 2)
        found = [_exemplar(folder, row) for row in index["exemplars"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} is not a bank of skin detail: {error}") from error
    if not found:
        raise ModelError(f"{folder} has no exemplars")
    return DetailBank(canonical, tuple(found), str(index["source"]), folder)


def write_bank(bank: DetailBank, folder: Path) -> None:
    """Write a bank: a WebP each and an index in JSON, without which a folder is not a bank.

    Raises ImageError where it cannot be written.
    """
    rows = [
        {key: value for key, value in asdict(one).items() if key != "data"}
        for one in bank.exemplars
    ]
    index = {
        "kind": KIND,
        "format": FORMAT,
        "frame": list(FRAME),
        "source": bank.source,
        "canonical": [round(float(v), 2) for v in bank.canonical.ravel()],
        "exemplars": rows,
    }
    with place_for_files(folder), write_together() as write:
        write(folder / INDEX, (json.dumps(index, indent=1) + "\n").encode())  # it appears last
        for one in bank.exemplars:
            write(folder / f"{one.name}.webp", one.data)
        (folder / INDEX).unlink(missing_ok=True)  # never an old index over new exemplars


def encode_detail(detail: np.ndarray) -> bytes:
    """Pack a detail layer `[h, w]` of log-luminance as WebP."""
    levels = np.clip(np.rint(detail / STEP) + 128, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(levels).save(out, "WEBP", quality=QUALITY, method=6)
    return out.getvalue()


@lru_cache(maxsize=8)
def _decode(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        levels = np.asarray(image.convert("L"), np.float32)
    detail = (levels - 128) * np.float32(STEP)
    detail.flags.writeable = False
    return detail


def _exemplar(folder: Path, row: dict[str, Any]) -> Exemplar:
    return Exemplar(**row, data=_layer(folder, row["name"]))


def _layer(folder: Path, name: str) -> bytes:
    """Read a stored layer; ValueError if it does not have the frame's size."""
    data = (folder / f"{name}.webp").read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        if image.size != FRAME:
            raise ValueError(f"{name} is {image.size[0]}x{image.size[1]}")
    return data
