"""The second age network: shapes, TensorFlow's padding and layouts, and that a wrong file fails."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from made import random
from reage.errors import ModelError
from reage.evaluation.second_age import load_second_age
from reage.networks.judges.xception_age import BLOCKS, XceptionAge, xception_state_dict

pytestmark = pytest.mark.quick


def stored(network: XceptionAge) -> dict[str, np.ndarray]:
    """A network's tensors as the file names and turns them."""
    names = {inner: outer for outer, inner in BLOCKS.items()}
    tensors = {}
    for name, tensor in network.state_dict().items():
        array = tensor.numpy()
        if name.startswith(("age.", "gender.")):
            head, kind = name.split(".")
            tensors[f"fc/{head}/{'weights' if kind == 'weight' else kind}"] = array.T
            continue
        block = next(inner for inner in names if name.startswith(f"{inner}."))
        rest = name.removeprefix(f"{block}.").replace("separable.", "separable_conv")
        *path, kind = rest.replace("expansion", "expansion_conv").split(".")
        part = path.pop() if path and path[-1] in ("depthwise", "pointwise") else ""
        if kind == "weight":
            kind = f"{part}_filter" if part else "filters"
            array = array.transpose((2, 3, 0, 1) if part == "depthwise" else (2, 3, 1, 0))
        tensors["/".join([names[block], *path, kind])] = array
    return tensors


def write(folder: Path, tensors: dict[str, np.ndarray]) -> Path:
    """Write tensors in TensorFlow.js's format, filters quantised to 8 bit."""
    entries, data = [], b""
    for name, array in tensors.items():
        entry = {"name": name, "shape": list(array.shape), "dtype": "float32"}
        if array.ndim > 1:
            low, high = float(array.min()), float(array.max())
            scale = (high - low) / 255 or 1.0
            entry["quantization"] = {"dtype": "uint8", "scale": scale, "min": low}
            data += np.rint((array - low) / scale).astype("u1").tobytes()
        else:
            data += np.ascontiguousarray(array, "<f4").tobytes()
        entries.append(entry)
    manifest = [{"weights": entries, "paths": ["age_gender_model.bin"]}]
    (folder / "age_gender_model-weights_manifest.json").write_text(json.dumps(manifest))
    file = folder / "age_gender_model.bin"
    file.write_bytes(data)
    return file


@pytest.fixture(scope="module")
def network() -> XceptionAge:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return XceptionAge().eval().requires_grad_(False)


def test_pictures_of_any_size_give_one_age_each(network: XceptionAge):
    pictures = random(2, 3, 150, 150).clamp(-1, 1)
    ages, male = network.read(pictures)
    assert ages.shape == male.shape == (2,)
    assert 0 < male.min() <= male.max() < 1
    assert torch.equal(network(pictures), ages)
    assert network.features(pictures).shape == (2, 512)
    alone = network(pictures[1:])
    torch.testing.assert_close(network(pictures)[1:], alone, atol=1e-4, rtol=1e-4)


def test_grey_of_the_mean_colour_is_zero_to_the_network(network: XceptionAge):
    mean = torch.tensor([122.782, 117.001, 104.298]) / 127.5 - 1
    picture = mean[None, :, None, None].expand(1, 3, 112, 112)
    seen = []
    hook = network.stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(picture)
    hook.remove()
    assert seen[0].abs().max() < 1e-5


def test_the_file_s_layout_round_trips(network: XceptionAge):
    tensors = {name: torch.from_numpy(array.copy()) for name, array in stored(network).items()}
    state = xception_state_dict(tensors)
    assert state.keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(state[name], tensor), name


def test_a_quantised_file_reads_nearly_the_same(network: XceptionAge, tmp_path: Path):
    found = load_second_age(write(tmp_path, stored(network)))
    for name, tensor in network.state_dict().items():
        step = (tensor.max() - tensor.min()) / 255
        assert (found.network.state_dict()[name] - tensor).abs().max() <= 0.51 * step, name
    assert len(found.sha256) == 64


def test_a_file_that_is_another_one_is_refused(network: XceptionAge, tmp_path: Path):
    with pytest.raises(ModelError, match="npm pack"):
        load_second_age(tmp_path / "absent.bin")
    tensors = stored(network)
    file = write(tmp_path, tensors)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ModelError, match="does not describe"):
        load_second_age(file)
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="does not describe"):
        load_second_age(file)
    file = write(tmp_path, {k: v for k, v in tensors.items() if k != "entry_flow/conv_in/bias"})
    with pytest.raises(ModelError, match=r"lacks stem\.bias"):
        load_second_age(file)
    file = write(tmp_path, tensors | {"fc/other": np.zeros(3)})
    with pytest.raises(ModelError, match="has unknown fc/other"):
        load_second_age(file)
    (tmp_path / "age_gender_model-weights_manifest.json").write_text("{]")
    with pytest.raises(ModelError, match="does not describe"):
        load_second_age(file)
