"""Pictures of one astronaut that look like several people's, and a folder with everything in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter


def lit(rgb: np.ndarray, across: float, down: float) -> np.ndarray:
    """The same picture with light from a side: another look, the same face."""
    y, x = np.mgrid[-1 : 1 : rgb.shape[0] * 1j, -1 : 1 : rgb.shape[1] * 1j]
    return np.clip(rgb * (1 + across * x + down * y)[..., None], 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def people(astronaut: np.ndarray) -> dict[str, np.ndarray]:
    """Faces that no duplicate filter takes for one."""
    wide = np.asarray(Image.fromarray(astronaut).resize((330, 256)))
    high = np.asarray(Image.fromarray(astronaut).resize((256, 310)))
    return {
        "plain": astronaut,
        "mirrored": np.ascontiguousarray(astronaut[:, ::-1]),
        "wide": lit(wide, 0.9, 0.0),
        "high": lit(high, -0.9, 0.0),
    }


@pytest.fixture(scope="session")
def photos(people: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with good pictures, and one of each kind that is left out."""
    folder = tmp_path_factory.mktemp("inputs") / "photos"
    (folder / "deeper").mkdir(parents=True)
    save = Image.fromarray
    save(people["plain"]).save(folder / "a.png")
    save(people["mirrored"]).save(folder / "deeper" / "b.webp", lossless=True)
    save(people["wide"]).save(folder / "deeper" / "C.JPG", quality=95)
    plain = save(people["plain"])
    plain.save(folder / "m-copy.jpg", quality=60)
    plain.filter(ImageFilter.GaussianBlur(3)).save(folder / "n-blurred.png")
    plain.convert("L").save(folder / "o-grey.png")
    plain.resize((100, 100)).save(folder / "p-small.png")
    save(people["plain"][:, 105:]).save(folder / "q-padded.png")
    save(np.full((64, 64, 3), 90, np.uint8)).save(folder / "r-nobody.png")
    (folder / "s-broken.jpg").write_bytes((folder / "m-copy.jpg").read_bytes()[:900])
    (folder / "t-page.jpg").write_text("<html>not found</html>")
    (folder / "u-notes.txt").write_text("no picture")
    (folder / "._a.png").write_bytes(b"of a Mac")
    return folder


@pytest.fixture
def files_of() -> Callable[[Path], dict[str, bytes]]:
    return lambda folder: {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}
