"""A made video, and a small model for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_video import FRAMES, GAP, Made, draw, motion, write

from reage.editor import Editor, load


@pytest.fixture(autouse=True, scope="module")
def sooner() -> Iterator[None]:
    """Projections of two steps."""
    from reage.editor import QUALITIES

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(QUALITIES, "fast", replace(QUALITIES["fast"], step=2))  # type: ignore[arg-type]
        yield


@pytest.fixture(scope="session")
def av() -> object:
    return pytest.importorskip("av")


@pytest.fixture(scope="session")
def people(astronaut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures: the portrait, and its mirror image in other colours."""
    return astronaut, np.ascontiguousarray(astronaut[:, ::-1, ::-1])


@pytest.fixture(scope="session")
def made(
    av: object, people: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Made:
    stamps = [100 * i + (100 if i > GAP else 0) for i in range(FRAMES)]
    frames = [draw(i, *people) for i in range(FRAMES)]
    path = write(tmp_path_factory.mktemp("video") / "made.mp4", frames, stamps)
    moves = np.array([motion(i) for i in range(FRAMES)])
    return Made(path, moves[:, :2], moves[:, 2], stamps)


@pytest.fixture(scope="session")
def small_editor(small_folder: Path) -> Editor:
    return load(small_folder, device="cpu", precision="float32")
