"""A bar on terminals that says how an inversion goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reage.latents.inversion import ProjectStep

__all__ = ["StepBar", "step_bar"]


class StepBar:
    """A tqdm bar with the loss and the PSNR; starts again with every face."""

    def __init__(self, name: str, steps: int):
        self.name, self.steps = name, steps
        self.bar: Any = None

    def update(self, step: ProjectStep) -> None:
        from tqdm import tqdm

        if self.bar is None or step.index == 0:
            self.close()
            # disable=None: silent where stderr is no terminal.
            self.bar = tqdm(total=self.steps, desc=self.name, disable=None, leave=False)
        self.bar.update(step.index + 1 - self.bar.n)
        self.bar.set_postfix_str(
            f"loss {float(step.losses.mean()):.3f}, {float(step.psnr.mean()):.1f} dB"
        )

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def __enter__(self) -> StepBar:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def step_bar(name: str, steps: int) -> StepBar:
    """Make a bar for `steps` steps a face."""
    return StepBar(name, steps)
