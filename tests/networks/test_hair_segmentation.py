"""The hair network gives what MediaPipe gives, at other sizes too, and survives an export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models import hair_segmentation
from reage.models.hair_segmentation import HairFinder, load_hair_network
from reage.networks.hair_segmentation import HAIR_INPUT, _places, _unpool

# What MediaPipe makes of pictures with these weights: see benchmarks/hair_network.py.
GOLDEN = Path(__file__).parent / "golden_hair_segmentation.npz"


def logits(picture: np.ndarray, step: int) -> np.ndarray:
    images = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    return load_hair_network().logits(images)[0].permute(1, 2, 0)[::step, ::step].numpy()


def test_noise_gives_mediapipes_own_logits():
    """Noise has no equal neighbours, so no rounding decides which of them is the largest."""
    noise = np.random.default_rng(0).integers(0, 256, (HAIR_INPUT, HAIR_INPUT, 3), np.uint8)
    expected = np.load(GOLDEN)["noise"]
    assert np.ptp(expected) > 3
    assert np.abs(logits(noise, 16) - expected).max() < 1e-4


def test_a_portrait_gives_mediapipes_own_mask():
    data = pytest.importorskip("skimage.data")
    expected = np.load(GOLDEN)["astronaut"]
    found = logits(np.ascontiguousarray(data.astronaut()), 8)
    away = np.abs(found - expected)
    assert away.mean() < 0.003  # flat places, where rounding decides
    hair = expected[..., 1] > expected[..., 0]
    assert 0.02 < hair.mean() < 0.06
    assert ((found[..., 1] > found[..., 0]) == hair).all()


def test_unpooling_puts_values_back_where_the_largest_were():
    x = torch.randint(0, 4, (2, 3, 8, 6), generator=torch.Generator().manual_seed(0)).float()
    pooled, indices = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
    expected = torch.nn.functional.max_unpool2d(pooled, indices, 2)
    assert torch.equal(_unpool(pooled, _places(x)), expected)


def test_it_takes_other_sizes_and_batches():
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    network = load_hair_network()
    both = network(images)
    assert both.shape == (2, 1, 64, 96)
    assert torch.allclose(both[1:], network(images[1:]), atol=1e-5)
    with pytest.raises(AssertionError):
        network(torch.zeros(1, 3, 65, 64))


def test_as_a_graph_it_gives_the_same(tmp_path: Path):
    onnxruntime = pytest.importorskip("onnxruntime")
    network = load_hair_network()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    file = tmp_path / "hair.onnx"
    axes = {"images": {0: "batch"}}
    torch.onnx.export(
        network, (images[:1],), str(file), input_names=["images"], dynamic_axes=axes, dynamo=False
    )
    (found,) = onnxruntime.InferenceSession(str(file)).run(None, {"images": images.numpy()})
    assert torch.allclose(torch.from_numpy(found), network(images), atol=1e-4)


def test_the_finder_is_the_network_on_bytes():
    rgb = np.random.default_rng(1).integers(0, 256, (64, 32, 3), np.uint8)
    rgb.flags.writeable = False
    images: Tensor = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None] / 255
    expected = load_hair_network()(images)[0, 0].numpy()
    found = HairFinder()(rgb)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-6)


def test_a_damaged_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    load_hair_network.cache_clear()
    for content in (None, b"not a file of weights"):
        file = tmp_path / "hair.safetensors"
        if content:
            file.write_bytes(content)
        monkeypatch.setattr(hair_segmentation, "FILE", file)
        with pytest.raises(ModelError, match="reinstall reage"):
            load_hair_network()
    load_hair_network.cache_clear()
