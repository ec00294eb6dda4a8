"""Graphs for other runtimes: what they give, that they are checked, that the editor takes them."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import reage.models.export
from reage.cli.main import main
from reage.errors import ModelError, UsageError
from reage.models.checkpoints import Model, ModelConfig, save_model
from reage.models.export import Part, export_parts, parts_of
from reage.models.graphs import FILES, GraphFormat, open_graph
from reage.networks.agers.growth import Growth, GrowthConfig
from reage.networks.agers.latent_ager import Ager, AgerConfig
from reage.networks.agers.photo_ager import PhotoAger, PhotoAgerConfig
from reage.networks.encoders.encoder import Encoder, EncoderConfig
from reage.networks.stylegan2.generator import Generator

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}


@pytest.fixture(params=list(PACKAGES))
def layout(request: pytest.FixtureRequest) -> GraphFormat:
    pytest.importorskip("onnx")
    pytest.importorskip(PACKAGES[request.param])
    return request.param


@pytest.fixture
def model(tiny: Generator, tiny_config: ModelConfig) -> Model:
    return Model(replace(tiny_config, licence="CC0-1.0"), tiny, None, "ab" * 32)


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(3)
    config = EncoderConfig(8, 12, resolution=16, channels=(8, 8), blocks=(1, 1), hidden=8)
    return Encoder(config).eval().requires_grad_(False)


@pytest.fixture
def ager() -> Ager:
    torch.manual_seed(4)
    return Ager(AgerConfig(8, 12, projection=4, hidden=8, rank=4)).eval().requires_grad_(False)


@pytest.fixture
def photo_ager() -> PhotoAger:
    torch.manual_seed(5)
    network = PhotoAger(PhotoAgerConfig(32, widths=(8, 8))).eval().requires_grad_(False)
    network.out.weight.data.normal_(std=0.3)  # a new one changes nothing
    return network


@pytest.fixture
def growth() -> Growth:
    growth = Growth(GrowthConfig((10.0, 30.0, 50.0), side=4))
    growth.shapes.normal_(generator=torch.Generator().manual_seed(6))
    return growth


def test_every_part_is_what_pytorch_gives_at_any_batch(
    tmp_path: Path,
    model: Model,
    encoder: Encoder,
    ager: Ager,
    photo_ager: PhotoAger,
    growth: Growth,
    layout: GraphFormat,
):
    parts = parts_of(model, encoder, ager, photo_ager, growth)
    done = export_parts(model, parts, tmp_path, layout)
    names = ["synthesis", "encoder", "ager", "photo_ager", "growth"]
    assert [part.name for part in done] == names
    rng = torch.Generator().manual_seed(1)
    for count in (1, 5):
        ws = torch.randn(count, 8, 12, generator=rng)
        images = torch.rand(count, 3, 32, 32, generator=rng) * 2 - 1
        mask = (torch.rand(count, 1, 32, 32, generator=rng) > 0.2).float()
        own, wanted = (60 * torch.rand(count, generator=rng) for _ in range(2))
        expected = {
            "synthesis": ((ws,), model.generator.synthesize(ws)),
            "encoder": ((images, mask), encoder(images, mask, model.generator.mapping.w_avg)),
            "ager": ((ws, own, wanted), ager(ws, own, wanted)),
            "photo_ager": ((images, own, wanted), photo_ager(images, own, wanted)),
            "growth": ((own, wanted), growth(own, wanted)),
        }
        for name, (inputs, wanted_output) in expected.items():
            found = open_graph(tmp_path / f"{name}{FILES[layout]}", layout)(*inputs)
            scale = wanted_output.abs().max()
            assert scale > 1e-3, name
            assert (found - wanted_output).abs().max() < 1e-5 * max(scale, 1), name
    record = json.loads((tmp_path / "export.json").read_text())
    assert (record["generator_hash"], record["licence"]) == (model.generator_hash, "CC0-1.0")
    assert record["errors"] == {part.name: part.error for part in done}
    with pytest.raises(ModelError, match="--overwrite"):
        export_parts(model, [], tmp_path, layout)


class Wavering(nn.Module):
    """Traced once, it gives something else than it does in PyTorch."""

    def forward(self, ws: Tensor) -> Tensor:
        return ws * (1.0 if torch.jit.is_tracing() else 1.01)


def test_a_graph_that_differs_is_not_kept(tmp_path: Path, model: Model, layout: GraphFormat):
    """Nor are those before it: an earlier export stays as it was."""
    good = parts_of(model, None)[0]
    export_parts(model, [good], tmp_path, layout)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    parts = [good, Part("other", Wavering(), {"ws": (8, 12)}, "images")]
    with pytest.raises(ModelError, match=r"other: 0\.0.* off PyTorch"):
        export_parts(model, parts, tmp_path, layout, overwrite=True)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    with pytest.raises(ModelError, match="off PyTorch"):
        export_parts(model, parts, tmp_path / "new", layout)
    assert not (tmp_path / "new").exists()


def test_a_full_disk_is_said_of_openvino_too(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
):
    openvino = pytest.importorskip("openvino")

    def fill(*_: object, **__: object) -> None:
        raise RuntimeError("basic_ios::clear: iostream error")  # as OpenVINO says it

    monkeypatch.setattr(openvino, "save_model", fill)
    with pytest.raises(ModelError, match=r"ov cannot be written \(.*disk full\?\): it was left"):
        export_parts(model, parts_of(model, None), tmp_path / "ov", "openvino")
    assert not (tmp_path / "ov").exists()


def test_damaged_and_missing_graphs_are_said(tmp_path: Path, layout: GraphFormat):
    path = tmp_path / f"synthesis{FILES[layout]}"
    with pytest.raises(ModelError, match="reage export"):
        open_graph(path, layout)
    path.write_bytes(b"nothing that could be run")
    with pytest.raises(ModelError, match="cannot be run"):
        open_graph(path, layout)


@pytest.mark.parametrize("layout", list(FILES))
def test_a_graph_serves_several_threads(tmp_path: Path, model: Model, layout: GraphFormat):
    pytest.importorskip(PACKAGES[layout])
    (made,) = export_parts(model, parts_of(model, None)[:1], tmp_path, layout)
    synthesis = open_graph(made.path, layout)
    ws = torch.randn(40, 8, 12, generator=torch.Generator().manual_seed(2))
    expected = synthesis(ws)
    with ThreadPoolExecutor(4) as pool:
        found = torch.cat(list(pool.map(synthesis, ws[:, None])))
    assert torch.allclose(found, expected, atol=1e-4)


def test_a_graph_that_fails_its_comparison_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Model
):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(reage.models.export, "_largest_error", lambda *_: 1.0)
    with pytest.raises(ModelError, match="off PyTorch"):
        export_parts(model, parts_of(model, None)[:1], tmp_path, "onnx")
    assert not list(tmp_path.rglob("*.onnx"))


def test_the_command_writes_what_a_model_has(
    tmp_path: Path, tiny: Generator, tiny_config: ModelConfig, capsys: pytest.CaptureFixture[str]
):
    folder = save_model(tiny_config, tiny, tmp_path / "m", card="", dtype=torch.float32)
    with pytest.raises(SystemExit) as ended:
        main(["export", str(folder), "--onnx", str(tmp_path / "out")])
    assert ended.value.code == 0
    assert {f.name for f in (tmp_path / "out").iterdir()} == {"synthesis.onnx", "export.json"}
    assert "largest difference from PyTorch" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["export", str(folder)])
    assert ended.value.code == 2


def test_without_the_package_it_is_said_how_to_get_it(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r'onnx is missing: .*pip install "\.\[onnx\]"$'):
        export_parts(model, parts_of(model, None), tmp_path / "out", "onnx")
    assert not list(tmp_path.rglob("*.onnx"))
