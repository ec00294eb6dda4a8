"""How fast `reage batch` is with one and two workers; a killed run ends with the same bytes.

    python benchmarks/batch.py ../shared/portraits --photos 200

The photos are the given ones and copies of them, mirrored and reduced, each with a face of its own
size. The killed run is killed with SIGKILL, workers included, when half of the photos are done.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageOps

JOB = ("--to", "60", "--quality", "fast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        make_photos(sorted(options.portraits.rglob("*.jpg")), photos, options.photos)
        seen = set()
        for workers in options.workers:
            output = Path(folder) / f"out{workers}"
            began = time.monotonic()
            start(photos, output, workers).wait()
            spent = time.monotonic() - began
            seen.add(digest(output))
            print(f"{workers} workers: {options.photos / spent:.2f} photos a second", flush=True)
        output = Path(folder) / "killed"
        done = kill_at_half(photos, output, options.workers[-1], options.photos)
        began = time.monotonic()
        start(photos, output, options.workers[-1]).wait()
        print(f"killed after {done} photos; the rest took {time.monotonic() - began:.0f} s")
        seen.add(digest(output))
        print("all runs wrote the same bytes" if len(seen) == 1 else "THE RUNS DIFFER")


def make_photos(sources: list[Path], folder: Path, count: int) -> None:
    folder.mkdir()
    for i, path in enumerate(islice(cycle(sources), count)):
        turn, (image) = i // len(sources), ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        image = ImageOps.mirror(image) if turn % 2 else image
        image = ImageOps.scale(image, 0.9**turn)
        image.save(folder / f"{i:04}.jpg", quality=92)


def start(photos: Path, output: Path, workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "reage", "batch", str(photos), str(output), *JOB]
    return subprocess.Popen(
        [*command, "--workers", str(workers)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_at_half(photos: Path, output: Path, workers: int, count: int) -> int:
    """Kill a run's whole process group when half of the photos are done; how many were."""
    run = start(photos, output, workers)
    while len(list(output.rglob("*-age60.jpg"))) < count / 2:
        assert run.poll() is None, "it ended before it was killed"
        time.sleep(0.2)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    return len(list(output.rglob("*-age60.jpg")))


def digest(folder: Path) -> str:
    """Of the names and bytes of all pictures."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.jpg")):
        total.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    assert any(folder.rglob("*.jpg")), f"nothing was written to {folder}"
    return total.hexdigest()


if __name__ == "__main__":
    main()
