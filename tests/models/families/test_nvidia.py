"""NVIDIA's pickles: golden pictures of their code, look-alikes of their files, refusals.

The look-alikes have the structure of real files, with stub classes instead of their source code.
What is written was loaded by their own code when this was made; here its program is looked at.
"""

from __future__ import annotations

import pickle
import pickletools
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stub_networks import (
    ATTRIBUTES,
    FILTER,
    PlainStub,
    Stub,
    install_persistence,
    network,
    with_filters,
)
from torch import Tensor, nn

from made import within
from reage.errors import ModelError
from reage.models.checkpoints import build_generator
from reage.models.families.converted import ConvertedGenerator
from reage.models.families.nvidia import write as write_nvidia
from reage.models.families.table import read_foreign
from reage.networks.stylegan2.generator import Generator, GeneratorConfig

pytestmark = pytest.mark.quick

GOLDEN = Path(__file__).with_name("golden_nvidia.npz")


@pytest.fixture(autouse=True)
def persistence(monkeypatch: pytest.MonkeyPatch) -> None:
    install_persistence(monkeypatch)


def dump(path: Path, content: object) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


def assert_same(found: ConvertedGenerator, generator: Generator) -> None:
    assert found.config == generator.config
    assert found.source_format == "nvidia"
    assert found.state_dict.keys() == generator.state_dict().keys()
    for name, tensor in generator.state_dict().items():
        assert torch.equal(found.state_dict[name], tensor), name


@pytest.mark.parametrize("case", ["layers2", "layers8"])
def test_pictures_are_those_of_nvidia_s_code(tmp_path: Path, case: str):
    # Seeded random weights, and what their Generator made of them.
    stored = within(np.load(GOLDEN), f"{case}/")
    golden = {name: torch.from_numpy(array) for name, array in stored.items()}
    state = within(golden, "G_ema/")
    found = read_foreign(dump(tmp_path / "a.pkl", {"G_ema": network(state, ATTRIBUTES)}))
    generator = build_generator(found.config, found.state_dict, source="golden")
    with torch.no_grad():
        image = generator.synthesize(generator.map(golden["z"], truncation_psi=0.7))
    assert (image - golden["image"]).abs().max() < 1e-4
    assert state.keys() - found.state_dict.keys() == {k for k in state if "resample_filter" in k}


@pytest.mark.parametrize("kind", [Stub, PlainStub])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_look_alikes_are_read_and_not_run(
    tmp_path: Path, tiny: Generator, kind: type[nn.Module], protocol: int
):
    g_ema = network(with_filters(tiny), ATTRIBUTES, kind)
    content = {"training_set_kwargs": {"xflip": True}, "G": g_ema, "D": Stub(), "G_ema": g_ema}
    path = tmp_path / "network.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    found = read_foreign(path)
    assert_same(found, tiny)
    assert found.notes == []


def test_channels_last_and_half_tensors(tmp_path: Path, tiny: Generator):
    state = with_filters(tiny)
    name = "synthesis.b32.conv0.weight"
    state[name] = state[name].half().to(memory_format=torch.channels_last)
    found = read_foreign(dump(tmp_path / "a.pkl", {"G_ema": network(state, ATTRIBUTES)}))
    assert torch.equal(found.state_dict[name], state[name].float())


def test_clamps_and_a_missing_mean_are_noted(tmp_path: Path, tiny: Generator):
    state = with_filters(tiny)
    del state["mapping.w_avg"]
    attributes = ATTRIBUTES | {"synthesis.b8.conv0.conv_clamp": 256}
    found = read_foreign(dump(tmp_path / "a.pkl", {"G_ema": network(state, attributes)}))
    assert "clamp at 256" in found.notes[0]
    assert "no mean latent" in found.notes[1]
    assert torch.equal(found.state_dict["mapping.w_avg"], tiny.mean_w())


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"c_dim": 10}, "conditional generator"),
        ({"synthesis.b8.architecture": "resnet"}, "architecture is 'resnet'"),
        ({"synthesis.b8.architecture": "orig"}, "architecture is 'orig'"),
        ({"synthesis.b8.conv0.use_noise": False}, "use_noise is False"),
        ({"synthesis.b8.conv0.activation": "relu"}, "activation is 'relu'"),
        ({"mapping.fc0.bias_gain": 1}, "bias_gain is 1"),
    ],
)
def test_variants_are_refused(
    tmp_path: Path, tiny: Generator, attributes: dict[str, object], message: str
):
    g_ema = network(with_filters(tiny), ATTRIBUTES | attributes)
    with pytest.raises(ModelError, match=message):
        read_foreign(dump(tmp_path / "a.pkl", {"G_ema": g_ema}))


def put(key: str, value: Tensor) -> Callable[[dict[str, Tensor]], object]:
    return lambda state: state.update({key: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("synthesis.L0_36_512.weight", torch.ones(2)), "StyleGAN3"),
        (put("synthesis.b8.skip.weight", torch.ones(2)), "unknown synthesis.b8.skip.weight"),
        (put("synthesis.b8.resample_filter", torch.ones(3, 3)), r"not the filter \[1, 3, 3, 1\]"),
        (put("synthesis.b8.conv0.bias", torch.ones(3)), "do not belong together"),
        (put("synthesis.b8.conv0.bias", torch.full((16,), torch.inf)), "not finite"),
        (lambda s: s.pop("synthesis.b8.conv0.noise_const"), "lacks synthesis.b8.conv0.noise_const"),
        (lambda s: s.pop("mapping.fc0.weight"), "no usable mapping.fc0.weight"),
        (lambda s: s.pop("synthesis.b8.conv1.weight"), "not a power of two"),
    ],
)
def test_other_tensors_are_refused(
    tmp_path: Path,
    tiny: Generator,
    change: Callable[[dict[str, Tensor]], object],
    message: str,
):
    state = with_filters(tiny)
    change(state)
    with pytest.raises(ModelError, match=message):
        read_foreign(dump(tmp_path / "a.pkl", {"G_ema": network(state, ATTRIBUTES)}))


@pytest.mark.parametrize("content", [{}, [1], "text", {"G_ema": 3}, {"G": Stub()}])
def test_other_pickles_are_refused(tmp_path: Path, content: object):
    with pytest.raises(ModelError, match="without a network G_ema"):
        read_foreign(dump(tmp_path / "a.pkl", content))


def test_tensorflow_pickles_are_refused_by_name(tmp_path: Path):
    program = b"\x80\x03cdnnlib.tflib.network\nNetwork\n)\x81}X\x07\0\0\0versionK\x04sb\x85."
    (tmp_path / "a.pkl").write_bytes(program)
    with pytest.raises(ModelError, match="TensorFlow pickle"):
        read_foreign(tmp_path / "a.pkl")


def test_writing_round_trips_bit_exactly(tmp_path: Path, tiny: Generator):
    write_nvidia(tiny.config, tiny.state_dict(), tmp_path / "a.pkl")
    assert_same(read_foreign(tmp_path / "a.pkl"), tiny)


def test_written_pickles_call_six_names_only(tmp_path: Path, tiny: Generator):
    write_nvidia(tiny.config, tiny.state_dict(), tmp_path / "a.pkl")
    texts = [arg for _, arg, _ in pickletools.genops((tmp_path / "a.pkl").read_bytes()) if arg]
    names = {b for a, b in pairwise(texts) if isinstance(a, str) and "." in a}
    names -= {"training.networks", "torch.nn.modules.linear"}
    assert {n for n in names if isinstance(n, str)} == {
        "Generator",
        "Identity",
        "Module.eval",
        "Module.load_state_dict",
        "Module.requires_grad_",
        "_load_from_bytes",
    }


def test_written_pickles_load_where_the_constructor_is(
    tmp_path: Path, tiny: Generator, monkeypatch: pytest.MonkeyPatch
):
    """Python's own unpickler, with a stand-in for `training.networks`."""
    write_nvidia(tiny.config, tiny.state_dict(), tmp_path / "a.pkl")
    calls: list[tuple[Any, ...]] = []

    def make(*args: Any) -> nn.Module:
        calls.append(args)
        return network({k: torch.zeros_like(v) for k, v in expected.items()}, {}, PlainStub)

    expected = with_filters(tiny) | {
        f"synthesis.b{r}.conv0.resample_filter": FILTER for r in (8, 16, 32)
    }
    module = types.ModuleType("training.networks")
    module.Generator = make  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "training", types.ModuleType("training"))
    monkeypatch.setitem(sys.modules, "training.networks", module)
    content = pickle.loads((tmp_path / "a.pkl").read_bytes())
    sizes = {"num_layers": 2}, {"channel_base": 256, "channel_max": 16}
    assert calls == [(12, 0, 12, 32, 3, *sizes)]
    assert content["G"] is content["G_ema"]
    assert isinstance(content["D"], nn.Module)
    assert not content["G_ema"].training
    assert not any(p.requires_grad for p in content["G_ema"].parameters())
    for name, tensor in content["G_ema"].state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("channels", [(16, 8, 16, 8), (16, 16, 8, 8), (8, 16, 16, 16)])
def test_widths_that_their_constructor_cannot_make(
    tmp_path: Path, tiny: Generator, channels: tuple[int, ...]
):
    config: GeneratorConfig = replace(tiny.config, channels=channels)
    with pytest.raises(ModelError, match="write the rosinality layout"):
        write_nvidia(config, tiny.state_dict(), tmp_path / "a.pkl")
