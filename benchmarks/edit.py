"""Time `reage edit` as a user does: whole processes and the parts inside, on this machine.

    python benchmarks/edit.py [PHOTO]

Prints a table; every whole-process figure is the median of three runs.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

RUNS = 3
SIZE = (4000, 3000)  # 12 megapixels


def main() -> None:
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # as the command line does
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        make_photo(Path(sys.argv[1]) if len(sys.argv) > 1 else None).save(photo, quality=92)
        print(f"| whole process, one photo of {SIZE[0] * SIZE[1] / 1e6:.0f} megapixels | seconds |")
        print("|---|---|")
        for quality in ("fast", "normal"):
            print(f"| `reage edit --to 60 --quality {quality}` | {whole(photo, quality):.2f} |")
        print("\n| inside one process | |\n|---|---|")
        for name, value in inside(photo):
            print(f"| {name} | {value} |")


def make_photo(source: Path | None) -> Image.Image:
    """A photo of 12 megapixels with one large face: a given one, or scikit-image's portrait."""
    if source is None:
        import skimage.data

        face = Image.fromarray(skimage.data.astronaut())
    else:
        face = Image.open(source).convert("RGB")
    side = SIZE[1]
    canvas = Image.new("RGB", SIZE, (96, 104, 112))
    canvas.paste(face.resize((side, side), Image.Resampling.BICUBIC), ((SIZE[0] - side) // 2, 0))
    return canvas


def whole(photo: Path, quality: str) -> float:
    program = "from reage.cli import main; main()"
    command = [sys.executable, "-c", program, "edit", str(photo), "--to", "60"]
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run(
            [*command, "--quality", quality, "--overwrite"], check=True, capture_output=True
        )
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def inside(photo: Path) -> list[tuple[str, str]]:
    rows = []

    def lap(name: str, began: float, unit: str = "s") -> None:
        rows.append((name, f"{time.perf_counter() - began:.3f} {unit}"))

    began = time.perf_counter()
    import reage.editor as editing

    lap("importing", began)
    began = time.perf_counter()
    editor = editing.load()
    lap("loading the model", began)
    began = time.perf_counter()
    picture = editing.as_photo(photo)
    lap("reading the photo", began)
    began = time.perf_counter()
    faces = editor.choose_faces(picture)
    lap("finding the face", began)
    began = time.perf_counter()
    inverted = editor.invert(picture, faces)
    lap(f"inversion, {inverted[0].inversion.steps} steps", began)
    began = time.perf_counter()
    traced = editor.trace(picture, inverted)
    lap("tracing the curve of ages", began)
    times = []
    for age in np.linspace(30, 60, 7):
        began = time.perf_counter()
        traced.edit(float(age))
        times.append(time.perf_counter() - began)
    rows.append(("a further age of the same face, median", f"{statistics.median(times):.3f} s"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows.append(("peak memory", f"{peak:.0f} MB"))
    return rows


if __name__ == "__main__":
    main()
