"""Several plausible looks of one face at one age: varies what the age alone does not determine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reage.agers.base import PreparedFace
from reage.agers.direction import Direction, for_generator, move
from reage.agers.direction_files import load_direction
from reage.editor import Editor
from reage.images import Photo
from reage.inversion.variation import random_codes, step_towards
from reage.search.looker import LEAST_LIKENESS
from reage.types import AgedFace, Edit

__all__ = ["Outcome", "Relative", "plausible_outcomes", "trait_directions"]

TRAITS = ("hair", "weight")  # directions of these names in a model's folder are used
TRAIT_STEPS = (1.0, -1.0)  # strengths
RELATIVE: Mapping[str, float] = {"coarse": 0.1, "middle": 0.25}  # share of the relative's code
# Shares of a stranger's code after many years; the photo's own face weighs more.
VARIATIONS: tuple[tuple[str, Mapping[str, float]], ...] = (
    ("fine detail", {"fine": 0.6}),
    ("features", {"middle": 0.35}),
    ("features and detail", {"middle": 0.25, "fine": 0.5}),
)
LESS = (1.0, 0.5, 0.25)  # shares tried next if a look is not the same person's


@dataclass(frozen=True, eq=False)
class Relative:
    """A relative's inverted face."""

    name: str
    face: PreparedFace


@dataclass(frozen=True, eq=False)
class Outcome:
    """One look at the target age."""

    name: str  # what was varied
    edit: Edit

    @property
    def face(self) -> AgedFace:
        return self.edit.faces[0]


@dataclass(frozen=True, eq=False)
class _Change:
    """A variation of a code: its end point with the whole change."""

    name: str
    ws: Tensor  # [1, num_ws, w_dim]
    part: float | None = None  # what share of somebody else that is, for the label

    def label(self, share: float) -> str:
        """Return its name when only a share of it is shown."""
        return self.name if self.part is None else f"{self.name} ({share * self.part:.0%})"


def plausible_outcomes(
    editor: Editor,
    photo: Photo,
    face: PreparedFace,
    age: float,
    *,
    count: int = 8,
    amount: float = 1.0,
    relatives: Sequence[Relative] = (),
    seed: int = 0,
) -> list[Outcome]:
    """Show a face at an age in years: first as it is, then varied in `count` ways.

    `amount` scales the variation. Each look has its own closed loop, so that all read as near to
    the age as possible.
    """
    plain = Outcome("the photo's own features", editor.trace(photo, [face]).edit(age))
    changes = list(_changes(editor, face, count, amount, relatives, seed))
    return [plain, *(_outcome(editor, photo, face, change, age) for change in changes)]


def trait_directions(editor: Editor) -> dict[str, Direction]:
    """Load the directions of hair and weight in the model's folder, by name."""
    folder, config = editor.model.folder, editor.model.config.generator
    found: dict[str, Direction] = {}
    if folder is None:
        return found
    for name in TRAITS:
        path = folder / f"{name}.direction.safetensors"
        if path.is_file():
            direction = for_generator(load_direction(path), config.num_ws)
            direction.check(editor.model.generator_hash, config.num_ws, config.w_dim)
            found[name] = direction
    return found


def _changes(
    editor: Editor,
    face: PreparedFace,
    count: int,
    amount: float,
    relatives: Sequence[Relative],
    seed: int,
) -> Iterator[_Change]:
    """Yield `count` variations: relatives first, then the model's own traits, then strangers."""
    known = [
        _Change(
            f"towards {relative.name}",
            step_towards(face.ws, relative.face.ws, RELATIVE),
            RELATIVE["middle"],
        )
        for relative in relatives
    ]
    for name, direction in trait_directions(editor).items():
        known += [
            _Change(f"{'more' if step > 0 else 'less'} {name}", move(face.ws, direction, step))
            for step in TRAIT_STEPS
        ]
    yield from known[:count]
    missing = max(count - len(known), 0)
    generator = editor.model.generator
    for i, code in enumerate(random_codes(generator, missing, seed).split(1) if missing else ()):
        name, weights = VARIATIONS[i % len(VARIATIONS)]
        other = face.ws + code - generator.mapping.w_avg
        yield _Change(f"other {name}", step_towards(face.ws, other, weights, amount))


def _outcome(
    editor: Editor, photo: Photo, face: PreparedFace, change: _Change, age: float
) -> Outcome:
    """Show as much of a change as keeps the face the same person's."""
    for share in LESS[:-1]:
        outcome = _show(editor, photo, face, change, share, age)
        if outcome.face.likeness >= LEAST_LIKENESS:
            return outcome
    return _show(editor, photo, face, change, LESS[-1], age)


def _show(
    editor: Editor, photo: Photo, face: PreparedFace, change: _Change, share: float, age: float
) -> Outcome:
    varied = face.with_code(torch.lerp(face.ws, change.ws, share))
    return Outcome(change.label(share), editor.trace(photo, [varied]).edit(age))
