"""Files of agers that work on pixels: torch files and ONNX graphs, and what is none of them."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from made_fran import NARROW, known_fran, save_graph, save_state, seeded_fran
from reage.errors import ModelError, UsageError
from reage.models.families.fran import PixelNetwork, is_pixel_ager, load_pixel_network
from reage.models.inspecting import inspect_model
from reage.models.registry import load
from reage.networks.agers.fran import FranNormed, FranPlain, fran_input
from seeded import seeded_picture

pytestmark = pytest.mark.quick

KINDS = {"plain": FranPlain, "normed": FranNormed}


def opened(path: Path) -> PixelNetwork:
    return load_pixel_network(path, torch.device("cpu"), torch.float32)


def seen(side: int = 64, count: int = 2) -> Tensor:
    ages = torch.tensor([31.0, 62.0])[:count], torch.tensor([74.5, 20.0])[:count]
    return fran_input(torch.from_numpy(seeded_picture("fran", side, count)), *ages)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefix", ["", "generator."])
@torch.no_grad()
def test_a_torch_file_gives_the_network_s_changes(kind: str, prefix: str, tmp_path: Path):
    network = seeded_fran(KINDS[kind](NARROW))
    file = save_state(network, tmp_path / "best_unet_model.pth", prefix)
    found = opened(file)
    assert found.signed == network.signed and found.side is None
    assert (found.run(seen()) - network(seen())).abs().max() < 1e-5
    shown = inspect_model(file)
    assert shown.family == found.family and "FRAN" in shown.family
    assert dict(shown.lines)["use"].startswith("reage edit")


def test_an_old_torch_file_is_read_too(tmp_path: Path):
    network = seeded_fran(FranPlain(NARROW))
    torch.save(network.state_dict(), tmp_path / "x.pth", _use_new_zipfile_serialization=False)
    assert opened(tmp_path / "x.pth").family == "FRAN as in face_reaging"


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_graph_gives_what_the_torch_file_gives(kind: str, tmp_path: Path):
    pytest.importorskip("onnxruntime")
    network = seeded_fran(KINDS[kind](NARROW))
    found = opened(save_graph(network, tmp_path / "fran.onnx"))
    assert found.signed == network.signed and found.side is None
    assert is_pixel_ager(tmp_path / "fran.onnx")
    for side in (64, 96):
        assert (found.run(seen(side)) - network(seen(side))).abs().max() < 1e-4


def test_a_graph_of_one_size_says_so(tmp_path: Path):
    pytest.importorskip("onnxruntime")
    file = save_graph(known_fran(), tmp_path / "fran.onnx", side=128)
    assert opened(file).side == 128
    assert dict(inspect_model(file).lines)["takes"].startswith("squares of 128 px")
    assert opened(file).run(seen(128)).shape == (2, 3, 128, 128)


class Two(nn.Module):
    def forward(self, target: Tensor, direction: Tensor) -> Tensor:
        return target * direction


def two_inputs(path: Path) -> Path:
    names = ["target", "direction"]
    inputs = (torch.ones(1, 3, 64, 64), torch.ones(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Two(), inputs, path, input_names=names, dynamo=False)
    return path


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def conv(inner: int, outer: int) -> nn.Module:
    return nn.Conv2d(inner, outer, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: save_graph(conv(4, 3), path, channels=4), r"takes input \[\?,4,\?,\?\]"),
        (lambda path: save_graph(conv(5, 4), path), r"gives output \[\?,4,\?,\?\]; an ager takes"),
        (two_inputs, r"takes target \[1,3,64,64\], direction"),
        (
            lambda path: written(path, b"\x08\x07 no graph"),
            r"not an ONNX graph|takes nothing",
        ),
        (lambda path: written(path, b""), r"takes nothing|not an ONNX graph"),
    ],
)
def test_other_graphs_are_refused_in_one_line(make: Any, message: str, tmp_path: Path):
    with pytest.raises(ModelError, match=message) as caught:
        opened(make(tmp_path / "file.onnx"))
    assert "\n" not in str(caught.value)


def test_a_graph_that_is_no_square_is_refused(tmp_path: Path):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(save_graph(known_fran(), tmp_path / "fran.onnx", side=128))
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 256
    onnx.save(model, tmp_path / "fran.onnx")
    with pytest.raises(ModelError, match="x5x128x256 only; export it with a free size"):
        opened(tmp_path / "fran.onnx")


class Touch:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.path}",)


def test_code_is_refused_by_its_name(tmp_path: Path):
    state = {**known_fran().state_dict(), "x": Touch(tmp_path / "canary")}
    torch.save(state, tmp_path / "fran.pth")
    assert is_pixel_ager(tmp_path / "fran.pth")
    with pytest.raises(ModelError, match=r"asks for (posix|nt)\.system"):
        opened(tmp_path / "fran.pth")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"up1.layer.0.weight": None}, "lacks up1.layer.0.weight"),
        ({"extra": torch.ones(1)}, "unknown extra"),
        ({"down2.layer.2.weight": torch.ones(9, 8, 3, 3)}, "do not belong together"),
        ({"down2.layer.2.weight": torch.ones(1)}, "do not belong together"),
        ({"init_conv.0.weight": torch.ones(4, 4, 3, 3)}, "do not belong together"),
        ({"init_conv.0.bias": torch.full((4,), torch.nan)}, "not finite"),
        ({"init_conv.0.bias": torch.ones(4, dtype=torch.int64)}, "torch.int64"),
        ({"extra": torch.ones(1).expand(10**12)}, "unknown extra|damaged|larger"),
        ({"init_conv.0.weight": torch.ones(1).expand(9000, 5, 3, 3)}, "init_conv.0.weight"),
    ],
)
def test_damaged_files_are_refused(change: dict[str, Any], message: str, tmp_path: Path):
    state = {**known_fran().state_dict(), **change}
    torch.save({k: v for k, v in state.items() if v is not None}, tmp_path / "fran.pth")
    with pytest.raises(ModelError, match=message) as caught:
        opened(tmp_path / "fran.pth")
    assert "\n" not in str(caught.value)


def test_other_files_are_no_agers(tmp_path: Path):
    for name, content in (("a.pth", {"x": torch.ones(1)}), ("b.pth", [1]), ("c.pth", {})):
        torch.save(content, tmp_path / name)
        assert not is_pixel_ager(tmp_path / name)
        with pytest.raises(ModelError, match=r"not a FRAN U-Net|holds a"):
            opened(tmp_path / name)
    (tmp_path / "d.pth").write_bytes(b"PK\x03\x04 cut off")
    assert not is_pixel_ager(tmp_path / "d.pth")
    assert not is_pixel_ager(tmp_path / "missing.onnx")


def test_it_is_no_generator_and_says_what_it_is(tmp_path: Path):
    file = save_state(known_fran(), tmp_path / "fran.pth")
    with pytest.raises(ModelError, match=r"ager that works on pixels .* reage edit PHOTO"):
        load(file)


def test_without_the_package_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "onnx", None)
    (tmp_path / "fran.onnx").write_bytes(b"never read")
    with pytest.raises(UsageError, match=r'onnx is missing: .*pip install "\.\[onnx\]"$'):
        opened(tmp_path / "fran.onnx")
