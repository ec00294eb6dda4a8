"""Check that a change of the code leaves every picture as it was, to the byte.

    python benchmarks/same_pictures.py ../shared/portraits --record build/pictures.json
    python benchmarks/same_pictures.py ../shared/portraits --against build/pictures.json

It runs the commands that make pictures on a few portraits, in one process, and keeps a SHA-256 of
the decoded pixels of each. One machine and one number of threads: sums in another order differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

PORTRAITS = (
    "london/003_03.jpg",
    "synthetic/female-54.jpg",
    "congress/B001257-older.jpg",
)


def commands(
    photos: list[Path], clip: Path | None, out: Path
) -> Iterator[tuple[str, list[object]]]:
    """Name and arguments of each command; all write into the folder of their name."""
    first, second = photos[:2]
    for paste in ("delta", "replace", "none"):
        into = ["-o", out / f"edit-{paste}", "--overwrite", "--quality", "fast"]
        yield f"edit-{paste}", ["edit", *photos, "--to", "8", "40", "80", "--paste", paste, *into]
    into = ["-o", out / "direction", "--overwrite", "--quality", "fast"]
    yield "direction", ["edit", first, "--direction", "sefa:1:0-3", "--strength", "-1:1:1", *into]
    yield "strip", ["strip", *photos, "--to", "20", "70", "-o", out / "strip/strip.png"]
    yield "animate", ["animate", second, "--ages", "20:70", "-o", out / "animate/face.webp"]
    yield "mix", ["mix", first, second, "-o", out / "mix/mix.png"]
    yield "project", ["project", second, "--step", "5", "-o", out / "project"]
    yield "synthesize", ["synthesize", "--people", "2", "--ages", "20:60:20", "-o", out / "people"]
    if clip is not None:
        yield "video", ["video", clip, "--to", "70", "-o", out / "video/clip.mp4"]


def digests(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and SHA-256 of the decoded frames of every picture and video below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".png", ".jpg", ".webp"):
            with Image.open(path) as image:
                digest = hashlib.sha256()
                for frame in range(getattr(image, "n_frames", 1)):
                    image.seek(frame)
                    digest.update(np.asarray(image.convert("RGB")).tobytes())
            yield str(path.relative_to(folder)), digest.hexdigest()
        elif path.suffix == ".mp4":
            import av

            digest = hashlib.sha256()
            with av.open(str(path)) as clip:
                for frame in clip.decode(video=0):
                    digest.update(frame.to_ndarray(format="yuv420p").tobytes())
            yield str(path.relative_to(folder)), digest.hexdigest()


def run(arguments: list[object]) -> None:
    from reage.cli import main

    try:
        main([str(argument) for argument in arguments])
    except SystemExit as done:
        if done.code:
            sys.exit(f"failed: reage {' '.join(map(str, arguments))}")


def make_all(portraits: Path, only: str | None) -> dict[str, str]:
    """Run the commands and return the digests of what they wrote, by name."""
    with TemporaryDirectory() as name:
        folder, out = Path(name), Path(name) / "out"
        photos = [Path(shutil.copy(portraits / path, folder)) for path in PORTRAITS]
        clip = folder / "clip.mp4"
        sys.path.insert(0, str(Path(__file__).parent))
        from video import make_clip

        make_clip(clip, [Image.open(photos[1])], 1.0)
        for title, arguments in commands(photos, clip, out):
            if only is None or title in only.split(","):
                (out / title).mkdir(parents=True, exist_ok=True)
                run(arguments)
        return dict(digests(out))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--record", type=Path, help="write the digests there")
    parser.add_argument("--against", type=Path, help="compare with digests of before")
    parser.add_argument("--only", help="names of commands, with commas between them")
    options = parser.parse_args()
    found = make_all(options.portraits, options.only)
    if options.record:
        options.record.parent.mkdir(parents=True, exist_ok=True)
        options.record.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    if options.against:
        before = json.loads(options.against.read_text())
        if options.only is not None:
            before = {key: value for key, value in before.items() if key in found}
        changed = sorted(key for key in before.keys() | found if before.get(key) != found.get(key))
        sys.exit("\n".join(["changed:", *changed]) if changed else 0)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
