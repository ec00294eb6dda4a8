"""Time `reage edit` as a user does: whole processes and the parts inside, on this machine.

    python benchmarks/edit.py [PHOTO] --json edit.json

A photo of 12 megapixels; whole processes in turns of the precisions, with their most memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from timing import (
    NAMES,
    Row,
    clocked,
    in_turns,
    line,
    ours,
    parser,
    precisions,
    prepare,
    save,
)

SIZE = (4000, 3000)  # 12 megapixels
PROGRAM = """
from reage.cli import main
try:
    main()
finally:
    import os, sys
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as status:
            print(next(line for line in status if line.startswith("VmHWM")), file=sys.stderr)
"""


def main() -> None:
    made = parser(__doc__)
    made.add_argument("photo", nargs="?", type=Path)
    made.add_argument("--qualities", nargs="+", default=["fast", "normal"])
    made.add_argument("--inside", help=argparse.SUPPRESS)  # what its own process is started with
    options = made.parse_args()
    prepare(options)
    if options.inside:
        print(json.dumps(dict(inside(options.photo, options.inside))))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        make_photo(options.photo).save(photo, quality=92)
        for quality in options.qualities:
            rows.append(whole(photo, quality, options))
            print(line(rows[-1]), flush=True)
        for dtype in precisions(options.precision):
            rows.append(parts(photo, NAMES[dtype], options.threads))
            print(line(rows[-1]), flush=True)
    save(rows, options.json)


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


def whole(photo: Path, quality: str, options: argparse.Namespace) -> Row:
    """The command, from the start of its process to its end."""
    megabytes: dict[str, float] = {}

    def run(name: str, precision: str) -> None:
        command = [sys.executable, "-c", PROGRAM, "edit", str(photo), "--to", "60", "--overwrite"]
        command += ["--quality", quality, "--precision", precision]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        for said in done.stderr.splitlines():
            if said.startswith("VmHWM"):
                megabytes[name] = max(megabytes.get(name, 0), int(said.split()[1]) / 1024)

    dtypes = precisions(options.precision)
    works = {ours(d): clocked(partial(run, ours(d), NAMES[d])) for d in dtypes}
    seconds, done = in_turns(works, options.turns, options.seconds)
    what = f"`reage edit --to 60 --quality {quality}`, 12 megapixels"
    return Row(what, seconds, done, megabytes=megabytes)


def parts(photo: Path, precision: str, threads: int) -> Row:
    """The parts of an edit, in a process of their own, so that all of it is a first time."""
    command = [sys.executable, __file__, str(photo), "--inside", precision]
    command += ["--threads", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Row(f"inside one process, {precision}", json.loads(done.stdout.splitlines()[-1]), 1)


def inside(photo: Path, precision: str) -> Iterator[tuple[str, float]]:
    """Seconds of each part of a first edit with quality normal, and of what comes after it."""
    import reage.editor as editing
    from reage.inputs import as_photo

    began = time.perf_counter()

    def lap() -> float:
        nonlocal began
        spent, began = time.perf_counter() - began, time.perf_counter()
        return spent

    editor = editing.load(precision=precision)
    yield "loading the model", lap()
    picture = as_photo(photo)
    yield "reading the photo", lap()
    faces = editor.choose_faces(picture)
    yield "finding the face", lap()
    prepared = editor.prepare(picture, faces)
    yield "preparing the face", lap()
    traced = editor.trace(picture, prepared)
    yield "tracing the curve of ages", lap()
    times = []
    for age in np.linspace(30, 60, 7):
        lap()
        traced.edit(float(age))
        times.append(lap())
    yield "a further age of the same face, median", statistics.median(times)
    yield "what is added, without reading and pasting", alone(traced.search, prepared[0])
    lap()
    (made,) = editor.prepare(picture, faces, paste="replace")
    yield f"the same for a made face, inversion in {made.inversion.steps} steps", lap()
    yield "the generator's picture", picture_alone(editor, made.ws)
    lap()
    editor.edit(photo, 60, quality="fast")
    yield "a second edit, fast", lap()


def alone(search, face) -> float:
    strength = torch.tensor([1.5])
    return in_turns({"change": clocked(lambda: search.change(face, strength))}, 9, 5)[0]["change"]


def picture_alone(editor, ws) -> float:
    works = {"picture": clocked(lambda: editor.latents.synthesize(ws))}
    return in_turns(works, 9, 5)[0]["picture"]


if __name__ == "__main__":
    main()
