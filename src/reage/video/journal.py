"""What is known of a video's frames, on disk: rows of fixed size that grow while it is read.

Three files: frames, faces in frames (rows), and codes. A state file says how many of each count;
what a killed run wrote beyond that is cut off. Nothing of them is held in memory as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reage.faces.face import Face
from reage.files import new_file
from reage.video.source import written

__all__ = ["CHUNK", "FRAME", "OUTLINE", "POINTS", "ROW", "Journal", "face_row"]

# The mesh's outline: its hull is the face.
OUTLINE = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
]  # fmt: skip
POINTS = 5 + len(OUTLINE)

FRAME = np.dtype([("pts", "<i8"), ("row", "<i8"), ("shot", "<i4")])
ROW = np.dtype(
    [
        ("frame", "<i4"),
        ("shot", "<i4"),
        ("track", "<i4"),
        ("code", "<i4"),  # its row among the codes, or -1
        ("score", "<f4"),
        ("pose", "<f4", (2,)),  # yaw and pitch, degrees
        ("points", "<f4", (POINTS, 2)),  # the five points, then the outline; pixels
    ]
)
CHUNK = 4096  # rows read at a time


def face_row(frame: int, shot: int, track: int, face: Face, code: int = -1) -> np.ndarray:
    """One face of one frame as a row."""
    row = np.zeros((), ROW)
    row["frame"], row["shot"], row["track"], row["code"] = frame, shot, track, code
    row["score"], row["pose"] = face.score, face.pose[:2]
    assert face.landmarks is not None
    row["points"][:5], row["points"][5:] = face.points, face.landmarks[OUTLINE, :2]
    return row


@dataclass
class Journal:
    """The files of one video's reading in `folder`."""

    folder: Path
    code_size: int  # numbers of a code; 0: none are kept
    frames: int = 0  # how many count
    rows: int = 0
    codes: int = 0

    def append(self, frames: np.ndarray, rows: Sequence[np.ndarray], codes: np.ndarray) -> None:
        """Add frames `[N]` of FRAME, rows of ROW and codes `[K, code_size]`."""
        self._write("frames.bin", frames)
        self._write("faces.bin", np.array(rows, ROW))
        self._write("codes.bin", np.asarray(codes, "<f2"))
        self.frames += len(frames)
        self.rows += len(rows)
        self.codes += len(codes)

    def save(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Make all that was added count, and remember what going on from here needs."""
        counts = {"frames": self.frames, "rows": self.rows, "codes": self.codes}
        text = json.dumps({"counts": counts, "state": state})
        file = self.folder / "state.npz"
        with written(self.folder), new_file(file) as temporary, temporary.open("wb") as opened:
            np.savez(opened, text=np.array(text), **arrays)  # type: ignore[arg-type]

    def resume(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Go back to what counts; None where nothing does."""
        try:
            with np.load(self.folder / "state.npz", allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            known = json.loads(str(arrays.pop("text")))
            counts = known["counts"]
        except (OSError, ValueError, KeyError):
            for name in self._sizes():
                (self.folder / name).write_bytes(b"")
            return None
        self.frames, self.rows, self.codes = counts["frames"], counts["rows"], counts["codes"]
        for name, (count, size) in self._sizes().items():
            with (self.folder / name).open("r+b") as file:
                file.truncate(count * size)
        return known["state"], arrays

    def read_frames(self, start: int, stop: int) -> np.ndarray:
        """Frames `[N]` from `start` to before `stop`."""
        return self._read("frames.bin", FRAME, start, min(stop, self.frames))

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Rows of the frames from `start` to before `stop`."""
        if start >= self.frames or start >= stop:
            return np.zeros(0, ROW)
        first = int(self.read_frames(start, start + 1)["row"][0])
        last = self.rows
        if stop < self.frames:
            last = int(self.read_frames(stop, stop + 1)["row"][0])
        return self._read("faces.bin", ROW, first, last)

    def read_codes(self, numbers: np.ndarray) -> np.ndarray:
        """Codes `[K, code_size]` float32 by their rows."""
        if not len(numbers):
            return np.zeros((0, self.code_size), np.float32)
        low, high = int(numbers.min()), int(numbers.max()) + 1
        dtype = np.dtype(("<f2", (self.code_size,)))
        return self._read("codes.bin", dtype, low, high)[numbers - low].astype(np.float32)

    def chunks(self) -> Iterator[np.ndarray]:
        """All rows, some at a time."""
        for start in range(0, self.rows, CHUNK):
            yield self._read("faces.bin", ROW, start, min(start + CHUNK, self.rows))

    def _sizes(self) -> dict[str, tuple[int, int]]:
        return {
            "frames.bin": (self.frames, FRAME.itemsize),
            "faces.bin": (self.rows, ROW.itemsize),
            "codes.bin": (self.codes, 2 * self.code_size),
        }

    def _write(self, name: str, array: np.ndarray) -> None:
        with written(self.folder), (self.folder / name).open("ab") as file:
            file.write(np.ascontiguousarray(array).tobytes())

    def _read(self, name: str, dtype: np.dtype, start: int, stop: int) -> np.ndarray:
        size = dtype.itemsize
        with (self.folder / name).open("rb") as file:
            file.seek(start * size)
            content = file.read(max(0, stop - start) * size)
        return np.frombuffer(content, dtype).copy()
