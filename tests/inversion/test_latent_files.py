"""Latent codes in files: every shape and format of the field, and nothing in them is run."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from made import random
from reage.errors import LatentError
from reage.inversion.latent_files import Latents, read_latents, write_latents
from reage.models.files import save_tensors

pytestmark = pytest.mark.quick

CODE = random(18, 512).numpy()
SHAPES = [(512,), (1, 512), (18, 512), (1, 18, 512), (4, 18, 512), (1, 1, 512), (2, 1, 512)]


def saved_zip(path: Path, value: Any) -> None:
    torch.save(value, path)


def saved_legacy(path: Path, value: Any) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


WRITERS: dict[str, Callable[[Path, np.ndarray], Any]] = {
    "own.safetensors": lambda path, a: save_tensors(path, {"ws": torch.from_numpy(a)}),
    "plain.npy": np.save,
    "fortran.npy": lambda path, a: np.save(path, np.asfortranarray(a)),
    "nvidia.npz": lambda path, a: np.savez(path, w=a),
    "packed.npz": lambda path, a: np.savez_compressed(path, a),
    "zip.pt": lambda path, a: saved_zip(path, torch.from_numpy(a)),
    "legacy.pt": lambda path, a: saved_legacy(path, torch.from_numpy(a)),
    "parameter.pth": lambda path, a: saved_legacy(path, torch.nn.Parameter(torch.from_numpy(a))),
    "rosinality.pt": lambda path, a: saved_zip(
        path,
        {"a.png": {"img": torch.ones(1, 3, 8, 8), "latent": torch.from_numpy(a), "noise": []}},
    ),
    "old-rosinality.pt": lambda path, a: saved_legacy(
        path, {"a.png": {"img": torch.ones(1, 3, 8, 8), "latent": torch.from_numpy(a)}}
    ),
    "styleganex.pt": lambda path, a: saved_zip(
        path, {"wplus": torch.from_numpy(a), "f": [torch.ones(1, 512, 4, 4)]}
    ),
    "faceapp.pd": lambda path, a: path.write_bytes(pickle.dumps({"latent_code": a})),
    "torch-in.pd": lambda path, a: path.write_bytes(
        pickle.dumps({"latent_code": torch.from_numpy(a)})
    ),
    "restyle.npy": lambda path, a: np.save(path, {"a.jpg": [a * 0, a * 2, a]}, allow_pickle=True),
}


def code_of(shape: tuple[int, ...]) -> np.ndarray:
    return random(*shape, seed=len(shape)).numpy()


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_in_every_format(tmp_path: Path, name: str, shape: tuple[int, ...]):
    array = code_of(shape)
    WRITERS[name](tmp_path / name, array)
    wanted = array.reshape(shape[0] if len(shape) == 3 else 1, -1, 512)
    ws = read_latents(tmp_path / name, 18).ws
    assert ws.dtype == torch.float32
    assert np.array_equal(ws.numpy(), np.broadcast_to(wanted, (len(wanted), 18, 512)))
    ws += 1  # each level is its own memory


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("wrap", [lambda a: {"latent_code": a}, lambda a: a, lambda a: [a]])
def test_pickle_protocols(tmp_path: Path, protocol: int, wrap: Callable[[np.ndarray], Any]):
    file = tmp_path / "code.pd"
    file.write_bytes(pickle.dumps(wrap(CODE), protocol))
    assert np.array_equal(read_latents(file, 18).ws[0].numpy(), CODE)


def test_pickle_protocol_5(tmp_path: Path):
    file = tmp_path / "code.pd"
    for array in (CODE, np.asfortranarray(CODE)):
        file.write_bytes(pickle.dumps({"latent_code": array}, 5))
        assert np.array_equal(read_latents(file, 18).ws[0].numpy(), CODE)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("suffix", ["npy", "npz", "pd"])
def test_number_types(tmp_path: Path, dtype: str, suffix: str):
    array, file = CODE.astype(dtype), tmp_path / f"code.{suffix}"
    if suffix == "pd":
        file.write_bytes(pickle.dumps({"latent_code": array}, 2))
    else:
        (np.save if suffix == "npy" else np.savez)(file, array)
    assert np.abs(read_latents(file, 18).ws[0].numpy() - CODE).max() < 2e-3


@pytest.mark.parametrize("levels", [14, 16])
def test_generators_of_other_sizes(tmp_path: Path, levels: int):
    array = CODE[:levels]
    for name, write in WRITERS.items():
        write(tmp_path / name, array)
        assert read_latents(tmp_path / name, levels).ws.shape == (1, levels, 512)
        with pytest.raises(
            LatentError, match=rf"^[^\n]*holds \[{levels}, 512\]; this [^\n]*18"
        ) as e:
            read_latents(tmp_path / name, 18)
        assert name in str(e.value)


@pytest.mark.parametrize("shape", [(), (18,), (17, 512), (18, 256), (2, 2, 18, 512), (0, 18, 512)])
def test_other_shapes_are_refused_in_one_line(tmp_path: Path, shape: tuple[int, ...]):
    np.save(tmp_path / "code.npy", np.zeros(shape, np.float32))
    with pytest.raises(LatentError, match=r"^[^\n]*code\.npy holds [^\n]*$"):
        read_latents(tmp_path / "code.npy", 18)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, bad: float):
    array = CODE.copy()
    array[3, 3] = bad
    np.save(tmp_path / "code.npy", array)
    with pytest.raises(LatentError, match="not finite"):
        read_latents(tmp_path / "code.npy", 18)


def test_own_files_keep_code_generator_and_provenance(tmp_path: Path):
    latents = Latents(torch.from_numpy(CODE)[None], {"photo": "a.jpg", "psnr": [20.5]}, "f" * 64)
    read = read_latents(write_latents(tmp_path / "a.latents.safetensors", latents), 18)
    assert torch.equal(read.ws, latents.ws)
    assert (read.provenance, read.generator_hash) == (latents.provenance, "f" * 64)
    bare = read_latents(write_latents(tmp_path / "a.npy", latents), 18)
    assert torch.equal(bare.ws, latents.ws)
    assert bare.generator_hash is None


def damaged() -> dict[str, bytes]:
    whole = io.BytesIO()
    np.save(whole, CODE)
    npz = io.BytesIO()
    np.savez(npz, w=CODE)
    torn_zip = io.BytesIO()
    with zipfile.ZipFile(torn_zip, "w") as archive:
        archive.writestr("w.npy", whole.getvalue()[:1000])
    flipped = bytearray(npz.getvalue())
    flipped[5000] ^= 0xFF
    torch_file = io.BytesIO()
    torch.save(torch.from_numpy(CODE), torch_file)
    header = whole.getvalue().replace(b"(18, 512), }".ljust(22), b"(99999999, 9999999), }")
    return {
        "empty.npy": b"",
        "empty.pt": b"",
        "empty.pd": b"",
        "empty.npz": b"",
        "empty.safetensors": b"",
        "text.npy": b"hello, this is no array",
        "text.pt": b"hello, this is no tensor",
        "text.pd": b"hello",
        "cut.npy": whole.getvalue()[:2000],
        "header.npy": whole.getvalue()[:30],
        "huge.npy": header,
        "cut.npz": npz.getvalue()[:2000],
        "stub.npz": b"PK\x03\x04junk",
        "torn.npz": torn_zip.getvalue(),
        "flipped.npz": bytes(flipped),
        "cut.pt": torch_file.getvalue()[:3000],
        "names.pd": pickle.dumps({"img": CODE, "other": CODE}),
        "text-in.pd": pickle.dumps({"latent_code": "hello"}),
        "nothing.pd": pickle.dumps({}),
        "number.pd": pickle.dumps(3.5),
        "strings.pd": pickle.dumps({"latent_code": np.array(["a", "b"])}),
    }


@pytest.mark.parametrize("name", damaged())
def test_damaged_files_are_one_line(tmp_path: Path, name: str):
    file = tmp_path / name
    file.write_bytes(damaged()[name])
    with pytest.raises(LatentError) as caught:
        read_latents(file, 18)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_an_own_file_with_broken_metadata_is_one_line(tmp_path: Path):
    file = tmp_path / "code.safetensors"
    for text in ("{", "[1]", "3"):
        save_tensors(file, {"ws": torch.from_numpy(CODE)[None]}, {"latents": text})
        with pytest.raises(LatentError, match=r"^[^\n]*code\.safetensors[^\n]*$"):
            read_latents(file, 18)
    save_tensors(file, {"vector": torch.from_numpy(CODE)})
    with pytest.raises(LatentError, match="holds vector and no ws"):
        read_latents(file, 18)


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(LatentError, match="does not exist"):
        read_latents(tmp_path / "code.pt", 18)


class Call:
    def __init__(self, function: Any, *args: Any):
        self.result = (function, args)

    def __reduce__(self) -> Any:
        return self.result


@pytest.mark.parametrize("suffix", ["pd", "pt", "pth", "pdparams", "npy", "npz"])
@pytest.mark.parametrize("kind", ["system", "eval", "inside", "array"])
def test_hostile_pickles_are_not_run(tmp_path: Path, suffix: str, kind: str):
    canary, file = tmp_path / "canary", tmp_path / f"code.{suffix}"
    bomb = {
        "system": Call(os.system, f"touch {canary}"),
        "eval": Call(eval, f"open({str(canary)!r}, 'w')"),
        "inside": {"latent_code": Call(os.system, f"touch {canary}")},
        "array": {"latent_code": [CODE, Call(os.system, f"touch {canary}")]},
    }[kind]
    if suffix in ("pd", "pdparams"):
        file.write_bytes(pickle.dumps(bomb, 2))
    elif suffix in ("npy", "npz"):
        value = np.array([bomb], dtype=object)
        (np.save if suffix == "npy" else np.savez)(file, value, allow_pickle=True)
    else:
        torch.save(bomb, file, _use_new_zipfile_serialization=suffix == "pt")
    with pytest.raises(LatentError, match=r"^[^\n]*$"):
        read_latents(file, 18)
    assert not canary.exists()


def test_packed_files_that_unpack_to_too_much_are_refused(tmp_path: Path):
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("w.npy", "w", force_zip64=True) as entry,
    ):
        for _ in range(420):
            entry.write(bytes(1_000_000))
    with pytest.raises(LatentError, match="unpacks to 420000000 bytes"):
        read_latents(path, 18)


def test_a_list_of_codes_shows_everybody(tmp_path: Path):
    """Only the last of several people came out."""
    codes = [torch.full((18, 512), float(i)) for i in range(3)]
    torch.save(codes, tmp_path / "a.pt")
    found = read_latents(tmp_path / "a.pt", 18)
    assert found.ws[:, 0, 0].tolist() == [0.0, 1.0, 2.0]
    assert read_latents(tmp_path / "a.pt", 18, choice="1").ws[:, 0, 0].tolist() == [1.0]
    torch.save([torch.ones(1, 18, 512), torch.zeros(2, 1, 512), torch.ones(512)], tmp_path / "b.pt")
    assert len(read_latents(tmp_path / "b.pt", 18).ws) == 4
    torch.save([codes[0], torch.ones(7)], tmp_path / "c.pt")
    with pytest.raises(LatentError, match="another size"):
        read_latents(tmp_path / "c.pt", 18)
    torch.save([torch.ones(1, 1, 512)] * 100_000, tmp_path / "d.pt")
    with pytest.raises(LatentError, match=r"too many|larger than the file"):
        read_latents(tmp_path / "d.pt", 18)


@pytest.mark.parametrize("choice", ["", "a.jpg"])
def test_of_the_steps_of_an_encoder_the_last_is_used_and_said(tmp_path: Path, choice: str):
    steps = [np.full((18, 512), float(i), np.float32) for i in range(5)]
    np.save(tmp_path / "latents.npy", {"a.jpg": steps}, allow_pickle=True)  # type: ignore[arg-type]
    found = read_latents(tmp_path / "latents.npy", 18, choice=choice)
    assert (found.ws.max(), found.provenance["steps_of_encoder"]) == (4.0, 5)
