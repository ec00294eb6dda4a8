"""Who wears glasses, learnt without labels, and shares that are even over the ages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from tiny_training import write_faces

from reage.datasets.face_dataset import open_dataset
from reage.models.checkpoints import Alignment
from reage.training.agers.glasses import (
    edges_around_eyes,
    glasses_lines,
    learn_from_the_clearest,
    wear_glasses,
)
from reage.training.loop.data import BatchSource, bins_of, even_shares
from reage.training.loop.parallel import World


def face(seed: int, glasses: bool) -> np.ndarray:
    """A sketch of a crop's light, `[128, 128]`: eyes, brows, noise, perhaps rims."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (128, 128), 150)
    draw = ImageDraw.Draw(image)
    dx, dy = rng.integers(-2, 3, 2)
    for x in (42 + dx, 86 + dx):
        draw.ellipse([x - 8, 50 + dy, x + 8, 58 + dy], fill=60)
        draw.line([x - 11, 42 + dy, x + 11, 40 + dy], fill=int(rng.integers(60, 110)), width=3)
        if glasses:
            draw.ellipse([x - 15, 43 + dy, x + 15, 68 + dy], outline=int(rng.integers(20, 90)))
    if glasses:
        draw.line([57 + dx, 53 + dy, 71 + dx, 53 + dy], fill=50, width=2)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2))), np.float32)
    return soft + rng.normal(0, 4, soft.shape)


def test_glasses_are_learnt_from_the_clearest_cases():
    wears = np.arange(300) % 6 == 0
    faces = [face(i, bool(w)) for i, w in enumerate(wears)]
    lines = np.array([glasses_lines(f) for f in faces])
    assert lines[wears].mean() > lines[~wears].mean()
    found = learn_from_the_clearest(np.stack([edges_around_eyes(f) for f in faces]), lines)
    assert (found == wears).mean() > 0.97


def test_a_mirrored_face_has_the_same_edges():
    # The box around the eyes lies in the middle, as far from the left as from the right.
    one = face(3, True)
    assert np.allclose(edges_around_eyes(one), edges_around_eyes(one[:, ::-1]), atol=1e-4)
    assert not np.allclose(edges_around_eyes(one), edges_around_eyes(face(3, False)), atol=0.1)


def test_a_trait_gets_the_same_share_of_every_bin():
    bins = torch.tensor([0] * 10 + [1] * 100 + [2] * 20 + [3] * 5 + [4] * 100)
    trait = torch.zeros(235, dtype=torch.bool)
    # 1 of 10, 40 of 100, none, all, 1 of 100
    trait[[0, *range(10, 50), *range(130, 135), 200]] = True
    weights = even_shares(bins, trait, 0.2)
    for value, share in ((0, 0.2), (1, 0.2), (2, 0.0), (3, 1.0), (4, 0.04)):
        mine = bins == value
        assert torch.isclose(weights[mine].mean(), torch.tensor(1.0, dtype=torch.float64))
        found = weights[mine & trait].sum() / weights[mine].sum()
        assert torch.isclose(found, torch.tensor(share, dtype=torch.float64))


def test_a_dataset_is_looked_through_and_its_batches_are_even(tmp_path: Path):
    wears = np.arange(300) % 6 == 0
    faces = [face(i, bool(has))[..., None].repeat(3, 2) for i, has in enumerate(wears)]
    write_faces(tmp_path, faces, ["3-9"] * 150 + ["60-69"] * 150)
    dataset = open_dataset(tmp_path)
    found = wear_glasses(dataset, dataset.rows, Alignment(0.7, 0.22))
    assert (found == wears).mean() > 0.95
    # Fewer faces, or crops that end within the square, teach nothing.
    assert not wear_glasses(dataset, dataset.rows[:100], Alignment(0.7, 0.22)).any()
    assert not wear_glasses(dataset, dataset.rows, Alignment(0.5, 0.22)).any()
    often = even_shares(bins_of(dataset.rows), torch.from_numpy(wears), 0.1)
    source = BatchSource(dataset, dataset.rows, 8, World(), often=often)
    drawn = source.weights.diff(prepend=source.weights.new_zeros(1))
    for part in (slice(0, 150), slice(150, 300)):
        share = drawn[part][torch.from_numpy(wears[part])].sum() / drawn[part].sum()
        assert abs(float(share) - 0.1) < 1e-6
