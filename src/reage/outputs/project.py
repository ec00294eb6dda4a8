"""Project files (.reage): a photo with its faces, their codes if any, and their edits.

A ZIP of three members: `photo` is the original file, `faces.safetensors` holds landmarks, and masks
and codes of inverted faces, `project.json` the rest. It opens again to the same pixels.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Collection, Mapping
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
from reage.compositing.change import PasteMode
from reage.compositing.view import view_face
from reage.editor import Editor
from reage.errors import ImageError, LatentError, UsageError
from reage.faces.face import Face, check_face
from reage.images import Photo, decode_photo
from reage.images.reading import MAX_PIXELS
from reage.inversion.projection import Inversion
from reage.jobs.zips import open_zip
from reage.outputs.project_facts import FORMAT, CodeFacts, FaceFacts, ProjectFacts, read_facts

__all__ = ["Project", "open_project", "pack_project"]

MEMBERS = ("project.json", "photo", "faces.safetensors")
MAX_BYTES, SLACK = 512 << 20, 16 << 20  # unpacked; who packs it anew saves no more than that
MOST_LISTED = 1 << 16  # bytes of the ZIP's table of contents
LARGEST = 1e6  # of a landmark, a code's number or a mask


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
    text, photo_data, packed = _members(data)
    known = read_facts(text)
    if hashlib.sha256(photo_data).hexdigest() != known.photo.sha256:
        raise LatentError("the project's photo is damaged: its checksum differs")
    if any(facts.code for facts in known.faces):
        _check_generator(editor, known)
    tensors = _tensors(packed)
    photo = decode_photo(photo_data, known.photo.name, max_pixels)
    faces = {facts.number: _face(facts, tensors, photo) for facts in known.faces}
    codes = {
        facts.number: _face_with_code(editor, photo, faces, facts.number, facts.code, tensors)
        for facts in known.faces
        if facts.code is not None
    }
    return Project(
        known.photo.name,
        photo_data,
        photo,
        faces,
        [facts.number for facts in known.faces if facts.chosen],
        codes,
        known.edits,
        known.quality,
        known.seed,
        known.paste,
        _notices(editor, known),
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


def _check_generator(editor: Editor, known: ProjectFacts) -> None:
    """Refuse codes of another generator, which show a different person here."""
    made = f"the project was made with the model {known.model}"
    if editor.load_latents is None:
        raise LatentError(f"{made} and holds its latent codes, {editor.name} has none: start "
                          "reage with that --model")  # fmt: skip
    if known.generator_hash != editor.model.generator_hash:
        raise LatentError(
            f"{made} ({str(known.generator_hash)[:12]}), this one is {editor.name} "
            f"({editor.model.generator_hash[:12]}): start reage with that --model"
        )


def _notices(editor: Editor, known: ProjectFacts) -> tuple[str, ...]:
    if known.format == 1:  # which does not say it
        return ()
    if known.fingerprint == editor.fingerprint(known.paste):
        return ()
    return (
        f"this project was made with another ager or other weights (model {known.model}): its "
        "faces look different here",
    )


def _members(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Unpack a file's three members, of no more bytes than such a file needs."""
    try:
        with open_zip(io.BytesIO(data), MOST_LISTED) as archive:
            infos = [archive.getinfo(member) for member in MEMBERS]
            if sum(info.file_size for info in infos) > min(MAX_BYTES, 4 * len(data) + SLACK):
                raise LatentError(
                    "the project file unpacks to too much data; it is not a project file of reage"
                )
            text, photo, packed = (archive.read(info) for info in infos)
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error,
            NotImplementedError, RuntimeError, ImageError) as error:  # fmt: skip
        raise UsageError("this is not a project file of reage, or it is damaged") from error
    return text, photo, packed


def _tensors(packed: bytes) -> dict[str, Tensor]:
    try:
        return parse_safetensors(packed)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UsageError("this is not a project file of reage, or it is damaged") from error


def _tensor(tensors: Mapping[str, Tensor], name: str, *shapes: tuple[int, ...]) -> Tensor:
    """A tensor of floats of one of these shapes, none of them far from what is usual."""
    found = tensors.get(name)
    if found is None or found.dtype not in (torch.float32, torch.float64):
        raise LatentError(f"the project's {name} is missing, or not of floats")
    if tuple(found.shape) not in shapes or not (found.abs() <= LARGEST).all():
        raise LatentError(f"the project's {name} does not fit the model, or is not finite")
    return found


def _face(facts: FaceFacts, tensors: Mapping[str, Tensor], photo: Photo) -> Face:
    """One face, whose landmarks make one in or near the photo."""
    marks = _tensor(tensors, f"{facts.number}.landmarks", (5, 2), (478, 3), (1434,)).numpy()
    with np.errstate(all="ignore"):  # points that lie upon each other
        if marks.shape == (5, 2):
            face = Face.from_points(marks)
        else:
            face = Face.from_landmarks(marks.reshape(478, 3), facts.score)
        height, width = photo.pixels.shape[:2]
        check_face(face, width, height)
    return face


def _face_with_code(
    editor: Editor,
    photo: Photo,
    faces: Mapping[int, Face],
    number: int,
    about: CodeFacts,
    tensors: Mapping[str, Tensor],
) -> PreparedFace:
    space = editor.latents
    settings, side = space.model.config.generator, space.resolution
    ws = _tensor(tensors, f"{number}.ws", (1, settings.num_ws, settings.w_dim)).float()
    mask = _tensor(tensors, f"{number}.mask", (side, side))
    square, readers = space.alignment, editor.face_readers
    view = view_face(photo.pixels, faces[number], number, square, side, *readers)
    view = replace(view, mask=mask.float().clamp(0, 1).numpy())
    found = Inversion(
        ws=ws.to(editor.device),
        losses=torch.tensor([about.loss]),
        psnr=torch.tensor([about.psnr]),
        steps=about.steps,
        stopped=about.stopped,
        seconds=about.seconds,
        perceptual=about.perceptual,
    )
    return PreparedFace(view, "delta", space.synthesize(found.ws), space, found, found.ws)
