"""FRAN's U-Nets: what the re-implementations' own code makes of seeded weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reage.networks.fran import FRAN_CHANNELS, FranConfig, FranNormed, FranPlain, fran_input
from seeded import seeded, seeded_picture

GOLDEN = Path(__file__).with_name("golden_fran.npz")  # widths of 4 to 64
KINDS = {"plain": FranPlain, "normed": FranNormed}
COUNTER = ".num_batches_tracked"  # plays no part in the result
NARROW = FranConfig((4, 8, 16, 32, 64))


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN))


def seeded_network(kind: str, shapes: dict[str, list[int]]) -> FranPlain | FranNormed:
    network = KINDS[kind](NARROW)
    filters = {k: v for k, v in network.state_dict().items() if k.endswith(".filt")}
    gain = {4: 1.5}  # otherwise little is left of the picture after so many layers
    named = {
        name: torch.from_numpy(np.asarray(seeded(name, shape))) * gain.get(len(shape), 1)
        for name, shape in shapes.items()
        if not name.endswith(COUNTER)
    }
    network.load_state_dict(named | filters)
    return network.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_changes_are_those_of_the_other_code(kind: str, golden: dict[str, np.ndarray]):
    network = seeded_network(kind, json.loads(golden[f"{kind}/shapes"].tobytes()))
    pictures = torch.from_numpy(seeded_picture("fran", 64, 2))
    seen = pictures if network.signed else (pictures + 1) / 2
    ages = torch.tensor([31.0, 62.0]), torch.tensor([74.5, 20.0])
    with torch.no_grad():
        found = network(fran_input(seen, *ages)).numpy()
    expected = golden[f"{kind}/changes"]
    assert expected.std(axis=(2, 3)).min() > 0.02
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_the_full_network_has_the_published_names_and_shapes(
    kind: str, golden: dict[str, np.ndarray]
):
    with torch.device("meta"):
        state = KINDS[kind]().state_dict()
    known = json.loads(golden[f"{kind}/full"].tobytes())
    known = {name: shape for name, shape in known.items() if not name.endswith(COUNTER)}
    assert {name: list(tensor.shape) for name, tensor in state.items()} == known


def test_both_ages_are_maps():
    found = fran_input(torch.zeros(2, 3, 4, 8), torch.tensor([20.0, 30.0]), torch.tensor([70.0, 5]))
    assert found.shape == (2, FRAN_CHANNELS, 4, 8)
    assert found[:, 3].flatten(1).unique(dim=1).flatten().tolist() == pytest.approx([0.2, 0.3])
    assert found[:, 4].flatten(1).unique(dim=1).flatten().tolist() == pytest.approx([0.7, 0.05])
