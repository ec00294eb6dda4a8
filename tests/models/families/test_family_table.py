"""The table of families: a row more is a family more, and every row knows its own files only."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_checkpoints import made_checkpoint
from made_lucidrains import lucidrains_file, lucidrains_state
from stub_networks import ATTRIBUTES, install_persistence, network, with_filters

from made import Command
from made_fran import known_fran, save_state
from reage.errors import ModelError
from reage.models.checkpoints import Model, ModelConfig
from reage.models.families import table
from reage.models.families.converted import ConvertedGenerator
from reage.models.families.family import Family, ForeignFile, open_foreign
from reage.models.families.table import FAMILIES, find_family, layouts, write_foreign
from reage.models.registry import load
from reage.networks.stylegan2.generator import Generator, GeneratorConfig

pytestmark = pytest.mark.quick

SIZES = GeneratorConfig(8, (4, 4), z_dim=6, w_dim=6, mapping_layers=1)


def read_toy(file: ForeignFile) -> ConvertedGenerator:
    """A generator whose weights are all the one number that the file holds."""
    value = float(file.path.read_text().removeprefix("toy"))
    state = {k: torch.full_like(v, value) for k, v in Generator(SIZES).state_dict().items()}
    return ConvertedGenerator(SIZES, state, "toy", ["made for a test"])


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of a family that was just added to the table."""
    folder = SimpleNamespace(
        detect=lambda file: file.kind == "other" and file.path.read_text().startswith("toy"),
        read=read_toy,
    )
    monkeypatch.setattr(table, "FAMILIES", [*FAMILIES, Family("toy", folder.detect, folder.read)])
    (tmp_path / "some.toy").write_text("toy 0.25")
    return tmp_path / "some.toy"


def test_a_row_more_is_a_family_that_loads_and_is_inspected(toy: Path, reage_command: Command):
    model = load(toy)
    assert model.config.generator == SIZES
    assert float(model.generator.mapping.w_avg[0]) == 0.25
    status, out, err = reage_command("models", "inspect", toy)
    assert status == 0, err
    assert out.startswith(f"{toy}  toy\n")
    assert "8 px, channels 4 4, 4 levels of 6, 1 mapping layers" in out
    assert "made for a test" in out


def test_without_its_row_the_file_is_refused(toy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(table, "FAMILIES", FAMILIES)
    with pytest.raises(ModelError, match="neither a torch file, a pickle nor safetensors"):
        load(toy)


def test_every_row_knows_its_own_files_and_no_other_s(
    tmp_path: Path, tiny: Generator, tiny_config: ModelConfig, monkeypatch: pytest.MonkeyPatch
):
    files = {
        "psp": made_checkpoint("sam", tmp_path),
        "lucidrains": lucidrains_file(tmp_path / "lucidrains", lucidrains_state("plain")),
        "fran": save_state(known_fran(), tmp_path / "fran.pth"),
        "face networks": tmp_path / "dex.pth",
    }
    torch.save({"state_dict": {"fc8-101.weight": torch.ones(2)}}, files["face networks"])
    for layout in layouts():
        files[layout] = tmp_path / f"{layout}.file"
        write_foreign(Model(tiny_config, tiny, None, ""), files[layout], layout)
    assert files.keys() == {family.name for family in FAMILIES}
    for name, path in files.items():
        file = open_foreign(path)
        assert find_family(file).name == name
        # NVIDIA's takes all plain pickles, and comes last; a SAM file holds rosinality's decoder.
        also = {"paddlegan": {"nvidia"}, "psp": {"rosinality"}}.get(name, set())
        assert {f.name for f in FAMILIES if f.detect(file)} == {name} | also
    install_persistence(monkeypatch)
    torch.save(network(with_filters(tiny), ATTRIBUTES), tmp_path / "pti.pt")
    assert find_family(open_foreign(tmp_path / "pti.pt")).name == "nvidia"


def test_a_file_that_holds_no_generator_says_its_use(tmp_path: Path):
    torch.save({"fc8-101.weight": torch.ones(2)}, tmp_path / "dex.pth")
    with pytest.raises(
        ModelError,
        match="DEX age network and has no generator; use it with: reage",
    ):
        load(tmp_path / "dex.pth")


@pytest.mark.parametrize("damaged", ["g", "g_ema"])
def test_tensors_that_are_not_needed_are_not_read(tmp_path: Path, tiny: Generator, damaged: str):
    """A bit of the last weights is wrong: it is found in the average's, nobody looks at others."""
    write_foreign(
        Model(ModelConfig("x", tiny.config), tiny, None, ""), tmp_path / "a.pt", "rosinality"
    )
    sound = torch.load(tmp_path / "a.pt", weights_only=True)["g_ema"]
    mark = torch.from_numpy(np.frombuffer(b"marked as the one to damage.....", np.float32).copy())
    other = {"g": "g_ema", "g_ema": "g"}[damaged]
    changed = sound | {"noises.noise_0": torch.cat([mark, mark])[:16].reshape(1, 1, 4, 4)}
    buffer = io.BytesIO()
    torch.save({damaged: changed, other: sound}, buffer)
    data = buffer.getvalue()
    assert data.count(b"marked as the one") == 2
    (tmp_path / "a.pt").write_bytes(data.replace(b"marked as the one", b"market as the one"))
    assert zipfile.ZipFile(tmp_path / "a.pt").testzip() is not None
    if damaged == "g":
        assert load(tmp_path / "a.pt").config.generator == tiny.config
    else:
        with pytest.raises(ModelError, match=r"is damaged: its entry .*data/\d+ cannot be read"):
            load(tmp_path / "a.pt")
