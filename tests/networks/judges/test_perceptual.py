"""Distances between pictures: zero for the same, blind to what is masked, blind to the batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from made import random
from reage.errors import ModelError
from reage.images import to_tensor
from reage.models import pretrained
from reage.models.pretrained import load_efficientnet, load_perceptual
from reage.networks.judges.efficientnet import TAP_CHANNELS
from reage.networks.judges.likeness import FeatureLikeness
from reage.networks.judges.perceptual import EfficientNetDistance, VGGDistance, masked_mse

Distance = Callable[[Tensor, Tensor, Tensor], Tensor]
Weights = dict[str, Tensor]
VGG_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # of torchvision's `features`


def published_vgg(scale: float = 0.05) -> tuple[Weights, Weights]:
    """Random weights under the names of torchvision's VGG16 and of the lpips package."""
    shapes = [(64, 3), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256), (256, 256)]
    shapes += [(512, 256), *[(512, 512)] * 5]
    vgg = {"classifier.0.weight": torch.zeros(1)}
    for i, (out, inputs) in zip(VGG_INDICES, shapes, strict=True):
        vgg[f"features.{i}.weight"] = random(out, inputs, 3, 3, seed=i) * scale
        vgg[f"features.{i}.bias"] = torch.zeros(out)
    widths = (64, 128, 256, 512, 512)
    linear = {
        f"lin{i}.model.1.weight": random(1, c, 1, 1, seed=i).abs() for i, c in enumerate(widths)
    }
    return vgg, linear


@pytest.fixture(scope="module")
def vgg() -> VGGDistance:
    network = VGGDistance()
    network.load_published(*published_vgg())
    return network.eval().requires_grad_(False)


@pytest.fixture(params=["efficientnet", "vgg", "mse"])
def measure(request: pytest.FixtureRequest, vgg: VGGDistance) -> Distance:
    if request.param == "mse":
        return masked_mse
    return vgg if request.param == "vgg" else EfficientNetDistance(load_efficientnet())


@pytest.fixture
def pictures() -> tuple[Tensor, Tensor, Tensor]:
    """Two batches of pictures and a mask with a hole."""
    mask = torch.ones(3, 1, 32, 32)
    mask[:, :, :9, 5:20] = 0
    mask[1, :, 20:] = 0.5
    return random(3, 3, 32, 32), random(3, 3, 32, 32, seed=1), mask


def test_zero_for_the_same_and_more_for_more(measure: Distance, pictures):
    images, targets, mask = pictures
    assert torch.equal(measure(images, images.clone(), mask), torch.zeros(3))
    near, far = images.lerp(targets, 0.1), images.lerp(targets, 0.6)
    assert (measure(near, images, mask) > 0).all()
    assert (measure(far, images, mask) > measure(near, images, mask)).all()


def test_symmetric_under_a_mask(measure: Distance, pictures):
    images, targets, mask = pictures
    one, other = measure(images, targets, mask), measure(targets, images, mask)
    assert torch.allclose(one, other, rtol=1e-4)


def test_what_is_masked_has_no_influence_at_all(measure: Distance, pictures):
    images, targets, mask = pictures
    garbage = random(3, 3, 32, 32, seed=2) * 50
    changed_images = torch.where(mask == 0, garbage, images)
    changed_targets = torch.where(mask == 0, garbage.flip(2), targets)
    before = measure(images, targets, mask)
    assert torch.equal(before, measure(changed_images, targets, mask))
    assert torch.equal(before, measure(images, changed_targets, mask.clone()))
    visible = images.clone()
    visible[:, :, 12, 12] += 1
    assert not torch.equal(before, measure(visible, targets, mask))


def test_a_face_counts_the_same_in_any_batch(measure: Distance, pictures):
    images, targets, mask = pictures
    batch = measure(images, targets, mask)
    alone = [measure(*(part[i : i + 1] for part in pictures)) for i in range(3)]
    assert torch.allclose(batch, torch.cat(alone), rtol=1e-4)


def test_masked_mse_is_the_mean_over_what_is_valid():
    images, targets = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    targets[:, :, 0] = 3
    mask = torch.ones(1, 1, 4, 4)
    assert masked_mse(images, targets, mask).item() == pytest.approx((9 * 4 + 12) / 16)
    mask[:, :, 0] = 0
    assert masked_mse(images, targets, mask).item() == pytest.approx(1)
    assert masked_mse(images, targets, mask * 0).item() == 0  # nothing valid: nothing to compare


def test_targets_are_described_once(monkeypatch: pytest.MonkeyPatch, pictures):
    images, targets, mask = pictures
    measure = EfficientNetDistance(load_efficientnet())
    calls = []
    plain = measure.features
    monkeypatch.setattr(measure, "features", lambda x: calls.append(1) or plain(x))
    first = measure(images, targets, mask)
    assert torch.equal(first, measure(images, targets, mask))
    assert len(calls) == 3
    assert not torch.equal(first, measure(images, images.flip(0), mask))  # others are not mistaken


def test_gradients_only_where_it_is_valid(measure: Distance, pictures):
    images, targets, mask = pictures
    moving = images.clone().requires_grad_()
    measure(moving, targets, mask).sum().backward()
    assert moving.grad is not None
    assert (moving.grad[(mask == 0).expand(-1, 3, -1, -1)] == 0).all()
    assert (moving.grad[(mask > 0).expand(-1, 3, -1, -1)] != 0).float().mean() > 0.9


@pytest.mark.parametrize("size", [32, 50, 128])
def test_efficientnet_features_are_at_powers_of_two(size: int):
    sizes = [-(-size // step) for step in (4, 8, 16, 32)]
    found = load_efficientnet()(torch.zeros(1, 3, size, size))
    assert [tuple(f.shape[1:]) for f in found] == [
        (c, s, s) for c, s in zip(TAP_CHANNELS, sizes, strict=True)
    ]


def test_efficientnet_features_are_those_of_its_package(astronaut: np.ndarray):
    """Mean and spread of each channel, from the float32 weights before they were stored."""
    found = load_efficientnet()(to_tensor(astronaut))
    with np.load(Path(__file__).parent / "golden_carried.npz") as golden:
        for i, features in enumerate(found):
            wanted = torch.from_numpy(golden[f"features{i}"])
            shown = torch.stack([features.mean((2, 3))[0], features.std((2, 3))[0]])
            assert (shown - wanted).norm() < 1e-3 * wanted.norm(), i


def test_likeness_is_one_for_the_same_and_less_for_others(astronaut: np.ndarray):
    face = to_tensor(astronaut)[:, :, 50:178, 60:188]
    measure = FeatureLikeness(load_efficientnet(), torch.zeros(1, 3, 128, 128))
    described = measure.describe(face)
    assert measure(described, described).item() == pytest.approx(1, abs=1e-5)
    others = torch.cat([face, face.flip(3), -face, random(1, 3, 128, 128)])
    values = measure(measure.describe(others), described)
    assert values.shape == (4,)
    assert values[0] == pytest.approx(1, abs=1e-4)
    assert (values[1:] < 0.9).all()
    blurred = torch.nn.functional.avg_pool2d(face, 5, 1, 2)
    assert values[3] < measure(measure.describe(blurred), described)[0] < 1


def test_vgg_is_lpips_written_out(vgg: VGGDistance):
    images, targets = random(1, 3, 16, 16), random(1, 3, 16, 16, seed=1)
    weights, linear = published_vgg()
    x = torch.cat([images, targets])
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    x = (x - shift[:, None, None]) / scale[:, None, None]
    total, layer, pools = torch.zeros(1), 0, {2: 0, 4: 1, 7: 2, 10: 3, 13: 4}
    for count, i in enumerate(VGG_INDICES, 1):
        x = torch.relu(torch.conv2d(x, weights[f"features.{i}.weight"], padding=1))
        if count in pools:
            unit = x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
            squared = (unit[:1] - unit[1:]).square()
            total += (squared * linear[f"lin{layer}.model.1.weight"]).sum(1).mean((1, 2))
            layer += 1
            x = torch.max_pool2d(x, 2) if layer < 5 else x
    found = vgg(images, targets, torch.ones(1, 1, 16, 16))
    assert torch.allclose(found, total, rtol=1e-4)


@pytest.mark.parametrize("kind", ["missing", "shape", "extra", "no linear", "empty"])
def test_wrong_vgg_weights_are_refused(kind: str):
    weights, linear = published_vgg()
    if kind == "missing":
        del weights["features.28.weight"]
    elif kind == "shape":
        weights["features.0.weight"] = torch.zeros(64, 1, 3, 3)
    elif kind == "extra":
        weights["features.30.weight"] = torch.zeros(1)
    elif kind == "no linear":
        del linear["lin4.model.1.weight"]
    else:
        weights = {}
    with pytest.raises((KeyError, RuntimeError)):
        VGGDistance().load_published(weights, linear)


def test_without_weights_of_lpips_the_carried_network_is_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pretrained, "_lpips_linear_file", lambda: None)
    assert load_perceptual().name == "efficientnet-lite0"
    with pytest.raises(ModelError, match=r"^[^\n]*linear weights of LPIPS are missing[^\n]*pip"):
        load_perceptual(Path("vgg16.pth"))


def test_given_weights_make_lpips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    weights, linear = published_vgg()
    torch.save(linear, tmp_path / "vgg.pth")
    torch.save(weights, tmp_path / "vgg16.pth")
    monkeypatch.setattr(pretrained, "_lpips_linear_file", lambda: tmp_path / "vgg.pth")
    assert load_perceptual(tmp_path / "vgg16.pth").name == "lpips-vgg"
    torch.save(linear, tmp_path / "other.pth")  # of another network
    for file in (tmp_path / "other.pth", tmp_path / "absent.pth"):
        with pytest.raises(ModelError, match=r"^[^\n]*is not torchvision's VGG16[^\n]*$"):
            load_perceptual(file)


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"",
        [1, 2],
    ],
)
def test_files_that_hold_no_weights_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | list[int]
):
    torch.save(published_vgg()[1], tmp_path / "vgg.pth")
    monkeypatch.setattr(pretrained, "_lpips_linear_file", lambda: tmp_path / "vgg.pth")
    file = tmp_path / "given.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(ModelError, match=r"^[^\n]*is not torchvision's VGG16[^\n]*$"):
        load_perceptual(file)
