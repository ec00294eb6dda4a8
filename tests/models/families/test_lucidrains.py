"""Files of lucidrains/stylegan2-pytorch: the same pictures, and what is refused.

The golden pictures are what that project's own classes made (with kornia's filter, on the CPU) of
weights that `seeded` repeats here; names and shapes are their state dict's.
"""

from __future__ import annotations

import json
import os
import resource
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from damage import never_escapes
from made_lucidrains import CONFIGS, GOLDEN, lucidrains_file, lucidrains_state
from torch import Tensor

from reage.errors import ModelError
from reage.models.checkpoints import ModelConfig, build_generator, load_model, save_model
from reage.models.families.table import layouts, read_foreign, write_foreign
from reage.models.files import save_tensors
from reage.models.registry import load
from reage.networks.lucidrains.generator import BilinearGenerator

pytestmark = pytest.mark.quick

STRIDES = {16: 1, 32: 1, 64: 3, 256: 15}  # of the stored pictures; first and last row are there
COMPUTED = "the file has no mean latent: computed from 4096 samples"
GE = "GE.blocks.1."


def inputs(case: str) -> tuple[Tensor, Tensor, Tensor]:
    """z `[2, z_dim]`, ws, and noise maps `[2, 1, R, R]`, whose sides their code swaps."""
    config, rng = CONFIGS[case], np.random.RandomState(zlib.crc32(case.encode()))
    z = rng.standard_normal((2, config.z_dim)).astype(np.float32)
    ws = rng.standard_normal((2, config.num_ws, config.w_dim)).astype(np.float32)
    noise = rng.uniform(0, 1, (2, config.resolution, config.resolution, 1)).astype(np.float32)
    return torch.from_numpy(z), torch.from_numpy(ws), torch.from_numpy(noise).permute(0, 3, 2, 1)


@pytest.mark.parametrize("case", list(CONFIGS))
def test_pictures_are_those_of_their_own_code(tmp_path: Path, case: str):
    golden, (z, ws, noise) = np.load(GOLDEN), inputs(case)
    found = read_foreign(lucidrains_file(tmp_path, lucidrains_state(case)))
    assert (found.config, found.source_format) == (CONFIGS[case], "lucidrains")
    assert found.notes == [COMPUTED]
    generator = build_generator(found.config, found.state_dict, source="golden")
    with torch.no_grad():
        w = torch.from_numpy(golden[f"{case}/w"])
        assert (generator.mapping(z) - w).abs().max() < 1e-6 < w.abs().max() / 1e4
        pictures = {
            "image": generator.synthesize(ws, noise=[noise]),
            "zero": generator.synthesize(ws, noise_mode="none"),
            "mapped": generator.synthesize(generator.map(z), noise=[noise]),
        }
    stride = STRIDES[found.config.resolution]
    for name, picture in pictures.items():
        theirs = 2 * torch.from_numpy(golden[f"{case}/{name}"]) - 1  # [0, 1] becomes [-1, 1]
        error = (picture[:, :, ::stride, ::stride] - theirs).abs().max()
        assert error < 2e-6 * theirs.abs().max(), (name, error)


@pytest.mark.parametrize("case", list(CONFIGS))
def test_a_model_folder_made_of_it_gives_the_same_picture(tmp_path: Path, case: str):
    model, ws = load(lucidrains_file(tmp_path, lucidrains_state(case))), inputs(case)[1]
    for dtype, limit in ((torch.float32, 0.0), (torch.float16, 0.02)):
        folder = save_model(
            model.config, model.generator, tmp_path / f"{dtype}", card="#\n", dtype=dtype
        )
        again = load_model(folder)
        assert isinstance(again.generator, BilinearGenerator)
        assert again.config.generator == CONFIGS[case] == again.generator.config
        pictures = [m.generator.synthesize(ws) for m in (model, again)]
        assert (pictures[0] - pictures[1]).abs().max() <= limit * pictures[0].abs().max()
        assert (again.generator_hash == model.generator_hash) == (dtype == torch.float32)


def test_the_file_alone_as_safetensors_or_bare(tmp_path: Path):
    state = lucidrains_state("plain")
    whole = read_foreign(lucidrains_file(tmp_path, state))
    torch.save(state, tmp_path / "bare.pt")
    save_tensors(tmp_path / "flat.safetensors", state)
    torch.save({"GAN": state}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("bare.pt", "flat.safetensors", "old.pt"):
        found = read_foreign(tmp_path / name)
        assert found.config == whole.config
        assert found.state_dict.keys() == whole.state_dict.keys()
        assert all(torch.equal(found.state_dict[k], v) for k, v in whole.state_dict.items())


def test_the_factor_of_the_mapping_is_read_or_said(tmp_path: Path):
    state = lucidrains_state("plain")
    usual, other, unsaid = (
        read_foreign(lucidrains_file(tmp_path / name, state, factor))
        for name, factor in (("a", 0.1), ("b", 0.02), ("c", None))
    )
    weight = "mapping.fc1.weight"
    assert torch.allclose(other.state_dict[weight], usual.state_dict[weight] / 5)
    assert torch.equal(unsaid.state_dict[weight], usual.state_dict[weight])
    assert unsaid.notes[0] == "no .config.json next to it: lr_mlp 0.1 is assumed"
    for text in ("[]", "{", '{"lr_mlp": "x"}', '{"lr_mlp": -1}', '{"lr_mlp": NaN}', "[" * 100_000):
        (tmp_path / "a" / ".config.json").write_text(text)
        with pytest.raises(ModelError, match=r"\.config\.json"):
            read_foreign(tmp_path / "a" / "model_7.pt")


def test_last_weights_are_taken_where_there_is_no_average(tmp_path: Path):
    averaged = lucidrains_state("plain")
    last = {name.replace("E.", ".", 1): held for name, held in averaged.items()}
    found = read_foreign(lucidrains_file(tmp_path, last))
    assert found.notes == ["the file has no moving average: its last weights are taken", COMPUTED]
    same = read_foreign(lucidrains_file(tmp_path, averaged))
    assert torch.equal(found.state_dict["synthesis.start"], same.state_dict["synthesis.start"])


@pytest.mark.parametrize(
    ("case", "version", "said"),
    [
        ("deep", "1.8.8", None),
        ("deep", "1.10.0", None),
        ("deep", "1.8.9a", None),
        ("deep", "1.8.7", "its attention is of version 1.8.7: pictures differ a little"),
        ("deep", 7, "the file names no version: the attention of 1.8.8"),
        ("plain", "1.1.0", None),  # without attention all are the same
    ],
)
def test_attention_of_other_versions_is_said(
    tmp_path: Path, case: str, version: object, said: str | None
):
    (tmp_path / ".config.json").write_text("{}")
    state = lucidrains_state(case)
    torch.save({"GAN": state, "version": version}, tmp_path / "model_1.pt")
    notes = read_foreign(tmp_path / "model_1.pt").notes
    assert notes[-1] == COMPUTED
    assert [note[: len(said or "")] for note in notes[:-1]] == ([] if said is None else [said])


def put(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda state: state.update({key: value})


def drop(*keys: str) -> Callable[[dict[str, Any]], object]:
    return lambda state: [state.pop(key) for key in keys]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("GE.initial_conv.bias"), r"lacks GE\.initial_conv\.bias"),
        (drop("SE.net.0.weight"), r"lacks SE\.net\.0\.weight"),
        (drop("SE.net.0.weight", "SE.net.0.bias", "SE.net.2.weight", "SE.net.2.bias"), "SE"),
        (drop(f"{GE}to_rgb.upsample.1.f"), r"lacks GE\.blocks\.1\.to_rgb\.upsample"),
        (drop("GE.blocks.3.conv1.weight"), r"lacks GE\.blocks\.3\.conv1"),
        (put("GE.blocks.9.conv1.weight", torch.ones(4, 4, 3, 3)), r"lacks GE\.blocks\.4"),
        (put("GE.attns.1.fn.gamma", torch.ones(1)), r"unknown GE\.attns\.1\.fn\.gamma"),
        (put("SE.extra", torch.ones(1)), r"unknown SE\.extra"),
        (put("GE.extra", 3), r"GE\.extra is a int, not a tensor"),
        (put(f"{GE}to_noise1.weight", torch.ones(16)), r"to_noise1\.weight is \[16\]"),
        (put(f"{GE}conv1.weight", torch.ones(16, 31, 3, 3)), r"its sizes need \[16, 32, 3, 3\]"),
        (put(f"{GE}conv1.weight", torch.ones(9000, 1, 1, 1)), "which fits no generator"),
        (put(f"{GE}conv1.weight", torch.ones(0, 32, 3, 3)), "which fits no generator"),
        (put("SE.net.0.weight", torch.ones(24)), "which fits no generator"),
        (put(f"{GE}to_rgb.upsample.1.f", torch.tensor([1.0, 3, 1])), r"not the filter \[1, 2, 1\]"),
        (put(f"{GE}to_style1.bias", torch.full((32,), torch.nan)), "not finite"),
        (put(f"{GE}to_style1.bias", torch.ones(32, dtype=torch.int64)), "torch.int64"),
        (put("GE.blocks.0.to_rgb.conv.weight", torch.ones(5, 32, 1, 1)), "image_channels is 5"),
        (put(f"{GE}conv2.weight", torch.ones(1).expand(16, 16, 3, 3)), "in a storage of 1 values"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
):
    state: dict[str, Any] = lucidrains_state("plain")
    change(state)
    torch.save({"GAN": state, "version": "1.9.0"}, tmp_path / "model_1.pt")
    with pytest.raises(ModelError, match=message) as caught:
        read_foreign(tmp_path / "model_1.pt")
    assert "\n" not in str(caught.value)


def test_large_claims_take_no_memory(tmp_path: Path):
    state: dict[str, Any] = lucidrains_state("plain")
    for name in [n for n in state if n.startswith("SE.net") and n.endswith("weight")]:
        state[name] = torch.ones(1).expand(8000, 8000)
    torch.save({"GAN": state}, tmp_path / "model_1.pt")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="its sizes need"):
        read_foreign(tmp_path / "model_1.pt")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


class Runs:
    """Pickles as a call."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("place", ["beside", "inside", "as a weight"])
@pytest.mark.parametrize("today", [True, False])
def test_nothing_in_a_file_is_run(tmp_path: Path, place: str, today: bool):
    canary, state = tmp_path / "canary", dict[str, Any](lucidrains_state("plain"))
    bad = Runs(f"touch {canary}")
    key = {"inside": "D.x", "as a weight": "GE.initial_conv.bias"}.get(place)
    content: dict[str, Any] = {"GAN": state, "version": "1.9.0"}
    (content if key is None else state)["amp" if key is None else key] = bad
    torch.save(content, tmp_path / "model_1.pt", _use_new_zipfile_serialization=today)
    with pytest.raises(ModelError, match=r"asks for \w+\.system, which no weights need"):
        read_foreign(tmp_path / "model_1.pt")
    assert not canary.exists()


def test_changed_bytes_never_end_in_a_traceback(tmp_path: Path):
    path = lucidrains_file(tmp_path, lucidrains_state("free"))
    never_escapes(path, seed=3, changes=80)


@pytest.mark.parametrize("layout", layouts())
def test_no_other_program_gets_it(tmp_path: Path, layout: str):
    model = load(lucidrains_file(tmp_path, lucidrains_state("plain")))
    with pytest.raises(ModelError, match="lucidrains' network, not a StyleGAN2"):
        write_foreign(model, tmp_path / "out", layout)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "trilinear"}, "of kind 'trilinear'; this reage knows bilinear"),
        ({"kind": ["bilinear"]}, "of kind"),
        ({"constant": 1}, "constant 1; it must be true or false"),
        ({"attention": [12]}, "not a choice of its resolutions"),
        ({"attention": [16, 16]}, "not a choice of its resolutions"),
        ({"attention": 16}, "not whole numbers"),
        ({"attention": [True]}, "not whole numbers"),
        ({"depth": 1}, "has unknown depth"),
        ({"kind": None}, "of kind None"),
    ],
)
def test_a_folder_s_config_is_read_with_care(tmp_path: Path, change: dict[str, Any], message: str):
    model = load(lucidrains_file(tmp_path, lucidrains_state("deep")))
    folder = save_model(model.config, model.generator, tmp_path / "folder", card="#\n")
    data = json.loads((folder / "config.json").read_text())
    assert data["generator"]["kind"] == "bilinear"
    data["generator"].update(change)
    (folder / "config.json").write_text(json.dumps(data))
    with pytest.raises(ModelError, match=message):
        load_model(folder)


def test_a_stylegan2_folder_says_no_kind(tmp_path: Path, tiny: Any, tiny_config: ModelConfig):
    folder = save_model(tiny_config, tiny, tmp_path / "folder", card="#\n")
    assert "kind" not in json.loads((folder / "config.json").read_text())["generator"]
