"""FRAN's U-Nets: what the re-implementations' own code makes of seeded weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from made_fran import KNOWN_CHANGE, NARROW, known_fran, seeded_fran
from reage.networks.agers.fran import FRAN_CHANNELS, FranNormed, FranPlain, fran_input
from seeded import seeded_picture

pytestmark = pytest.mark.quick

GOLDEN = Path(__file__).with_name("golden_fran.npz")  # widths of 4 to 64
KINDS = {"plain": FranPlain, "normed": FranNormed}
COUNTER = ".num_batches_tracked"  # plays no part in the result


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN))


@pytest.mark.parametrize("kind", KINDS)
def test_changes_are_those_of_the_other_code(kind: str, golden: dict[str, np.ndarray]):
    network = seeded_fran(KINDS[kind](NARROW))
    pictures = torch.from_numpy(seeded_picture("fran", 64, 2))
    seen = pictures if network.signed else (pictures + 1) / 2
    ages = torch.tensor([31.0, 62.0]), torch.tensor([74.5, 20.0])
    with torch.no_grad():
        found = network(fran_input(seen, *ages)).numpy()
    expected = golden[f"{kind}/changes"]
    assert expected.std(axis=(2, 3)).min() > 0.015  # it sees the picture
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", ["shapes", "full"])
def test_names_and_shapes_are_those_of_the_other_code(
    kind: str, size: str, golden: dict[str, np.ndarray]
):
    with torch.device("meta"):
        network = KINDS[kind](NARROW) if size == "shapes" else KINDS[kind]()
    known = json.loads(golden[f"{kind}/{size}"].tobytes())
    known = {name: shape for name, shape in known.items() if not name.endswith(COUNTER)}
    assert {name: list(t.shape) for name, t in network.state_dict().items()} == known


def test_both_ages_are_maps():
    found = fran_input(torch.zeros(2, 3, 4, 8), torch.tensor([20.0, 30.0]), torch.tensor([70.0, 5]))
    assert found.shape == (2, FRAN_CHANNELS, 4, 8)
    for channel, ages in ((3, [0.2, 0.3]), (4, [0.7, 0.05])):
        assert found[:, channel].flatten(1).std(1).max() == 0
        assert found[:, channel, 0, 0].tolist() == pytest.approx(ages)


def test_the_made_network_changes_by_what_it_says():
    pictures = torch.from_numpy(seeded_picture("any", 32))
    seen = fran_input(pictures, torch.tensor([20.0]), torch.tensor([70.0]))
    found = known_fran()(seen)[0].flatten(1)
    expected = torch.tensor(KNOWN_CHANGE)[:, None] / 2
    assert torch.allclose(found, expected.expand_as(found), atol=1e-6)
