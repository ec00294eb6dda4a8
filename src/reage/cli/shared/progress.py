"""Progress bars on terminals, for stages of work and for inversions."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import click

from reage.notices import merge_notices, one_line

if TYPE_CHECKING:
    from reage.inversion.projection import ProjectStep

__all__ = ["StageBar", "StepBar", "note", "step_bar"]


def say(line: str) -> None:
    """Write one line to stdout, whatever the names in it hold."""
    click.echo(one_line(line))


def note(line: str) -> None:
    """Write a note to stderr, which is not an error."""
    click.echo(f"note: {one_line(line)}", err=True)


def note_each(lines: Iterable[str]) -> None:
    """Write notices to stderr; what several files lose in the same way is one line."""
    for line in merge_notices(lines):
        note(line)


class StageBar:
    """A tqdm bar that restarts for every stage; silent if stderr is not a terminal.

    With `what` it is there at once. `resumed`: the first that is told may stand on earlier runs,
    which count for nothing in the time that is left.
    """

    def __init__(self, what: str = "", *, resumed: bool = False):
        self.what, self.resumed = what, resumed
        self.told = False
        self.bar: Any = None
        if what:
            self._begin(what)

    def update(self, what: str, done: int, total: int) -> None:
        """Show the progress; `total` 0: unknown."""
        bar = self._begin(what) if self.bar is None or what != self.what else self.bar
        if self.resumed and not self.told:
            bar.initial = bar.n = max(done - 1, 0)
        self.told, bar.total = True, total or None
        bar.update(done - bar.n)

    def write(self, line: str) -> None:
        """Write to stderr, above the bar."""
        self.bar.write(one_line(line), file=sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def _begin(self, what: str) -> Any:
        from tqdm import tqdm

        self.__exit__()
        # disable=None: silent if stderr is not a terminal.
        self.bar = tqdm(desc=what, disable=None, leave=False)
        self.what, self.told = what, False
        return self.bar


class StepBar:
    """A tqdm bar with the loss and the PSNR; starts again with every face."""

    def __init__(self, name: str, steps: int):
        self.name, self.steps = name, steps
        self.bar: Any = None

    def update(self, step: ProjectStep) -> None:
        from tqdm import tqdm

        if self.bar is None or step.index == 0:
            self.close()
            # disable=None: silent if stderr is not a terminal.
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
