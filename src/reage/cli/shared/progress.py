"""Progress bars on terminals, for stages of work and for edits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from reage.cli.shared.console import note, note_each, quiet, say
from reage.notices import one_line

if TYPE_CHECKING:
    from reage.inversion.projection import ProjectConfig, ProjectStep
    from reage.types import EditStep

__all__ = ["EditBar", "StageBar", "note", "note_each", "say", "waiting"]

T = TypeVar("T")
WHOLE = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
STAGES = {
    "detection": "finding faces",
    "inversion": "preparing",
    "search": "reading ages",
    "editing": "ageing",
}


class StageBar:
    """A tqdm bar that restarts for every stage; silent with --quiet or without a terminal.

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

    def over(self, what: str, items: Iterable[T], total: int) -> Iterator[T]:
        """Show how many of `items` have come."""
        for done, item in enumerate(items, 1):
            yield item
            self.update(what, done, total)

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
        self.bar = tqdm(desc=what, disable=_hidden(), leave=False)
        self.what, self.told = what, False
        return self.bar


class EditBar:
    """A tqdm bar over a whole edit; silent with --quiet or without a terminal."""

    def __init__(self, name: str):
        self.name = name
        self.bar: Any = None

    def update(self, step: EditStep) -> None:
        """Show how far the edit is."""
        bar = self._begin() if self.bar is None else self.bar
        bar.set_description_str(f"{self.name}: {STAGES[step.stage]}", refresh=False)
        if step.inversion is not None:
            losses, psnr = step.inversion.losses, step.inversion.psnr
            bar.set_postfix_str(
                f"loss {float(losses.mean()):.3f}, {float(psnr.mean()):.1f} dB", refresh=False
            )
        bar.update(step.share - bar.n)
        bar.refresh()

    def of_inversions(self, config: ProjectConfig | None) -> Callable[[ProjectStep], None]:
        """Return what shows inversions alone, a bar for each; None: there are none."""
        from reage.types import EditStep

        def show(step: ProjectStep) -> None:
            if step.index == 0:
                self.close()
            share = 1.0 if config is None else min((step.index + 1) / config.step, 1.0)
            self.update(EditStep("inversion", share, step))

        return show

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _begin(self) -> Any:
        from tqdm import tqdm

        self.bar = tqdm(total=1.0, disable=_hidden(), leave=False, bar_format=WHOLE)
        return self.bar


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show what is done meanwhile, where no share of it is known."""
    from tqdm import tqdm

    bar = tqdm(desc=what, disable=_hidden(), leave=False, bar_format="{desc} ...")
    try:
        yield
    finally:
        bar.close()


def _hidden() -> bool | None:
    """Return tqdm's `disable`: None hides a bar if stderr is not a terminal."""
    return True if quiet() else None
