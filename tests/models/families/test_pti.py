"""Modules that torch.save wrote whole, as PTI does: their tensors are read, their code is not run.

The look-alikes have the structure of real files; a real one, of NVIDIA's code saved so, gave its
own pictures to 9e-6 (of 18) when this was made.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from stub_networks import ATTRIBUTES, Stub, install_persistence, network, with_filters

from reage.errors import ModelError
from reage.models.families.table import read_foreign
from reage.networks.stylegan2.generator import Generator

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def persistence(monkeypatch: pytest.MonkeyPatch) -> None:
    install_persistence(monkeypatch)


def saved(content: object, *, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_tensors_are_read_and_nothing_is_run(
    tmp_path: Path, tiny: Generator, legacy: bool, named: bool
):
    module = network(with_filters(tiny), ATTRIBUTES)
    content = {"G_ema": module} if named else module
    (tmp_path / "model_x.pt").write_bytes(saved(content, legacy=legacy))
    found = read_foreign(tmp_path / "model_x.pt")
    assert (found.config, found.source_format, found.notes) == (tiny.config, "pti", [])
    for name, tensor in tiny.state_dict().items():
        assert torch.equal(found.state_dict[name], tensor), name


def rewritten(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The archive with its entries changed, or left out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            entry = change(name, old.read(name))
            if entry is not None:
                new.writestr(name, entry)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda name, entry: None if name.endswith("data/3") else entry, "data/3 cannot be read"),
        (lambda name, entry: entry[:-4] if name.endswith("data/3") else entry, "of another size"),
        (lambda name, entry: None if name.endswith("data.pkl") else entry, "."),
        (lambda name, entry: b"big" if name.endswith("byteorder") else entry, "big-endian"),
        (lambda name, entry: entry[:900] if name.endswith("data.pkl") else entry, "damaged"),
    ],
)
def test_damaged_archives_are_refused(
    tmp_path: Path,
    tiny: Generator,
    change: Callable[[str, bytes], bytes | None],
    message: str,
):
    data = saved(network(with_filters(tiny), ATTRIBUTES))
    (tmp_path / "a.pt").write_bytes(rewritten(data, change))
    with pytest.raises(ModelError, match=message):
        read_foreign(tmp_path / "a.pt")


def test_entries_that_overlap_are_refused(tmp_path: Path, tiny: Generator):
    # A thousand names for the same bytes would unpack to a thousand times the file.
    data = saved(network(with_filters(tiny), ATTRIBUTES))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        big = max(archive.infolist(), key=lambda item: item.file_size)
        archive.filelist += [big] * 1000
        archive.fp, archive._didModify = io.BytesIO(data), True  # type: ignore[attr-defined]
        archive.mode = "a"
        archive.fp.seek(archive.start_dir)
        stream = archive.fp
        archive._write_end_record()  # type: ignore[attr-defined]
        archive._didModify = False  # type: ignore[attr-defined]
    (tmp_path / "a.pt").write_bytes(stream.getvalue())
    with pytest.raises(ModelError, match="compressed"):
        read_foreign(tmp_path / "a.pt")


def test_other_modules_are_refused(tmp_path: Path):
    (tmp_path / "a.pt").write_bytes(saved({"D": Stub()}))
    with pytest.raises(ModelError, match="no generator of NVIDIA's code"):
        read_foreign(tmp_path / "a.pt")
