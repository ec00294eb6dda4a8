"""A twentieth of the zoo in each run of the tests, all of it in the slow ones (`make zoo`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("skimage")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")

RUN = Path(__file__).parent / "run.py"


def animals(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the zoo in a process that no test has used, since it forks."""
    command = [sys.executable, str(RUN), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_share_of_odd_inputs():
    done = animals("--share", "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| all |" in done.stdout


@pytest.mark.slow
def test_all_odd_inputs():
    done = animals()
    assert done.returncode == 0, done.stdout + done.stderr
