"""Records of drawn faces and made people in the journal."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ["Drawn", "Made", "Person", "as_text", "from_text", "made_from_dict", "made_to_dict"]


@dataclass(frozen=True)
class Drawn:
    """One drawn face, before it is known whether it becomes a person of the dataset."""

    draw: int  # 0 is the first; with the seed it says who it is
    vector: str | None  # by the recogniser, see `as_text`; None: no face was found


@dataclass(frozen=True)
class Person:
    """An accepted draw."""

    number: int  # 1 is the first
    draw: int


@dataclass(frozen=True)
class Made:
    """All pictures of a person, in the order of ages, then conditions."""

    person: Person
    rows: tuple[dict[str, Any], ...]  # what is known of each picture
    vectors: tuple[str, ...]  # each picture's, by the recogniser
    pictures: tuple[bytes, ...] = ()  # encoded; the journal keeps them beside the record


def as_text(vector: np.ndarray) -> str:
    """A vector as text: half precision, which changes distances by less than 0.001."""
    return base64.b64encode(np.asarray(vector, "<f2").tobytes()).decode()


def from_text(text: str) -> np.ndarray:
    """The inverse of `as_text`, float32."""
    return np.frombuffer(base64.b64decode(text), "<f2").astype(np.float32)


def made_to_dict(made: Made) -> dict[str, Any]:
    """Plain data for JSON, without the pictures."""
    values = asdict(made)
    del values["pictures"]
    return values


def made_from_dict(values: dict[str, Any]) -> Made:
    """The inverse of `made_to_dict`; KeyError or TypeError where something is missing."""
    return Made(
        Person(**values["person"]),
        tuple(values["rows"]),
        tuple(values["vectors"]),
    )
