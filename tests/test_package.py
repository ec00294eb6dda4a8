"""The package as pip installs it, away from the source tree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_installed_command_works(tmp_path: Path, astronaut_file: Path) -> None:
    """Needs the network for the build backend; the dependencies are those already there."""
    target = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*install, "--target", target, ROOT], check=True)
    environment = os.environ | {"PYTHONPATH": str(target), "PYTHONSAFEPATH": "1"}
    command = target / "bin" / "reage"
    shown = subprocess.run(
        [sys.executable, command, "age", astronaut_file],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "face 1" in shown.stdout
    made = [sys.executable, command, "edit", astronaut_file, "--to", "40", "--quality", "fast"]
    done = subprocess.run(made, env=environment, cwd=tmp_path, check=True, capture_output=True)
    assert b"Traceback" not in done.stderr
    assert (astronaut_file.parent / f"{astronaut_file.stem}-age40.png").is_file()
    where = "import reage; print(reage.__file__)"
    found = subprocess.check_output([sys.executable, "-c", where], env=environment, cwd=tmp_path)
    assert str(target) in found.decode()


@pytest.fixture
def astronaut_file(tmp_path: Path) -> Path:
    data = pytest.importorskip("skimage.data")
    from reage.images import save_array

    return save_array(data.astronaut(), tmp_path / "astronaut.png").path
