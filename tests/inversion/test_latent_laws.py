"""Laws of files of latent codes, for any codes: what is written is read again, in each format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reage.inversion.latent_files import Latents, Picture, read_latents, split_choice, write_latents

pytestmark = pytest.mark.quick

NUM_WS, W_DIM = 4, 6
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=20)


def codes(most: int = 3) -> st.SearchStrategy[torch.Tensor]:
    values = st.floats(width=32, allow_nan=False, allow_infinity=False)
    shapes = st.tuples(st.integers(1, most), st.just(NUM_WS), st.just(W_DIM))
    return arrays(np.float32, shapes, elements=values).map(torch.from_numpy)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("codes")


@given(ws=codes(), suffix=st.sampled_from([".safetensors", ".npy", ".npz"]))
def test_codes_are_read_as_they_were_written(folder: Path, ws: torch.Tensor, suffix: str):
    file = write_latents(folder / f"a{suffix}", Latents(ws))
    assert torch.equal(read_latents(file, NUM_WS, W_DIM).ws, ws)
    for i in range(len(ws)):
        (one,) = read_latents(file, NUM_WS, W_DIM, choice=str(i)).ws
        assert torch.equal(one, ws[i])


@given(ws=codes(most=1), name=NAMES)
def test_rosinality_s_file_keeps_a_code_under_any_name(folder: Path, ws: torch.Tensor, name: str):
    picture = Picture(name, torch.zeros(1, 3, 4, 4), [torch.zeros(1, 1, 4, 4)])
    file = write_latents(folder / "a.pt", Latents(ws), picture)
    for choice in ("", name):
        assert torch.equal(read_latents(file, NUM_WS, W_DIM, choice=choice).ws, ws)


@given(
    ws=codes(),
    provenance=st.dictionaries(st.text(), st.text() | st.integers() | st.booleans(), max_size=4),
    generator_hash=st.none() | st.text(max_size=70),
)
def test_our_own_file_keeps_where_codes_come_from(
    folder: Path, ws: torch.Tensor, provenance: dict[str, object], generator_hash: str | None
):
    file = write_latents(folder / "b.safetensors", Latents(ws, provenance, generator_hash))
    found = read_latents(file, NUM_WS, W_DIM)
    assert (found.provenance, found.generator_hash) == (provenance, generator_hash)


@given(ws=codes(most=1))
def test_a_code_of_one_level_holds_for_all(folder: Path, ws: torch.Tensor):
    np.save(folder / "w.npy", ws[0, 0].numpy())
    found = read_latents(folder / "w.npy", NUM_WS, W_DIM)
    assert torch.equal(found.ws, ws[:, :1].expand(1, NUM_WS, -1))
    assert found.space == "W"


@given(name=NAMES.filter(lambda name: ":" not in name and name not in (".", "..")), choice=NAMES)
def test_a_choice_follows_the_file_s_name(folder: Path, name: str, choice: str):
    assert split_choice(folder / f"{name}.npy:{choice}") == (folder / f"{name}.npy", choice)
    assert split_choice(folder / f"{name}.npy") == (folder / f"{name}.npy", "")
