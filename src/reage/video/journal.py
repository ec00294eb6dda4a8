"""The journal of a video on disk: its frames, the faces in them, and codes.

Only saved rows count: a killed run loses what it added after the last `save`. The journal is
never held in memory as a whole.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from reage.compositing.mesh_warp import MESH
from reage.faces.face import Face
from reage.jobs.journal import database_errors, open_database

__all__ = ["CHUNK", "FRAME", "OUTLINE", "POINTS", "ROW", "Journal", "face_row", "read_mesh"]

# The mesh's outline: its hull is the face.
OUTLINE = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
]  # fmt: skip
POINTS = 5 + len(OUTLINE)

FINENESS = 16

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
        ("mesh", "<i2", (MESH, 2)),  # from the tip of the nose, in steps of 1 / FINENESS pixels
    ]
)
CHUNK = 4096  # rows read at a time
TABLES = """
CREATE TABLE IF NOT EXISTS frames (n INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS faces (n INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS codes (n INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (n INTEGER PRIMARY KEY, text TEXT, arrays BLOB);
"""


def face_row(frame: int, shot: int, track: int, face: Face, code: int = -1) -> np.ndarray:
    """Make a row of one face in one frame."""
    row = np.zeros((), ROW)
    row["frame"], row["shot"], row["track"], row["code"] = frame, shot, track, code
    row["score"], row["pose"] = face.score, face.pose[:2]
    assert face.landmarks is not None
    row["points"][:5], row["points"][5:] = face.points, face.landmarks[OUTLINE, :2]
    from_nose = FINENESS * (face.landmarks[:MESH, :2] - face.points[2])
    row["mesh"] = np.clip(np.rint(from_nose), -32768, 32767)
    return row


def read_mesh(rows: np.ndarray) -> np.ndarray:
    """Return the meshes `[N, MESH, 2]` of rows, pixels."""
    return rows["mesh"] / np.float64(FINENESS) + rows["points"][:, 2:3]


class Journal:
    """The findings of one video, in FOLDER/journal.sqlite; a context manager.

    Raises ReageError if another process has it open.
    """

    def __init__(self, folder: Path, code_size: int):
        self.folder, self.code_size = folder, code_size  # numbers of a code; 0: none are kept
        with database_errors(folder, f"another reage video is working in {folder}"):
            self._db = open_database(folder / "journal.sqlite", TABLES)
        self._count()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._db.close()

    def append(self, frames: np.ndarray, rows: Sequence[np.ndarray], codes: np.ndarray) -> None:
        """Add frames `[N]` of FRAME, rows of ROW and codes `[K, code_size]`."""
        with database_errors(self.folder):
            if not self._db.in_transaction:
                self._db.execute("BEGIN")
            self._add("frames", self.frames, frames)
            self._add("faces", self.rows, np.array(rows, ROW))
            self._add("codes", self.codes, np.asarray(codes, "<f2"))
        self.frames += len(frames)
        self.rows += len(rows)
        self.codes += len(codes)

    def save(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Commit the added rows with the state needed to resume from here."""
        packed = io.BytesIO()
        np.savez(packed, **arrays)  # type: ignore[arg-type]
        values = (json.dumps(state), packed.getvalue())
        with database_errors(self.folder):
            self._db.execute("INSERT OR REPLACE INTO state VALUES (0, ?, ?)", values)
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    def resume(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Return to the last saved state; None if there is none."""
        with database_errors(self.folder):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            known = self._db.execute("SELECT text, arrays FROM state").fetchone()
        self._count()
        if known is None:
            return None
        with np.load(io.BytesIO(known[1]), allow_pickle=False) as stored:
            return json.loads(known[0]), {name: stored[name] for name in stored.files}

    def read_frames(self, start: int, stop: int) -> np.ndarray:
        """Return frames `[N]` from `start` to before `stop`."""
        return self._read("frames", FRAME, start, stop)

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Return rows of the frames from `start` to before `stop`."""
        if start >= self.frames or start >= stop:
            return np.zeros(0, ROW)
        first = int(self.read_frames(start, start + 1)["row"][0])
        last = self.rows
        if stop < self.frames:
            last = int(self.read_frames(stop, stop + 1)["row"][0])
        return self._read("faces", ROW, first, last)

    def read_codes(self, numbers: np.ndarray) -> np.ndarray:
        """Return codes `[K, code_size]` float32 by their rows."""
        dtype = np.dtype(("<f2", (self.code_size,)))
        found = [self._read("codes", dtype, int(n), int(n) + 1)[0] for n in numbers]
        return np.array(found, np.float32).reshape(-1, self.code_size)

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield all rows in chunks."""
        for start in range(0, self.rows, CHUNK):
            yield self._read("faces", ROW, start, start + CHUNK)

    def _count(self) -> None:
        """Count the rows of each table."""
        with database_errors(self.folder):
            self.frames, self.rows, self.codes = (
                self._db.execute(f"SELECT COALESCE(MAX(n) + 1, 0) FROM {table}").fetchone()[0]
                for table in ("frames", "faces", "codes")
            )

    def _add(self, table: str, first: int, array: np.ndarray) -> None:
        rows = ((first + i, row.tobytes()) for i, row in enumerate(array))
        self._db.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)

    def _read(self, table: str, dtype: np.dtype, start: int, stop: int) -> np.ndarray:
        query = f"SELECT data FROM {table} WHERE n >= ? AND n < ? ORDER BY n"
        with database_errors(self.folder):
            content = b"".join(row for (row,) in self._db.execute(query, (start, stop)))
        return np.frombuffer(content, dtype).copy()
