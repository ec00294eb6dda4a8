"""--backend in the commands that draw much: another runtime, the same pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

import reage.editor
import reage.search.face_mover
from reage.cli import main
from reage.editor import QUALITIES
from reage.models.backends import BACKENDS, Graphs, open_graphs

PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino"}
MADE = {
    "strip": ("strip", "IN/ada.png", "--to", "30", "60", "-o", "OUT/strip.png"),
    "mix": ("mix", "IN/ada.png", "IN/bea.png", "--levels", "coarse", "-o", "OUT/mix.png"),
    "animate": ("animate", "IN/ada.png", "--ages", "20:60", "--seconds", "0.5", "--fps", "8",
                "--size", "96", "-o", "OUT/moving.webp"),
    "batch": ("batch", "IN", "OUT", "--to", "30", "60", "--workers", "1"),
}  # fmt: skip


@pytest.fixture(params=list(BACKENDS))
def backend(request: pytest.FixtureRequest) -> str:
    pytest.importorskip("onnx")
    pytest.importorskip(PACKAGES[request.param])
    return request.param


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that another runtime drew."""
    batches: list[int] = []

    def opened(*arguments: object, **options: object) -> Graphs | None:
        graphs = open_graphs(*arguments, **options)  # type: ignore[arg-type]
        if graphs is None:
            return None

        def synthesis(ws: Tensor) -> Tensor:
            batches.append(len(ws))
            return graphs.synthesis(ws)

        return replace(graphs, synthesis=synthesis)

    monkeypatch.setattr(reage.editor, "open_graphs", opened)
    return batches


@pytest.fixture
def make(
    astronaut: np.ndarray, small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, np.ndarray]]:
    """Run a command with the small model; its pictures."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(reage.search.face_mover, "LEAST_LIKENESS", -2.0)
    for name, config in QUALITIES.items():
        monkeypatch.setitem(QUALITIES, name, replace(config, step=2))  # type: ignore[arg-type]
    (tmp_path / "in").mkdir()
    Image.fromarray(astronaut).save(tmp_path / "in" / "ada.png")
    Image.fromarray(astronaut[:, ::-1]).save(tmp_path / "in" / "bea.png")

    def run(command: str, backend: str) -> dict[str, np.ndarray]:
        folder = tmp_path / backend
        places = {"IN": str(tmp_path / "in"), "OUT": str(folder)}
        folder.mkdir()
        words = [w.replace("IN", places["IN"]).replace("OUT", places["OUT"]) for w in MADE[command]]
        with pytest.raises(SystemExit) as ended:
            main([*words, "--model", str(small_folder), "--precision", "float32",
                  "--backend", backend])  # fmt: skip
        assert ended.value.code == 0
        return {
            path.name: np.asarray(Image.open(path).convert("RGB")).astype(int)
            for path in sorted(folder.rglob("*"))
            if path.suffix in (".png", ".webp")
        }

    return run


@pytest.mark.parametrize("command", MADE)
def test_the_pictures_are_the_same(
    command: str, backend: str, make: Callable[..., dict[str, np.ndarray]], drawn: list[int]
):
    plain = make(command, "torch")
    assert drawn == []
    other = make(command, backend)
    assert sum(drawn) > 1
    assert plain.keys() == other.keys() and plain
    for name, picture in plain.items():
        difference = abs(picture - other[name])
        assert difference.max() <= (8 if name.endswith("webp") else 2), name
        assert difference.mean() < 0.05, name
    assert next(iter(plain.values())).std() > 10


def test_a_runtime_that_is_missing_is_said_before_the_work(
    monkeypatch: pytest.MonkeyPatch, small_folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    import sys

    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(sys.modules, "openvino", None)
    (tmp_path / "ada.png").write_text("never read")
    for words in (("strip", "ada.png", "-o", "s.png"), ("batch", ".", "out", "--workers", "1")):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as ended:
            main([*words, "--to", "60", "--model", str(small_folder), "--backend", "openvino"])
        assert ended.value.code == 2
        assert capsys.readouterr().err == (
            "reage: OpenVINO is missing; run: pip install reage[openvino]\n"
        )


@pytest.mark.parametrize("command", ["project", "train", "fit", "evaluate"])
def test_what_follows_gradients_or_measures_takes_none(
    command: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        main([command, "--backend", "onnxruntime"])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
