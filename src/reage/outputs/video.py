"""Videos written frame by frame, without keeping frames in memory."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np

from reage.ffmpeg import H264, h264_file
from reage.files import check_place
from reage.images.metadata import mark_box

__all__ = ["ProgressVideo"]

MARK = "Projected by reage: synthetic"

FPS = 30
SECONDS = 5  # of a whole run of steps


class ProgressVideo:
    """An MP4 of an inversion: shows each step for its share of `SECONDS`; the last one stays.

    A context manager; the file appears under its name only on success.
    """

    def __init__(self, path: Path, side: int, steps: int):
        self.path = path
        self.steps = steps
        self.frames = FPS * SECONDS
        self.written = 0
        # H.264 wants even sizes, and small pictures are shown larger to be seen at all.
        self.side = max(side, 256)

    def __enter__(self) -> ProgressVideo:
        check_place(self.path, overwrite=True)
        how = H264(self.side, self.side, Fraction(FPS), crf=18)
        self.file = h264_file(self.path, how, tail=mark_box(MARK))
        self.write = self.file.__enter__()
        return self

    def add(self, step: int, picture: np.ndarray) -> None:
        """Show the picture `[R, R, 3]` uint8 of a step (0 is the first)."""
        until = self.frames * (step + 1) // self.steps
        self._show(picture, until)

    def finish(self, picture: np.ndarray) -> None:
        """Show the final picture until the end, at least for half a second."""
        self._show(picture, max(self.frames, self.written + FPS // 2))

    def _show(self, picture: np.ndarray, until: int) -> None:
        factor = max(self.side // picture.shape[0], 1)
        enlarged = picture.repeat(factor, 0).repeat(factor, 1)
        for pts in range(self.written, until):
            self.write(enlarged, pts)
        self.written = max(self.written, until)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.__exit__(kind, error, trace)
