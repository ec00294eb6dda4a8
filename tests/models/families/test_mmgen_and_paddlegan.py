"""mmgeneration's and PaddleGAN's files.

The golden pictures are what the other project's own code made (on the CPU, its CUDA operations by
their own plain equations, widths reduced) of weights that `seeded` repeats here: the keys and
shapes are its state dict's.
"""

from __future__ import annotations

import json
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.checkpoints import Model, ModelConfig, build_generator
from reage.models.families.converted import fir_kernel
from reage.models.families.mmgen import to_mmgen
from reage.models.families.paddlegan import to_paddlegan
from reage.models.families.table import (
    ConvertedGenerator,
    read_foreign,
    write_foreign,
)
from reage.networks.stylegan2.generator import Generator

pytestmark = pytest.mark.quick

HERE = Path(__file__).parent
CASES = {"a": (32, 2), "b": (64, 8), "c": (1024, 8), "d": (256, 2)}  # resolution, mapping layers
Write = Callable[[dict[str, Tensor], Path], None]


def seeded(key: str, shape: tuple[int, ...]) -> Tensor:
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))


def weight(key: str, shape: list[int]) -> Tensor:
    if key.endswith("kernel"):
        return fir_kernel(4)
    mapping = key.partition(".")[0] in ("style", "style_mapping") and "weight" in key
    return seeded(key, tuple(shape)) * (100 if mapping else 1)


def write_pth(state: dict[str, Tensor], path: Path) -> None:
    theirs = {f"generator_ema.{k}": v for k, v in state.items()}
    others = {f"generator.{k}": v + 1 for k, v in state.items()}
    others["discriminator.convs.0.weight_orig"] = torch.ones(2)
    torch.save({"meta": {"epoch": 1, "time": "x"}, "state_dict": others | theirs}, path)


def write_pdparams(state: dict[str, Tensor], path: Path) -> None:
    arrays: dict[str, Any] = {k: v.contiguous().numpy() for k, v in state.items()}
    arrays["StructuredToParameterName@@"] = {k: f"p_{k}" for k in arrays}
    path.write_bytes(pickle.dumps(arrays, protocol=4))


FAMILIES = {
    "mmgen": ("golden_mmgen.npz", write_pth, to_mmgen, "model.pth"),
    "paddlegan": ("golden_paddlegan.npz", write_pdparams, to_paddlegan, "model.pdparams"),
}


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("family", list(FAMILIES))
def test_pictures_are_those_of_their_own_code(tmp_path: Path, family: str, case: str):
    file, write, back, name = FAMILIES[family]
    golden = np.load(HERE / file)
    keys = json.loads(str(golden[f"{case}/keys"]))
    state = {key: weight(key, shape) for key, shape in keys.items()}
    write(state, tmp_path / name)
    found = read_foreign(tmp_path / name)
    assert (found.config.resolution, found.config.mapping_layers) == CASES[case]
    assert found.source_format == family
    assert found.notes == ["the file has no mean latent: computed from 4096 samples"]
    found.state_dict["mapping.w_avg"] = seeded("mean", (1, 12))[0]
    generator = build_generator(found.config, found.state_dict, source="golden")
    stride = found.config.resolution // 16
    for picture, psi in (("image", 1.0), ("truncated", 0.7)):
        with torch.no_grad():
            image = generator.synthesize(generator.map(seeded("z", (1, 12)), truncation_psi=psi))
        theirs = torch.from_numpy(golden[f"{case}/{picture}"])
        error = (image[:, :, ::stride, ::stride] - theirs).abs().max()
        assert error < 2e-5 * theirs.abs().max(), error
    again = back(found.config, found.state_dict)
    assert again.keys() == keys.keys()
    assert all(torch.equal(again[key], state[key]) for key in keys if "kernel" not in key)


@pytest.mark.parametrize("family", ["mmgen", "paddlegan"])
def test_round_trip_is_bit_exact(
    tmp_path: Path, tiny: Generator, tiny_config: ModelConfig, family: str
):
    write_foreign(Model(tiny_config, tiny, None, ""), tmp_path / "file", family)
    found = read_foreign(tmp_path / "file")
    assert (found.config, found.source_format) == (tiny.config, family)
    for name, tensor in tiny.state_dict().items():
        if name != "mapping.w_avg":  # which these formats do not keep
            assert torch.equal(found.state_dict[name], tensor), name


def read_pickle(tmp_path: Path, content: object, protocol: int = 4) -> ConvertedGenerator:
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps(content, protocol))
    return read_foreign(tmp_path / "a.pdparams")


@pytest.fixture
def arrays(tiny: Generator) -> dict[str, np.ndarray]:
    theirs = to_paddlegan(tiny.config, tiny.state_dict())
    return {k: np.ascontiguousarray(v.numpy()) for k, v in theirs.items()}


class Pair:
    """A tensor in a nested dictionary, as paddle.save writes it."""

    def __init__(self, name: str, array: np.ndarray):
        self.pair = (name, array)

    def __reduce__(self) -> Any:
        return tuple, (self.pair,)


def test_paddle_training_files_give_the_moving_average(
    tmp_path: Path, tiny: Generator, arrays: dict[str, np.ndarray]
):
    ema = OrderedDict((k, Pair(f"linear_{i}.w_0", v)) for i, (k, v) in enumerate(arrays.items()))
    found = read_pickle(tmp_path, {"gen": {k: v + 1 for k, v in arrays.items()}, "gen_ema": ema})
    assert torch.equal(found.state_dict["mapping.fc0.weight"], tiny.mapping.fc0.weight)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_paddle_psp_files_give_their_decoder_and_mean(
    tmp_path: Path, tiny: Generator, arrays: dict[str, np.ndarray], protocol: int
):
    mean = tiny.mapping.w_avg.expand(1, 8, 12).numpy()
    content = {f"decoder.{k}": v for k, v in arrays.items()} | {
        "encoder.input_layer.0.weight": np.ones(3, np.float32),
        "latent_avg": mean,
        "opts": {"size": 32},
    }
    found = read_pickle(tmp_path, content, protocol)
    assert found.notes == []
    for name, tensor in tiny.state_dict().items():
        assert torch.equal(found.state_dict[name], tensor), name


def test_mmagic_s_wrapped_average_and_mean_latent(tmp_path: Path, tiny: Generator):
    theirs = to_mmgen(tiny.config, tiny.state_dict()) | {"w_avg": tiny.mapping.w_avg}
    state = {f"generator_ema.module.{k}": v for k, v in theirs.items()}
    torch.save({"state_dict": state | {"generator_ema.steps": torch.tensor(3)}}, tmp_path / "a.pth")
    found = read_foreign(tmp_path / "a.pth")
    assert found.notes == []
    assert torch.equal(found.state_dict["mapping.w_avg"], tiny.mapping.w_avg)


def drop(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda state: state.pop(key)


def put(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda state: state.update({key: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("style.1.weight"), "lacks style.1.weight"),
        (put("extra", np.ones(1)), "unknown extra"),
        (put("style.2.weight", np.ones((13, 12), np.float32)), "do not belong together"),
        (put("style.1.weight", np.ones(12, np.float32)), r"style.1.weight is \[12\]"),
        (put("style.1.bias", np.ones(12, np.int32)), "torch.int32"),
        (put("style.1.bias", np.full(12, np.nan, np.float32)), "not finite"),
        (
            put("convs.1.conv.weight", np.ones((1, 20000, 1, 1, 1), np.float32)),
            "its config asks for more than its weights hold",
        ),
    ],
)
def test_paddle_files_that_do_not_fit_are_refused(
    tmp_path: Path,
    arrays: dict[str, np.ndarray],
    change: Callable[[dict[str, Any]], object],
    message: str,
):
    change(arrays)
    with pytest.raises(ModelError, match=message):
        read_pickle(tmp_path, arrays)
