"""What project.json of a project file may say: types, ranges and lengths."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from reage.errors import LatentError

__all__ = [
    "FORMAT",
    "MAX_FACES",
    "CodeFacts",
    "FaceFacts",
    "ProjectFacts",
    "check_edits",
    "read_edits",
    "read_facts",
]

FORMAT = 2  # 1: every face has a code, and nothing says what ages it
MAX_FACES = 999  # of a photo; a group's are all found
DEEPEST = 16  # lists and objects in each other
MOST_EDITS = 50_000  # letters; a page sends half as many to be saved
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]
Word = Annotated[str, Field(max_length=120)]


class Facts(BaseModel):
    """Types are not converted; what is not known is left out."""

    model_config = ConfigDict(strict=True, frozen=True)


class CodeFacts(Facts):
    """How a face was inverted."""

    loss: Finite
    psnr: Finite  # dB
    steps: int = Field(ge=0, le=10**9)
    stopped: Word
    seconds: Finite
    perceptual: Word


class FaceFacts(Facts):
    """One face; its points are a tensor."""

    number: int = Field(ge=1, le=MAX_FACES)
    score: Finite
    chosen: bool
    code: CodeFacts | None = None


class PhotoFacts(Facts):
    """The photo's file."""

    name: str = Field(min_length=1, max_length=255)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class ProjectFacts(Facts):
    """All of project.json."""

    kind: Literal["reage-project"]
    format: Literal[1, 2]
    model: str = Field(max_length=400)
    generator_hash: str | None = Field(None, max_length=128)
    fingerprint: str | None = Field(None, max_length=400)
    paste: Literal["delta", "replace", "none"] = "delta"
    photo: PhotoFacts
    quality: Literal["fast", "normal", "best"]
    seed: int = Field(ge=0, lt=2**63)
    faces: list[FaceFacts] = Field(min_length=1, max_length=MAX_FACES)
    edits: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def upgrade(cls, known: Any) -> Any:
        """Convert format 1 to 2: all faces were inverted and in the edit."""
        if isinstance(known, dict) and known.get("format") == 1:
            faces = [
                {"number": face["number"], "score": face["score"], "chosen": True, "code": face}
                for face in known.get("faces", ())
            ]
            return {**known, "faces": faces}
        return known

    @field_validator("faces")
    @classmethod
    def are_told_apart(cls, faces: list[FaceFacts]) -> list[FaceFacts]:
        """Each number is one face's, and one is in the edit."""
        if len({face.number for face in faces}) != len(faces):
            raise ValueError("two faces have one number")
        if not any(face.chosen for face in faces):
            raise ValueError("no face is in the edit")
        return faces


def read_facts(text: bytes) -> ProjectFacts:
    """Read project.json; LatentError, one line, where it is not as it should be."""
    known = _read_json(text)
    if isinstance(known, dict) and known.get("format") not in (1, FORMAT):
        raise LatentError("this project file has another version; update reage")
    try:
        return ProjectFacts.model_validate(known)
    except ValidationError as error:
        found = error.errors()[0]
        where = ".".join(str(part) for part in found["loc"])
        raise LatentError(f"the project file is damaged: {where}: {found['msg']:.200}") from error
    except (KeyError, TypeError) as error:  # faces of format 1
        raise LatentError("the project file is damaged: faces") from error


def read_edits(text: str) -> dict[str, Any]:
    """Read what was done with a photo as a JSON object; LatentError where it is not one."""
    edits = _read_json(text)
    if not isinstance(edits, dict):
        raise LatentError("edits is not a JSON object")
    return edits


def check_edits(edits: dict[str, Any]) -> dict[str, Any]:
    """Return what was done with a photo; ValueError where JSON cannot hold it, or it is long."""
    _check(edits, 0)
    if len(json.dumps(edits)) > MOST_EDITS:
        raise ValueError(f"longer than {MOST_EDITS:,} letters of JSON")
    return edits


def _read_json(text: str | bytes) -> Any:
    """Read JSON that can be written again: finite numbers, whole characters, not deep."""
    try:
        known = json.loads(text)
        _check(known, 0)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]
        raise LatentError(f"the project file is damaged: its JSON: {reason}") from error
    return known


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        value.encode()  # UnicodeEncodeError, a ValueError, for half a character
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is not finite")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a number is too large")
    elif isinstance(value, list | dict):
        for part in value if isinstance(value, list) else (*value, *value.values()):
            _check(part, depth + 1)
