"""Memory and time are bounded before they are spent, and what is pasted is a number."""

from __future__ import annotations

import json
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from made import face_at
from reage.compositing.change import Change
from reage.errors import FaceError, LatentError, ModelError
from reage.faces.face import check_points
from reage.inversion.numpy_files import read_npy, read_npz
from reage.models.checkpoints import load_config, load_model, seal
from reage.models.facts import Facts
from reage.models.files import load_tensors
from reage.models.loading import build_empty, load_strictly

pytestmark = pytest.mark.quick


def peak() -> int:
    """The most memory of this process so far, kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_config_cannot_ask_for_more_than_its_weights_hold(small_folder: Path, tmp_path: Path):
    for file in small_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    seal(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["generator"] |= {"z_dim": 8192, "w_dim": 8192, "mapping_layers": 64}  # 17 GB
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_config(tmp_path).generator.w_dim == 8192
    before = peak()
    with pytest.raises(ModelError, match="asks for more than its weights hold"):
        load_model(tmp_path)
    assert peak() - before < 300_000


def test_a_network_whose_weights_are_not_known_is_bounded_too():
    with pytest.raises(ModelError, match="sizes that no network can have"):
        build_empty(lambda: torch.nn.Linear(100_000, 100_000), source="x")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value: float):
    network = torch.nn.Linear(2, 2)
    tensors = {k: torch.full_like(v, value) for k, v in network.state_dict().items()}
    with pytest.raises(ModelError, match="not finite"):
        load_strictly(network, tensors, source="x")


def test_what_is_pasted_is_a_number():
    face = face_at(30, torch.zeros(1, 3, 32, 32))
    assert face.complete(Change(torch.zeros(1, 3, 32, 32)))
    with pytest.raises(ModelError, match="not finite"):
        face.complete(Change(torch.full((1, 3, 32, 32), float("nan"))))


def test_a_file_of_zeros_without_end_is_not_read(tmp_path: Path):
    file = tmp_path / "a.safetensors"
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 31], "data_offsets": [0, 8 << 30]}})
    with file.open("wb") as opened:
        opened.write(struct.pack("<Q", len(header)) + header.encode())
        opened.truncate(8 + len(header) + (8 << 30))
    before = peak()
    with pytest.raises(ModelError, match=r"8192 MB; files of up to"):
        load_tensors(file)
    assert peak() - before < 100_000


def test_numpy_s_own_files_come_back(tmp_path: Path):
    arrays = {
        "a": np.arange(6, dtype=">f4").reshape(2, 3), "b": np.asfortranarray(np.eye(3)[:2]),
        "c": np.float64(3), "d": np.arange(3, dtype=np.uint8), "e": np.zeros((0, 5), np.float16),
    }  # fmt: skip
    np.savez_compressed(tmp_path / "x.npz", **arrays, text=np.array(["left", "out"]))
    found = read_npz(tmp_path / "x.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.save(tmp_path / "x.npy", array)
        for read in (found[name], read_npy(tmp_path / "x.npy")):
            assert np.array_equal(read, array) and read.shape == np.shape(array)


@pytest.mark.parametrize("shape", ["(0xFFFF,)", "(9999999999,)", "(-1,)", "(1e9,)", "((1,),)", "("])
def test_a_numpy_header_is_a_pattern(tmp_path: Path, shape: str):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16)
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(LatentError, match=r"^[^\n]*not a NumPy file[^\n]*$"):
        read_npy(tmp_path / "x.npy")


@pytest.mark.parametrize("value", [None, True, "1", 10**400, [], 1e999, -1])
def test_facts_of_other_types_are_refused(value: object):
    text = json.dumps({"reach": value, "span": [5, value], "name": [value], "report": [value]})
    facts = Facts({"x": text}, "x", "FILE", "a file")
    for read in (
        lambda: facts.real("reach", 0, 10),
        lambda: facts.span("span"),
        lambda: facts.text("name"),
        lambda: facts.part("report"),
        lambda: facts.text("missing"),
    ):
        with pytest.raises(LatentError, match=r"^FILE: its [^\n]*$"):
            read()


def test_points_stay_near_the_photo():
    face = np.array([[-20, 0], [20, 0], [0, 20], [-15, 40], [15, 40]], float)
    for scale, middle in ((1, (100, 100)), (2, (0, 0)), (1, (-60, 90))):
        check_points(face * scale + middle, 200, 200)
    for scale, middle in ((50, (100, 100)), (1, (2000, 0)), (1, (0, -1e30))):
        with pytest.raises(FaceError, match="far outside the photo"):
            check_points(face * scale + middle, 200, 200)
