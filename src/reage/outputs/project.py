"""Project files (.reage): a photo with the codes of its faces and what was done with them.

A ZIP of three members: `photo` is the file as it came, `faces.safetensors` holds landmarks, masks
and codes, `project.json` all else. It opens again to the same pixels.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor

from reage.agers.base import PreparedFace
from reage.editor import Editor
from reage.errors import LatentError, ReageError, UsageError
from reage.faces.face import Face
from reage.images import Photo, decode_photo
from reage.images.reading import MAX_PIXELS
from reage.inversion.projection import Inversion

__all__ = ["Project", "open_project", "pack_project"]

FORMAT = 1
MEMBERS = ("project.json", "photo", "faces.safetensors")
MAX_BYTES = 512 << 20  # unpacked
MAX_FACES = 64


@dataclass(frozen=True, eq=False)
class Project:
    """What a project file holds."""

    name: str  # of the photo's file
    data: bytes  # that file
    photo: Photo
    inverted: Sequence[PreparedFace]
    edits: Mapping[str, Any] = field(default_factory=dict)  # ages, paste mode, history, ...
    quality: str = "normal"
    seed: int = 0


def pack_project(editor: Editor, project: Project) -> bytes:
    """Make the bytes of a .reage file."""
    tensors: dict[str, Tensor] = {}
    faces = []
    for face in project.inverted:
        view, found, key = face.view, face.inversion, f"{face.view.number}."
        assert found is not None, "a face without a code"
        landmarks = view.face.landmarks
        tensors[f"{key}ws"] = face.ws.float().cpu().contiguous()
        tensors[f"{key}mask"] = torch.from_numpy(view.mask.copy())
        points = view.face.points if landmarks is None else landmarks
        tensors[f"{key}landmarks"] = torch.from_numpy(np.array(points))
        faces.append(
            {
                "number": view.number,
                "score": view.face.score,
                "loss": float(found.losses[0]),
                "psnr": float(found.psnr[0]),
                "steps": found.steps,
                "stopped": found.stopped,
                "seconds": found.seconds,
                "perceptual": found.perceptual,
            }
        )
    known = {
        "kind": "reage-project",
        "format": FORMAT,
        "versions": {"reage": version("reage"), "torch": torch.__version__},
        "model": editor.model.config.name,
        "generator_hash": editor.model.generator_hash,
        "photo": {"name": project.name, "sha256": hashlib.sha256(project.data).hexdigest()},
        "quality": project.quality,
        "seed": project.seed,
        "faces": faces,
        "edits": dict(project.edits),
    }
    contents = (
        json.dumps(known, indent=1, sort_keys=True).encode(),
        project.data,
        to_safetensors(tensors),
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member, data in zip(MEMBERS, contents, strict=True):
            archive.writestr(zipfile.ZipInfo(member), data)  # no date: same work, same bytes
    return file.getvalue()


def open_project(editor: Editor, data: bytes, max_pixels: int = MAX_PIXELS) -> Project:
    """Read a .reage file's bytes; raises LatentError or ImageError. No code in it is run."""
    known, photo_data, tensors = _members(data)
    try:
        if (known["kind"], known["format"]) != ("reage-project", FORMAT):
            raise LatentError("this project file is of another version; update reage")
        if known["generator_hash"] != editor.model.generator_hash:
            raise LatentError(
                f"the project was made with the model {known['model']} "
                f"({known['generator_hash'][:12]}), this one is {editor.model.config.name} "
                f"({editor.model.generator_hash[:12]}): start reage with that --model"
            )
        name = str(known["photo"]["name"])
        if hashlib.sha256(photo_data).hexdigest() != known["photo"]["sha256"]:
            raise LatentError("the project's photo is damaged: its checksum differs")
        photo = decode_photo(photo_data, name, max_pixels)
        listed = known["faces"]
        if not 0 < len(listed) <= MAX_FACES:
            raise LatentError(f"the project lists {len(listed)} faces; 1 to {MAX_FACES} can be")
        inverted = [_face(editor, photo, facts, tensors) for facts in listed]
        edits, quality, seed = dict(known["edits"]), str(known["quality"]), int(known["seed"])
    except (KeyError, TypeError, ValueError, AssertionError, AttributeError) as error:
        raise LatentError(f"the project file is damaged: {error!r}") from error
    return Project(name, photo_data, photo, inverted, edits, quality, seed)


def _members(data: bytes) -> tuple[dict[str, Any], bytes, dict[str, Tensor]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [archive.getinfo(member) for member in MEMBERS]
            if sum(info.file_size for info in infos) > MAX_BYTES:
                raise LatentError("the project file unpacks to too much; it is none of ours")
            text, photo, packed = (archive.read(info) for info in infos)
        known = json.loads(text)
        tensors = parse_safetensors(packed)
    except ReageError:
        raise
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, SafetensorError,
            NotImplementedError, RuntimeError, RecursionError) as error:  # fmt: skip
        raise UsageError("this is no project file of reage, or it is damaged") from error
    if not isinstance(known, dict):
        raise UsageError("this is no project file of reage, or it is damaged")
    return known, photo, tensors


def _face(
    editor: Editor, photo: Photo, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> PreparedFace:
    number = int(facts["number"])
    settings = editor.model.config.generator
    ws, mask, marks = (tensors[f"{number}.{name}"] for name in ("ws", "mask", "landmarks"))
    if ws.shape != (1, settings.num_ws, settings.w_dim) or not ws.isfinite().all():
        raise LatentError(f"the project's code of face {number} does not fit the model")
    side = settings.resolution
    if mask.shape != (side, side) or not marks.isfinite().all():
        raise LatentError(f"the project's mask of face {number} does not fit the model")
    points = marks.numpy()
    if points.shape == (5, 2):
        face = Face.from_points(points)
    else:
        face = Face.from_landmarks(points.reshape(478, 3), float(facts["score"]))
    view = replace(editor.view(photo, number, face), mask=mask.float().clamp(0, 1).numpy())
    one = torch.ones(1)
    found = Inversion(
        ws=ws.to(editor.device),
        losses=one * float(facts["loss"]),
        psnr=one * float(facts["psnr"]),
        steps=int(facts["steps"]),
        stopped=str(facts["stopped"]),
        seconds=float(facts["seconds"]),
        perceptual=str(facts["perceptual"]),
    )
    base = editor.latents.synthesize(found.ws)
    return PreparedFace(view, "delta", base, editor.latents, found, found.ws)
