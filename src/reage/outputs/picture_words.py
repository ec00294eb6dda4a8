"""What is written into strips, grids and animations, in the languages of posters."""

from __future__ import annotations

from collections.abc import Sequence

from reage.errors import UsageError
from reage.extras import how_to_install
from reage.outputs.labels import can_draw
from reage.outputs.poster.languages import LANGUAGES, load_words

__all__ = ["PictureWords"]


class PictureWords:
    """The words of one language; UsageError where it is not known, or no font has its letters."""

    def __init__(self, language: str = "en"):
        if language not in LANGUAGES:
            raise UsageError(f"language {language!r:.40} is not one of {', '.join(LANGUAGES)}")
        self.words, self.comma = (of := load_words(language)).pictures, of.comma
        if not can_draw("".join(self.words.values())):
            raise UsageError(
                f"no font here has the letters of language {language!r}: install one such as Noto "
                f"Sans, and what shapes them: {how_to_install('poster')}"
            )

    def __getitem__(self, name: str) -> str:
        return self.words[name]

    def looking(self, ages: Sequence[float]) -> str:
        """Say how old faces look."""
        return self["looks"].format(age=self.comma.join(f"{age:.0f}" for age in ages))

    def of_face(self, name: str, number: int) -> str:
        """Name one of several faces of a photo."""
        return self["face"].format(name=name, n=number)

    def of_mix(self, name: str, levels: str, amount: float) -> str:
        """Name a mix with levels of another person."""
        share = "" if amount == 1 else f"{amount:.0%} "
        return share + self["mixed"].format(levels=self[levels], name=name)
