"""How much of an edit is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reage.inversion.projection import ProjectStep
from reage.types import EditStep

__all__ = ["Progress"]


class Progress:
    """Tells a callable the share of an edit that is done, stage by stage, and never less."""

    def __init__(self, on_step: Callable[[EditStep], None] | None, weights: Mapping[str, float]):
        self.on_step, self.weights = on_step, weights  # of the stages, in their order
        self.faces = 0  # whose inversion has begun

    def tell(self, stage: str, share: float, inversion: ProjectStep | None = None) -> None:
        """Tell that a `share` of a stage is done, 0..1, and all stages before it."""
        if self.on_step is None:
            return
        names = list(self.weights)
        before = sum(self.weights[name] for name in names[: names.index(stage)])
        done = (before + share * self.weights[stage]) / sum(self.weights.values())
        self.on_step(EditStep(stage, min(done, 1.0), inversion))

    def on_inversion(self, faces: int, steps: int) -> Callable[[ProjectStep], None]:
        """Return what hears the steps of the inversions of `faces`, one after the other."""

        def hear(step: ProjectStep) -> None:
            self.faces += step.index == 0
            share = (self.faces - 1 + min((step.index + 1) / steps, 1)) / faces
            self.tell("inversion", share, step)

        return hear
