"""Kill -9 at ten random moments: the same command afterwards writes the same bytes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

KILLS = 10
Content = dict[str, object]


def command(*arguments: object) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "reage", *map(str, arguments)],
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


def kill_after(seconds: float, *arguments: object) -> bool:
    """Kill a command and its workers after a time; whether it was still at work."""
    process = command(*arguments)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    process.communicate()
    return False


def contents(folder: Path) -> Content:
    """All files but the journal, without times and what a kill leaves."""
    found: Content = {}
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or ".sqlite" in file.name or file.name.endswith(".part"):
            continue
        found[file.name] = file.read_bytes()
        if file.name.endswith("-reage.json"):
            found[file.name] = json.loads(file.read_bytes(), object_hook=without_times)
    return found


def without_times(values: Content) -> Content:
    return {name: value for name, value in values.items() if name != "seconds"}


def kill_ten_times(whole: Content, seconds: float, out: Path, run: Callable[[], list[object]]):
    """Kill the command that `run` gives, at ten moments, and compare what it writes in the end.

    A command that was faster than its moment has written all; then all begins again.
    """
    chance, killed = random.Random(24), 0
    while killed < KILLS:
        if kill_after(chance.uniform(0.2, 0.9) * seconds, *run()):
            killed += 1
            known = contents(out) if out.exists() else {}
            for name, content in known.items():  # what is there is whole
                assert name == "options.json" or content == whole[name], name
        else:
            assert contents(out) == whole
            shutil.rmtree(out)
    finish(*run())
    assert contents(out) == whole


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
