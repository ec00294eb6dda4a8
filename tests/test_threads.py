"""One thread a worker is one thread: numpy's part of the work keeps to it as well."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import reage
from reage.compositing import paste
from reage.jobs.processes import in_processes
from reage.threads import cores, threads

SQUARE = np.array([[100, 100], [100, 1400], [1400, 1400], [1400, 100]], float)


def most_at_once(_: int) -> int:
    """How many threads a paste of 1500 x 1500 takes."""
    seen: set[int] = set()
    rotate_layer = paste.rotate_layer

    def noted(*arguments: object, **named: object) -> np.ndarray:
        seen.add(threading.get_ident())
        return rotate_layer(*arguments, **named)  # type: ignore[arg-type]

    paste.rotate_layer = noted  # type: ignore[assignment]
    try:
        picture = np.zeros((1500, 1500, 3), np.uint8)
        change = np.ones((64, 64, 3), np.float32)
        paste.paste_delta(picture, change, SQUARE, np.ones((64, 64), np.float32))
    finally:
        paste.rotate_layer = rotate_layer
    return max(len(seen), threads())


def work() -> Callable[[int], int]:
    return most_at_once


@pytest.mark.parametrize("processes", [1, 2])
def test_a_worker_has_one_thread(processes: int, monkeypatch: pytest.MonkeyPatch):
    """Each paste took a thread a core, in each of as many workers as there are cores."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert threads() == 2
        assert list(in_processes([1, 2], work, processes)) == [1, 1]
        assert threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_pools_ask_for_them(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []

    class Pool(concurrent.futures.ThreadPoolExecutor):
        def __init__(self, workers: int):
            asked.append(workers)
            super().__init__(workers)

    monkeypatch.setattr("reage.threads.ThreadPoolExecutor", Pool)
    monkeypatch.setattr("reage.threads.threads", lambda: 3)
    most_at_once(0)
    assert set(asked) == {3}
    asked.clear()
    monkeypatch.setattr("reage.threads.threads", lambda: 1)
    most_at_once(0)
    assert not asked  # one thread is there already


def test_no_pool_counts_the_cores_itself():
    source = Path(reage.__file__).parent
    found = {path.name for path in source.rglob("*.py") if "Executor(os.cpu" in path.read_text()}
    assert not found


@pytest.mark.parametrize(
    ("given", "expected"),
    [("3", 3), ("2,1", 2), ("0", None), ("", None), ("x", None), ("-1", None), ("²", None)],
)
def test_without_torch_it_is_what_torch_would_take(given: str, expected: int | None):
    code = "import sys; from reage.threads import threads; print(threads(), 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(expected or cores()), "False"]


def test_with_torch_it_is_torch_s(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "get_num_threads", partial(int, 7))
    assert threads() == 7
