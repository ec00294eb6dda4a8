"""Videos that are written while they are made: no frame is kept."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np

from reage.errors import ImageError, UsageError
from reage.extras import how_to_install

__all__ = ["ProgressVideo"]

FPS = 30
SECONDS = 5  # of a whole run of steps


class ProgressVideo:
    """An MP4 of an inversion: every step is shown for its share of `SECONDS`, the last one stays.

    A context manager; the file appears under its name only when all went well.
    """

    def __init__(self, path: Path, side: int, steps: int):
        self.path = path
        self.steps = steps
        self.frames = FPS * SECONDS
        self.written = 0
        # H.264 wants even sizes, and small pictures are shown larger to be seen at all.
        self.side = max(side, 256)
        self.partial = path.with_name(f".{path.stem}.partial{path.suffix}")

    def __enter__(self) -> ProgressVideo:
        try:
            import av
        except ImportError as error:
            raise UsageError(f"videos need PyAV: {how_to_install('video')}") from error
        if not self.path.parent.is_dir():  # PyAV would say so at the end only
            raise ImageError(f"cannot write {self.path}: its folder does not exist")
        try:
            self.container = av.open(str(self.partial), "w", options={"movflags": "+faststart"})
            self.stream = self.container.add_stream("libx264", rate=FPS, options={"crf": "18"})
        except (OSError, ValueError) as error:
            raise ImageError(f"cannot write {self.path}: {error}") from error
        self.stream.width = self.stream.height = self.side
        self.stream.pix_fmt = "yuv420p"
        return self

    def add(self, step: int, picture: np.ndarray) -> None:
        """Show the picture `[R, R, 3]` uint8 of a step (0 is the first)."""
        until = self.frames * (step + 1) // self.steps
        self._write(picture, until)

    def finish(self, picture: np.ndarray) -> None:
        """Show the final picture until the end, at least for half a second."""
        self._write(picture, max(self.frames, self.written + FPS // 2))

    def _write(self, picture: np.ndarray, until: int) -> None:
        if self.written >= until:
            return
        import av

        factor = self.side // picture.shape[0]
        if factor > 1:
            picture = picture.repeat(factor, 0).repeat(factor, 1)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        while self.written < until:
            frame.pts = self.written
            for packet in self.stream.encode(frame):
                self.container.mux(packet)
            self.written += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for packet in self.stream.encode():
                    self.container.mux(packet)
            self.container.close()
            if kind is None:
                self.partial.replace(self.path)
        finally:
            self.partial.unlink(missing_ok=True)
