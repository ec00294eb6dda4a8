"""Files made to harm: each is a ModelError, in little time and memory, and nothing is run."""

from __future__ import annotations

import io
import os
import pickle
import resource
import struct
import time
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from damage import never_escapes
from stub_networks import ATTRIBUTES, install_persistence, network, with_filters

from reage.errors import ModelError
from reage.models.families.mmgen import write as write_mmgen
from reage.models.families.nvidia import write as write_nvidia
from reage.models.families.paddlegan import write as write_paddlegan
from reage.models.families.table import read_foreign
from reage.networks.stylegan2.generator import Generator

pytestmark = pytest.mark.quick


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *args: Any, state: Any = None):
        self.result = (function, args, state) if state is not None else (function, args)

    def __call__(self) -> None:
        """The pickler wants functions to be callable."""

    def __reduce__(self) -> Any:
        return self.result


def harmful(canary: str) -> dict[str, object]:
    code = f"open({canary!r}, 'w')"
    touch = f"touch {canary}"
    import_os = Calls(__import__, "os")
    inner = io.BytesIO()
    torch.save(Calls(os.system, touch), inner, _use_new_zipfile_serialization=False)
    return {
        "os.system": Calls(os.system, touch),
        "eval": Calls(eval, code),
        "exec": Calls(exec, code),
        "getattr chain": Calls(Calls(getattr, import_os, "system"), touch),
        "as a key": {Calls(os.system, touch): 1},
        "as state": Calls(OrderedDict, state={"x": Calls(os.system, touch)}),
        "inside a storage": Calls(torch.storage._load_from_bytes, inner.getvalue()),  # type: ignore[attr-defined]
        "as a storage": Calls(
            torch._utils._rebuild_tensor_v2, Calls(eval, code), 0, (1,), (1,), False, OrderedDict()
        ),
        "as a parameter": Calls(torch._utils._rebuild_parameter, Calls(eval, code), True, {}),
        "torch.load": Calls(torch.load, canary),
        "constructor": Calls(Path, canary, state={"__setstate__": Calls(eval, code)}),
    }


@pytest.fixture
def refused(tmp_path: Path) -> Any:
    """Read bytes as a model, which has to fail without a trace."""

    def refused(data: bytes, match: str = ".") -> None:
        path, start = tmp_path / "file.pkl", time.perf_counter()
        path.write_bytes(data)
        with pytest.raises(ModelError, match=match) as caught:
            read_foreign(path)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 600
        assert time.perf_counter() - start < 20
        assert [p.name for p in tmp_path.iterdir()] == ["file.pkl"], "the file was run"

    return refused


@pytest.mark.parametrize("name", list(harmful("")))
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("place", ["bare", "G_ema", "beside"])
def test_pickles_run_nothing(
    refused: Any, tmp_path: Path, tiny: Generator, name: str, protocol: int, place: str
):
    bad = harmful(str(tmp_path / "canary"))[name]
    content = {"bare": bad, "G_ema": {"G_ema": bad}, "beside": {"D": bad, "G_ema": 1}}[place]
    refused(pickle.dumps(content, protocol))


@pytest.mark.parametrize("name", list(harmful("")))
@pytest.mark.parametrize("legacy", [False, True])
def test_torch_files_run_nothing(refused: Any, tmp_path: Path, name: str, legacy: bool):
    content = {"g_ema": harmful(str(tmp_path / "canary"))[name]}
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    refused(buffer.getvalue())


def test_harm_beside_a_sound_network_is_not_run(tmp_path: Path, tiny: Generator):
    write_nvidia(tiny.config, tiny.state_dict(), tmp_path / "a.pkl")
    data = (tmp_path / "a.pkl").read_bytes()
    canary = tmp_path / "canary"
    program = b"cos\nsystem\n\x8c" + bytes([len(f"touch {canary}")]) + f"touch {canary}".encode()
    (tmp_path / "a.pkl").write_bytes(data[:2] + program + b"\x85R0" + data[2:])
    assert read_foreign(tmp_path / "a.pkl").config == tiny.config
    assert not canary.exists()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, tiny: Generator) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "a.pkl"
    write_nvidia(tiny.config, tiny.state_dict(), path)
    return path.read_bytes()


def test_truncated_files_are_refused(refused: Any, sound: bytes):
    for length in (0, 1, 2, 3, 20, 100, 500, len(sound) // 2, len(sound) - 100, len(sound) - 1):
        refused(sound[:length])


def test_random_bytes_are_refused(refused: Any):
    rng = torch.Generator().manual_seed(0)
    for i in range(60):
        data = bytes(torch.randint(0, 256, (400,), generator=rng).tolist())
        refused(data)
        refused(b"\x80\x04" + data)
        refused(b"\x80\x02" + bytes(b % 128 for b in data[: 10 + i]))


def test_flipped_bytes_never_escape(tmp_path: Path, sound: bytes):
    """A damaged file is refused, or is read as what it says: no other exception."""
    (tmp_path / "a.pkl").write_bytes(sound)
    never_escapes(tmp_path / "a.pkl", seed=1, changes=150)


@pytest.mark.parametrize(
    "program",
    [
        b"2" * 800_000 + b".",  # more steps than any model has, with nothing on the stack
        b"N" + b"2" * 800_000 + b".",  # the same, copying
        b"]" + b"]" * 200_000 + b"a" * 200_000 + b".",  # a list in a list in a list ...
        b"N" + b"\x85" * 400_000 + b".",  # a tuple in a tuple in a tuple ...
        b"cx\ny\n" + b")R" * 150_000 + b".",  # a call of a call of a call ...
        b"N" + b"2\x86" * 80 + b"}2N2ss.",  # a tuple of 2**80 leaves
        b"}" + b"N" + b"2\x86" * 80 + b"Ns.",  # as a key, which takes for ever to hash
        b"Nr\xff\xff\xff\x7f.",  # a memo of 2**31 places
        b"\x8e" + struct.pack("<Q", 2**40) + b"x.",  # bytes that are not there
        b"\x8d" + struct.pack("<Q", 2**63 - 1) + b"x.",  # text that is not there
        b"\x8b" + struct.pack("<i", 2**31 - 1) + b"1.",  # a number that is not there
        b"I" + b"9" * 100_000 + b"\n.",  # a number with too many digits
        b"(((((((.",
        b"h\x07.",
        b"\x82\x01.",  # copyreg's extensions
        b"\x97.",  # buffers beside the file
        b"Pid\n.",  # a persistent id
    ],
)
def test_programs_made_to_exhaust_are_refused(refused: Any, program: bytes):
    refused(b"\x80\x04" + program)


def test_modules_without_end_are_refused(refused: Any):
    def module(inner: object) -> dict[str, object]:
        return {"_parameters": {}, "_buffers": {}, "_modules": {"a": inner, "b": inner}}

    nested: Any = Calls(dict, state=module({}))
    for _ in range(40):  # 2**40 paths
        nested = Calls(dict, state=module(nested))
    refused(pickle.dumps({"G_ema": nested}), "too many modules")


TUPLES = b"N" + b"q\x00h\x00\x86" * 80  # a tuple of 2**80 leaves, as torch.save could write it


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "program",
    [
        TUPLES + b"q\x01}h\x01Ns.",  # as a key, which takes for ever to hash
        b"}" + TUPLES + b"Ns.",
        b"cbuiltins\nbytearray\n(\x8a\x08" + struct.pack("<q", 2**31) + b"tR.",
        b"N" + b"q\x00h\x000" * 200_000 + b".",  # more steps than any model has
        b"]" + b"]" * 200_000 + b"a" * 200_000 + b".",
        b"N" + b"\x85" * 400_000 + b".",
        b"}X\x05\x00\x00\x00g_emacbuiltins\nbytearray\n(\x8a\x08"
        + struct.pack("<q", 2**33)
        + b"tRs.",
    ],
)
def test_torch_files_made_to_exhaust_are_refused(refused: Any, program: bytes, legacy: bool):
    """torch.load(weights_only=True) never ends on the first two, and makes the bytes."""
    buffer, before = io.BytesIO(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if legacy:
        for header in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(header, buffer, 2)
        buffer.write(b"\x80\x02" + program)
        pickle.dump([], buffer, 2)
    else:
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a/data.pkl", b"\x80\x02" + program)
            archive.writestr("a/byteorder", "little")
    refused(buffer.getvalue())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


class Storage:
    """Stands for a storage in a stream as torch.save wrote it before version 1.6."""


class StoragePickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        claimed = ("storage", torch.FloatStorage, "0", "cpu", self.count, None)
        return claimed if isinstance(obj, Storage) else None

    count = 4


def storage_stream(claimed: int, held: int = 4) -> bytes:
    buffer = io.BytesIO()
    for header in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(header, buffer, 2)
    pickler = StoragePickler(buffer, 2)
    pickler.count = claimed
    pickler.dump(Storage())
    pickle.dump(["0"], buffer, 2)
    return buffer.getvalue() + struct.pack("<q4f", held, 0, 0, 0, 0)


def claim(tiny: Generator, count: int, shape: Any, stride: Any) -> bytes:
    """A sound network, but for one tensor which claims what the file does not hold."""
    storage = Calls(torch.storage._load_from_bytes, storage_stream(count))  # type: ignore[attr-defined]
    bad = Calls(torch._utils._rebuild_tensor_v2, storage, 0, shape, stride, False, OrderedDict())
    root: dict[str, Any] = {"_parameters": {}, "_modules": {}}
    for name, tensor in (dict(tiny.state_dict()) | {"mapping.w_avg": bad}).items():
        *parents, leaf = name.split(".")
        state = root
        for parent in parents:
            inner = {"_parameters": {}, "_modules": {}}
            state = state["_modules"].setdefault(parent, Calls(dict, state=inner)).result[2]
        state["_parameters"][leaf] = tensor
    return pickle.dumps({"G_ema": Calls(dict, state=root)})


@pytest.mark.parametrize(
    ("count", "shape", "stride", "message"),
    [
        (2**40, (4,), (1,), "claims 1099511627776 values"),
        (-4, (4,), (1,), "claims -4 values"),
        (5, (4,), (1,), "another size"),
        (4, (2**40,), (1,), "larger than the file"),
        (4, (2**30, 2**30), (0, 0), "larger than the file"),
        (4, (8,), (1,), "in a storage of 4 values"),
        (4, (3,), (2,), "in a storage of 4 values"),
        (4, (4,), (1,), "do not belong together"),  # sound, but for its size
        (4, (4,), (-1,), "a tensor of shape"),
        (4, (-4,), (1,), "a tensor of shape"),
        (4, (2, 2), (1,), "a tensor of shape"),
        (4, (1,) * 70, (1,) * 70, "a tensor of shape"),
        (4, (2**70, 0), (1, 1), "a tensor of shape"),
        (4, (1, 4), (2**70, 1), "a tensor of shape"),
    ],
)
def test_tensors_that_claim_too_much_are_refused(
    refused: Any, tiny: Generator, count: int, shape: Any, stride: Any, message: str
):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(claim(tiny, count, shape, stride), message)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000  # kB


def paddle_file(program: bytes) -> bytes:
    """A pickle that passes for PaddleGAN's by its key, with any program as the value."""
    return b"\x80\x04}(\x8c\x0binput.input" + program + b"u."


@pytest.mark.parametrize(
    "program",
    [
        b"N" + b"2\x86" * 80,  # a tuple of 2**80 leaves
        b"N" + b"\x85" * 300_000,  # a tuple in a tuple in a tuple ...
        b"]" + b"]" * 100_000 + b"a" * 100_000,
        b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01)N\x89](]eu" + b"tb",
        b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01)N\x89]tb",  # an object array of nothing
        b"cposix\nsystem\n\x8c\x04trueR",
        b"cbuiltins\neval\n\x8c\x01x\x85R",
    ],
)
def test_programs_in_paddle_files_are_refused(refused: Any, program: bytes):
    refused(paddle_file(program))


def array_of(shape: Any, content: bytes, code: str = "f4") -> Any:
    dtype = Calls(np.dtype, code, False, True)
    state = (1, shape, dtype, False, content)
    return Calls(np.empty(0).__reduce__()[0], np.ndarray, (0,), b"b", state=state)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (array_of((2**40,), bytes(16)), "16 bytes for an array"),
        (array_of((2**32, 2**32), bytes(16)), "16 bytes for an array"),
        (array_of((-4,), bytes(16)), "an array of shape"),
        (array_of((4,), bytes(16), "O8"), "unknown type"),
        (array_of("x", bytes(16)), "an array of shape"),
    ],
)
def test_arrays_that_claim_too_much_are_refused(refused: Any, array: Any, message: str):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(pickle.dumps({"input.input": array}, 4), message)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_one_array_under_many_names_is_not_copied_for_each(refused: Any):
    array = np.ones(1_000_000, np.float32)
    refused(
        pickle.dumps({"input.input": array} | {f"x{i}": array for i in range(20_000)}), "larger"
    )


@pytest.mark.parametrize("family", ["mmgen", "paddlegan", "pti"])
def test_flipped_bytes_of_the_other_families_never_escape(
    tmp_path: Path, tiny: Generator, monkeypatch: pytest.MonkeyPatch, family: str
):
    path = tmp_path / "file"
    if family == "pti":
        install_persistence(monkeypatch)
        torch.save(network(with_filters(tiny), ATTRIBUTES), path)
    else:
        {"mmgen": write_mmgen, "paddlegan": write_paddlegan}[family](
            tiny.config, tiny.state_dict(), path
        )
    never_escapes(path, seed=2, changes=60)
