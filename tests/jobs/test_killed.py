"""Kill at ten random moments: the same command afterwards writes the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.slow

KILLS = 10
EITHER = signal.SIGKILL, signal.SIGTERM
Content = dict[str, object]
TIMES = ("seconds", "seconds_a_frame", "memory", "images_per_second")
# Faces of tiny models are like nobody, short pieces and many saves: a kill meets all stages.
SOONER = """
from dataclasses import replace
from reage.cli import main
from reage.editor import QUALITIES
from reage.search.looker import Looker
from reage.video import render, scan
render.SEGMENT, scan.SAVE_EVERY = 0.5, 0.0
QUALITIES["fast"] = replace(QUALITIES["fast"], step=4)
Looker.trace.__kwdefaults__["least"] = -2.0
main()
"""


def command(*arguments: object) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    program = ["-c", SOONER] if arguments[0] == "video" else ["-m", "reage"]
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def finish(*arguments: object) -> float:
    """Run a command to its end; return the seconds it took."""
    began = time.monotonic()
    process = command(*arguments)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said.decode()
    return time.monotonic() - began


def kill_after(seconds: float, how: signal.Signals, *arguments: object) -> bool:
    """Kill a command and its workers after a time; whether it was still at work."""
    process = command(*arguments)
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, how)
        said, _ = process.communicate(timeout=60)
        assert b"Traceback" not in said, said.decode()
        return True
    assert process.returncode == 0, said.decode()
    return False


def contents(folder: Path) -> Content:
    """All files but work folders and what a kill leaves, without times."""
    found: Content = {}
    for file in sorted(folder.rglob("*")):
        place = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in place.parts)
        if not file.is_file() or hidden or ".sqlite" in file.name or file.suffix == ".part":
            continue
        if file.name == "curves.png":  # of the speed, too
            continue
        found[str(place)] = file.read_bytes()
        if file.suffix == ".pt":  # in whose bytes are its unfinished name and what is shared
            found[str(place)] = plain(torch.load(file, weights_only=True))
        if file.name in ("report.md", "report.json"):  # times are all over them
            found[str(place)] = None
        if file.name.endswith(("-reage.json", ".jsonl")):
            lines = file.read_text() if file.suffix == ".json" else f"[{','.join(file.open())}]"
            found[str(place)] = json.loads(lines, object_hook=without_times)
    return found


def plain(value: object) -> object:
    """A training's state without its tensors' places."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, torch.Tensor):
        data = value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        return str(value.dtype), list(value.shape), hashlib.sha256(data).hexdigest()
    return value


def without_times(values: Content) -> Content:
    return {name: value for name, value in values.items() if name not in TIMES}


def kill_ten_times(
    whole: Content,
    seconds: float,
    out: Path,
    run: Callable[[], list[object]],
    grows: tuple[str, ...] = (),
    how: tuple[signal.Signals, ...] = (signal.SIGKILL,),
):
    """Kill the command that `run` gives, at ten moments, and compare what it writes in the end.

    A command that was faster than its moment has written all; then all begins again. Files whose
    names begin with one of `grows` are whole, but of an earlier state. `how` takes turns.
    """
    chance, killed = random.Random(24), 0
    while killed < KILLS:
        if kill_after(chance.uniform(0.2, 0.9) * seconds, how[killed % len(how)], *run()):
            killed += 1
            known = contents(out) if out.exists() else {}
            for name, content in known.items():  # what is there is whole
                assert name.startswith(grows) or content == whole[name], name
            if known == whole and not any(out.glob(".*")):  # killed while it said so
                shutil.rmtree(out)
        else:
            assert contents(out) == whole
            shutil.rmtree(out)
    finish(*run())
    assert contents(out) == whole


def kill_training(
    run: Callable[[Path], list[object]],
    tmp_path: Path,
    made: str,
    how: tuple[signal.Signals, ...] = (signal.SIGKILL,),
) -> None:
    """Kill a training ten times; what it writes holds the file `made`. Resumed, it is the same."""
    seconds = finish(*run(tmp_path / "whole" / "run"))
    whole = contents(tmp_path / "whole" / "run")
    assert made in whole and "state.pt" in whole
    out = tmp_path / "out" / "run"
    grows = tuple(name for name in whole if name != "config.json")
    kill_ten_times(whole, seconds, out, lambda: run(out), grows, how)


@pytest.fixture
def photos(astronaut: np.ndarray, tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(astronaut[number * 4 :]).save(folder / f"{number}.jpg")
    return folder


def options(small_folder: Path) -> list[object]:
    return ["--to", 30, "--to", 60, "--quality", "fast", "--model", small_folder, "--precision",
            "float32"]  # fmt: skip


def test_edit(photos: Path, small_folder: Path, tmp_path: Path):
    def run(out: Path) -> list[object]:
        return ["edit", photos / "0.jpg", photos / "1.jpg", "--output", out, "--overwrite",
                *options(small_folder)]  # fmt: skip

    seconds = finish(*run(tmp_path / "whole"))
    whole = contents(tmp_path / "whole")
    assert len(whole) == 8
    kill_ten_times(whole, seconds, tmp_path / "out", lambda: run(tmp_path / "out"))


@pytest.mark.parametrize("workers", [1, 2])
def test_batch(photos: Path, small_folder: Path, tmp_path: Path, workers: int):
    def run(out: Path) -> list[object]:
        return ["batch", photos, out, "--workers", workers, *options(small_folder)]

    seconds = finish(*run(tmp_path / "whole"))
    whole = contents(tmp_path / "whole")
    assert len(whole) >= 11
    kill_ten_times(whole, seconds, tmp_path / "out", lambda: run(tmp_path / "out"))


def test_video(astronaut: np.ndarray, small_folder: Path, tmp_path: Path):
    av = pytest.importorskip("av")
    clip = tmp_path / "clip.mp4"
    with av.open(clip, "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width = stream.height = 256
        for step in range(20):
            picture = np.ascontiguousarray(np.roll(astronaut, step, axis=1))
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        file.mux(stream.encode())

    def run(out: Path) -> list[object]:
        out.mkdir(exist_ok=True)
        return ["video", clip, "-o", out / "aged.mp4", "--to", 60, "--model", small_folder,
                "--precision", "float32", "--overwrite"]  # fmt: skip

    seconds = finish(*run(tmp_path / "whole"))
    whole = contents(tmp_path / "whole")
    assert whole.keys() == {"aged.mp4", "aged.mp4-reage.json"}
    kill_ten_times(whole, seconds, tmp_path / "out", lambda: run(tmp_path / "out"))


def test_project(photos: Path, small_folder: Path, tmp_path: Path):
    def run(out: Path) -> list[object]:
        return ["project", photos / "0.jpg", photos / "1.jpg", "-o", out, "--step", 40, "--plateau",
                0, "--tune", 10, "--also", "npz", "--overwrite", "--model", small_folder,
                "--precision", "float32"]  # fmt: skip

    seconds = finish(*run(tmp_path / "whole"))
    whole = contents(tmp_path / "whole")
    assert len(whole) == 10
    kill_ten_times(whole, seconds, tmp_path / "out", lambda: run(tmp_path / "out"))


@pytest.mark.parametrize("workers", [1, 2])
def test_synthesize(small_folder: Path, tmp_path: Path, workers: int):
    def run(out: Path) -> list[object]:
        return ["synthesize", "--people", 6, "--ages", "20:60:20", "--conditions", 2, "-o", out,
                "--apart", 0, "--recogniser", "features", "--unseen", "--pairs", 5, "--workers",
                workers, "--model", small_folder, "--precision", "float32"]  # fmt: skip

    seconds = finish(*run(tmp_path / "whole" / "people"))
    whole = contents(tmp_path / "whole" / "people")
    assert len(whole) >= 5
    out = tmp_path / "out" / "people"
    kill_ten_times(whole, seconds, out, lambda: run(out))


TRAINED = {"generator": ("resolution=32", "channels=(8,8,8,8)", "mapping_layers=2",
                         "feature_side=64", "batch=8"),
           "encoder": ("batch=4",), "ager": ("batch=4", "judge_kimg=0.064"),
           "photo-ager": ("batch=4", "judge_kimg=0.064")}  # fmt: skip
BEFORE = {"ager": ("encoder",), "photo-ager": ("encoder", "ager")}


@pytest.mark.parametrize("kind", TRAINED)
def test_train(small_folder: Path, tmp_path: Path, kind: str):
    made_faces(tmp_path / "faces")
    model = small_folder

    def run(out: Path, kind: str = kind) -> list[object]:
        usual = ["--run", out, "--log-steps", 1, "--snapshot-minutes", 0]
        if (out / "config.json").exists():
            return ["train", kind, *usual, "--resume"]
        begun = [] if kind == "generator" else [model]
        sets = [part for setting in TRAINED[kind] for part in ("--set", setting)]
        return ["train", kind, *begun, *usual, "--data", tmp_path / "faces", "--kimg", 0.04,
                "--threads", 1, "--precision", "float32", *sets]  # fmt: skip

    for needed in BEFORE.get(kind, ()):
        finish(*run(tmp_path / needed, needed))
        model = tmp_path / needed / "model"
    kill_training(run, tmp_path, "model/config.json")


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("skin-removal", "model/bank.json"),
        ("beard-removal", "model/bank.json"),
        ("occlusion", "model/occlusion.safetensors"),
    ],
)
def test_train_on_heads(astronaut: np.ndarray, tmp_path: Path, kind: str, made: str):
    table = made_heads(tmp_path / "heads", astronaut)

    def run(out: Path) -> list[object]:
        usual = ["train", kind, "--run", out, "--log-steps", 1, "--snapshot-minutes", 0]
        if (out / "config.json").exists():
            return [*usual, "--resume"]
        return [*usual, "--data", table, "--kimg", 0.006, "--threads", 1, "--set", "batch=1",
                "--set", "kept_out=0"]  # fmt: skip

    kill_training(run, tmp_path, made, EITHER)


@pytest.mark.parametrize("processes", [1, 2])
def test_prepare(photos: Path, tmp_path: Path, processes: int):
    for number in range(4, 16):
        shutil.copy(photos / f"{number % 4}.jpg", photos / f"{number:02}.jpg")

    def run(out: Path) -> list[object]:
        usual = ["prepare", photos, "-o", out, "--min-sharpness", 0, "--duplicates", -1]
        return [*usual, "--blurriest", 0.1, "--val", 0.3, "--shard", 4, "--processes", processes]

    seconds = finish(*run(tmp_path / "whole" / "faces"))
    whole = contents(tmp_path / "whole" / "faces")
    assert len(whole) >= 6
    out = tmp_path / "out" / "faces"
    kill_ten_times(whole, seconds, out, lambda: run(out), how=EITHER)


@pytest.mark.parametrize("kind", ["fit", "fit-detail", "export", "evaluate"])
def test_made_at_once(astronaut: np.ndarray, small_folder: Path, tmp_path: Path, kind: str):
    """What is written at the end of the work is whole or not there."""
    made_faces(tmp_path / "faces")
    table = made_heads(tmp_path / "heads", astronaut)

    def run(out: Path) -> list[object]:
        out.mkdir(parents=True, exist_ok=True)
        given = {
            "fit": ["faces128", "--samples", 20, "--steps", 2, "--components", 10,
                    "-o", out / "age.safetensors"],
            "fit-detail": [table, "-o", out / "bank"],
            "export": [small_folder, "--onnx", out / "onnx"],
            "evaluate": [small_folder, "--data", tmp_path / "faces", "--split", "train",
                         "--samples", 4, "--faces", 2, "--steps", 2, "-o", out / "report"],
        }  # fmt: skip
        return [kind, *given[kind], "--overwrite"]

    seconds = finish(*run(tmp_path / "whole"))
    whole = contents(tmp_path / "whole")
    assert whole
    kill_ten_times(whole, seconds, tmp_path / "out", lambda: run(tmp_path / "out"))


def made_heads(folder: Path, head: np.ndarray) -> Path:
    """A table of one head that is young and old, a woman and a man, who has a shadow of a beard."""
    folder.mkdir()
    rows = ["file,source,sex,age,age_second,ita,yaw,sharp_to,licence,grey"]
    rows += [f"{sex}{age}.png,made,{sex},{age},,40,1,512,CC0,0" for sex in "fm" for age in (25, 75)]
    for row in rows[1:]:
        shown = head.copy()
        if row.startswith("m"):
            shown[len(head) // 2 :] = shown[len(head) // 2 :] * 0.65
        Image.fromarray(shown).resize((512, 512)).save(folder / row.partition(",")[0])
    (folder / "heads.csv").write_text("\n".join(rows) + "\n")
    return folder / "heads.csv"


def made_faces(folder: Path) -> None:
    """A dataset of blurred blots with ages."""
    folder.mkdir()
    chance, rows = np.random.default_rng(0), ["file,split,age_bin"]
    with tarfile.open(folder / "faces.tar", "w") as archive:
        for number in range(24):
            blot = Image.fromarray(chance.integers(0, 255, (4, 4, 3), np.uint8)).resize((32, 32))
            file = io.BytesIO()
            blot.save(file, "PNG")
            entry = tarfile.TarInfo(f"{number:03}.png")
            entry.size = file.tell()
            file.seek(0)
            archive.addfile(entry, file)
            rows.append(f"{entry.name},train,{('0-2', '10-19', '30-39', '70+')[number % 4]}")
    (folder / "faces.csv").write_text("\n".join(rows) + "\n")
