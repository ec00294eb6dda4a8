"""What else than age the faces of a model can be moved along."""

from __future__ import annotations

import asyncio
from functools import cached_property
from pathlib import Path

from reage.agers.direction_ager import DirectionAger
from reage.agers.direction_files import load_direction
from reage.agers.finder import find_direction
from reage.editor import Editor
from reage.errors import ModelError, UsageError
from reage.models.registry import find_model
from reage.web.answers import DirectionAnswer

__all__ = ["Directions"]

SUFFIX = ".direction.safetensors"
FACTORS = 6  # of SeFa, that are offered
USUAL = (-3.0, 3.0)  # strengths, where a file does not say what is of use


class Directions:
    """The directions in the model's folder, and SeFa's factors; each is read at its first use."""

    def __init__(self, editor: Editor, model: str):
        self.editor, self.model = editor, model
        self.found: dict[str, DirectionAger] = {}
        self.turn = asyncio.Lock()  # of those who ask what there is

    @cached_property
    def known(self) -> list[DirectionAnswer]:
        """All that are offered. No generator is loaded for it."""
        if self.editor.load_latents is None:  # an ager without latent codes
            return []
        listed = []
        for name, path in sorted(self._files.items()):
            span = load_direction(path).span or USUAL
            listed.append(DirectionAnswer(name=name, span=list(span), about="fitted on faces"))
        about = "a factor that the generator was found to have (SeFa); it may change anything"
        numbers = range(1, FACTORS + 1)  # 1 is the strongest
        return listed + [
            DirectionAnswer(name=f"sefa:{n}", span=[-4.0, 4.0], about=about) for n in numbers
        ]

    def span(self, name: str) -> tuple[float, float]:
        """Strengths that are of use; UsageError where there is no such direction."""
        for one in self.known:
            if one.name == name:
                return one.span[0], one.span[1]
        names = ", ".join(one.name for one in self.known) or "none: this model has none"
        if not name:
            raise UsageError(f"no direction is asked for; give direction=NAME: one of {names}")
        raise UsageError(f"there is no direction {name}; take one of {names}")

    def ager(self, name: str) -> DirectionAger:
        """What moves faces along a direction; UsageError where there is no such one."""
        self.span(name)
        if name not in self.found:
            self.found[name] = find_direction(self.editor.latents, self._files.get(name, name))
        return self.found[name]

    @cached_property
    def _files(self) -> dict[str, Path]:
        try:
            folder = find_model(self.model)
        except ModelError:
            return {}
        return {path.name.removesuffix(SUFFIX): path for path in folder.glob(f"*{SUFFIX}")}
