"""Project files (.reage): a photo with its faces, their codes if any, and their edits.

A ZIP of three members: `photo` is the original file, `faces.safetensors` holds landmarks, and masks
and codes of inverted faces, `project.json` the rest. It opens again to the same pixels.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any, get_args

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor

from reage.agers.base import PreparedFace
from reage.compositing.change import PasteMode
from reage.compositing.view import view_face
from reage.editor import QUALITIES, Editor
from reage.errors import LatentError, ReageError, UsageError
from reage.faces.face import Face
from reage.images import Photo, decode_photo
from reage.images.reading import MAX_PIXELS
from reage.inversion.projection import Inversion

__all__ = ["Project", "open_project", "pack_project"]

FORMAT = 2  # 1: every face has a code, and nothing says what ages it
MEMBERS = ("project.json", "photo", "faces.safetensors")
MAX_BYTES = 512 << 20  # unpacked
MAX_FACES = 64


@dataclass(frozen=True, eq=False)
class Project:
    """The content of a project file."""

    name: str  # of the photo's file
    data: bytes  # that file
    photo: Photo
    faces: Mapping[int, Face]  # all that were found, by number from left to right
    chosen: Collection[int] = ()  # the numbers of those in the edit
    codes: Mapping[int, PreparedFace] = field(default_factory=dict)  # of faces that were inverted
    edits: Mapping[str, Any] = field(default_factory=dict)  # ages, paste mode, history, ...
    quality: str = "normal"
    seed: int = 0
    paste: PasteMode = "delta"  # in which the edits were looked at
    notices: tuple[str, ...] = ()  # what should be known after opening, one line each


def pack_project(editor: Editor, project: Project) -> bytes:
    """Make the bytes of a .reage file."""
    tensors: dict[str, Tensor] = {}
    faces = []
    for number, face in sorted(project.faces.items()):
        points = face.points if face.landmarks is None else face.landmarks
        tensors[f"{number}.landmarks"] = torch.from_numpy(np.array(points))
        facts = {"number": number, "score": face.score, "chosen": number in project.chosen}
        code = project.codes.get(number)
        if code is not None:
            tensors[f"{number}.ws"] = code.ws.float().cpu().contiguous()
            tensors[f"{number}.mask"] = torch.from_numpy(code.view.mask.copy())
            facts["code"] = _about_code(code)
        faces.append(facts)
    paste = project.paste if project.codes else "delta"
    known = {
        "kind": "reage-project",
        "format": FORMAT,
        "versions": {"reage": version("reage"), "torch": torch.__version__},
        "model": editor.name,
        "generator_hash": editor.model.generator_hash if project.codes else None,
        "fingerprint": editor.fingerprint(paste),
        "paste": paste,
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
    """Read a .reage file's bytes without running code in it; raises LatentError or ImageError."""
    known, photo_data, tensors = _members(data)
    try:
        if known["kind"] != "reage-project" or known["format"] not in (1, FORMAT):
            raise LatentError("this project file has another version; update reage")
        name = str(known["photo"]["name"])
        if hashlib.sha256(photo_data).hexdigest() != known["photo"]["sha256"]:
            raise LatentError("the project's photo is damaged: its checksum differs")
        listed = [_upgrade(facts) if known["format"] == 1 else facts for facts in known["faces"]]
        if not 0 < len(listed) <= MAX_FACES:
            raise LatentError(f"the project lists {len(listed)} faces; 1 to {MAX_FACES} can be")
        if any("code" in facts for facts in listed):
            _check_generator(editor, known)
        photo = decode_photo(photo_data, name, max_pixels)
        faces = {int(facts["number"]): _face(facts, tensors) for facts in listed}
        codes = {
            int(facts["number"]): _face_with_code(editor, photo, faces, facts, tensors)
            for facts in listed
            if "code" in facts
        }
        chosen = [int(facts["number"]) for facts in listed if facts["chosen"]]
        edits, quality, seed = dict(known["edits"]), str(known["quality"]), int(known["seed"])
        paste = known.get("paste", "delta")
        if paste not in get_args(PasteMode) or quality not in QUALITIES or not chosen:
            raise LatentError("the project file is damaged: its settings are not known")
        notices = _notices(editor, known, paste)
    except (KeyError, TypeError, ValueError, AssertionError, AttributeError) as error:
        raise LatentError(f"the project file is damaged: {error!r}") from error
    return Project(
        name, photo_data, photo, faces, chosen, codes, edits, quality, seed, paste, notices
    )


def _about_code(face: PreparedFace) -> dict[str, Any]:
    found = face.inversion
    assert found is not None, "a face without a code"
    return {
        "loss": float(found.losses[0]),
        "psnr": float(found.psnr[0]),
        "steps": found.steps,
        "stopped": found.stopped,
        "seconds": found.seconds,
        "perceptual": found.perceptual,
    }


def _upgrade(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a face of format 1 to format 2: all were inverted and in the edit."""
    return {"number": facts["number"], "score": facts["score"], "chosen": True, "code": facts}


def _check_generator(editor: Editor, known: Mapping[str, Any]) -> None:
    """Refuse codes of another generator, which show a different person here."""
    made = f"the project was made with the model {known['model']}"
    if editor.load_latents is None:
        raise LatentError(f"{made} and holds its latent codes, {editor.name} has none: start "
                          "reage with that --model")  # fmt: skip
    if known["generator_hash"] != editor.model.generator_hash:
        raise LatentError(
            f"{made} ({known['generator_hash'][:12]}), this one is {editor.name} "
            f"({editor.model.generator_hash[:12]}): start reage with that --model"
        )


def _notices(editor: Editor, known: Mapping[str, Any], paste: PasteMode) -> tuple[str, ...]:
    if known["format"] == 1:  # which does not say it
        return ()
    made = str(known["fingerprint"])
    if made == editor.fingerprint(paste):
        return ()
    return (
        f"this project was made with another ager or other weights (model {known['model']}): its "
        "faces look different here",
    )


def _members(data: bytes) -> tuple[dict[str, Any], bytes, dict[str, Tensor]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [archive.getinfo(member) for member in MEMBERS]
            if sum(info.file_size for info in infos) > MAX_BYTES:
                raise LatentError(
                    "the project file unpacks to too much data; it is not a project file of reage"
                )
            text, photo, packed = (archive.read(info) for info in infos)
        known = json.loads(text)
        tensors = parse_safetensors(packed)
    except ReageError:
        raise
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, SafetensorError,
            NotImplementedError, RuntimeError, RecursionError) as error:  # fmt: skip
        raise UsageError("this is not a project file of reage, or it is damaged") from error
    if not isinstance(known, dict):
        raise UsageError("this is not a project file of reage, or it is damaged")
    return known, photo, tensors


def _face(facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Face:
    marks = tensors[f"{int(facts['number'])}.landmarks"]
    if not marks.isfinite().all():
        raise LatentError(f"the project's landmarks of face {facts['number']} are not finite")
    points = marks.numpy()
    if points.shape == (5, 2):
        return Face.from_points(points)
    return Face.from_landmarks(points.reshape(478, 3), float(facts["score"]))


def _face_with_code(
    editor: Editor,
    photo: Photo,
    faces: Mapping[int, Face],
    facts: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> PreparedFace:
    number, about, space = int(facts["number"]), facts["code"], editor.latents
    settings, side = space.model.config.generator, space.resolution
    ws, mask = (tensors[f"{number}.{name}"] for name in ("ws", "mask"))
    if ws.shape != (1, settings.num_ws, settings.w_dim) or not ws.isfinite().all():
        raise LatentError(f"the project's code of face {number} does not fit the model")
    if mask.shape != (side, side) or not mask.isfinite().all():
        raise LatentError(f"the project's mask of face {number} does not fit the model")
    view = view_face(photo.pixels, faces[number], number, space.alignment, side, editor.age_network)
    view = replace(view, mask=mask.float().clamp(0, 1).numpy())
    one = torch.ones(1)
    found = Inversion(
        ws=ws.to(editor.device),
        losses=one * float(about["loss"]),
        psnr=one * float(about["psnr"]),
        steps=int(about["steps"]),
        stopped=str(about["stopped"]),
        seconds=float(about["seconds"]),
        perceptual=str(about["perceptual"]),
    )
    return PreparedFace(view, "delta", space.synthesize(found.ws), space, found, found.ws)
