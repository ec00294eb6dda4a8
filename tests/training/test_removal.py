"""`reage train skin-removal` and `beard-removal`: pairs, the command, and the folder it makes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from reage.agers.skin import SkinAger, read_embedded_bank
from reage.cli.main import cli
from reage.editor import load
from reage.errors import ModelError, UsageError
from reage.models.files import save_tensors
from reage.models.pretrained import load_skin_removal
from reage.training.configs import BeardRemovalTraining, RemovalTraining
from reage.training.removal.beards import BeardPairs
from reage.training.removal.frames import Frames, frames_of
from reage.training.removal.pairs import SkinPairs


@pytest.fixture(scope="module")
def table(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One head: young women, old men with a fold, a bearded man, and one that is left out."""
    folder = tmp_path_factory.mktemp("heads")
    lines = ["file,source,sex,age,ita,yaw,sharp_to,licence,grey"]
    face = astronaut[:256, 96:352].astype(float)
    for i, (sex, age, licence) in enumerate(
        [("f", 25, "CC0")] * 3 + [("m", 70, "CC0")] * 2 + [("m", 40, "CC0"), ("f", 30, "CC BY-SA")]
    ):
        drawn = face * (1 - i / 60)
        if age == 70:
            drawn[135:139] *= 0.6
        if age == 40:
            drawn[150:180, 90:180] *= 0.4
        Image.fromarray(drawn.astype(np.uint8)).save(folder / f"{i}.png")
        lines.append(f"{i}.png,made,{sex},{age},50,0,512,{licence},0")
    (folder / "heads.csv").write_text("\n".join(lines) + "\n")
    return folder / "heads.csv"


@pytest.fixture(scope="module")
def frames(table: Path) -> Frames:
    return frames_of(table, read_embedded_bank().canonical, None)


def test_share_alike_heads_are_left_out(frames: Frames):
    assert frames.ages.tolist() == [25, 25, 25, 70, 70, 40]
    assert frames.layers.shape == (6, 5, 320, 256)


def test_a_pair_is_a_young_head_and_what_an_old_one_has_beyond_it(frames: Frames):
    """What is wanted takes the fold off: there it is lighter, and nothing elsewhere."""
    pairs = SkinPairs(frames, RemovalTraining(untouched=0.0, kept_out=0))
    pair = pairs.sample(np.random.default_rng(1))
    wanted = pair.wanted.mean(0)
    rows = wanted.mean(1)
    assert rows.max() > 0.02
    assert rows.max() > 4 * rows.abs().median()
    assert wanted[pair.skin[0] == 0].abs().max() < 0.05


def test_the_same_place_draws_the_same_pair(frames: Frames):
    pairs = SkinPairs(frames, RemovalTraining())
    first, second = (pairs.sample(np.random.default_rng([0, 5, 2])) for _ in range(2))
    assert torch.equal(first.logs, second.logs) and torch.equal(first.wanted, second.wanted)


def test_beards_are_laid_where_beards_grow(frames: Frames):
    canonical = read_embedded_bank().canonical
    config = BeardRemovalTraining(untouched=0.0, kept_out=0)
    pairs = BeardPairs(frames, canonical, config)
    wanted = pairs.sample(np.random.default_rng(1)).wanted.mean(0)
    assert wanted.max() > 0.3
    assert wanted[: int(canonical[4, 1] / 2) - 20].abs().max() < 0.02  # above the nose's tip


@pytest.mark.parametrize("wrong", ["no old", "no young"])
def test_heads_of_one_age_make_no_pairs(frames: Frames, wrong: str):
    ages = torch.full_like(frames.ages, 25 if wrong == "no old" else 70)
    with pytest.raises(UsageError, match="some of both are needed"):
        SkinPairs(Frames(frames.layers, ages, frames.male, frames.ita), RemovalTraining())


def test_a_run_makes_a_folder_that_edits_take(
    table: Path, tmp_path: Path, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    """Resumed, it goes on where it was, without laying heads out again."""
    run = ("train", "skin-removal", "--run", str(tmp_path / "run"))
    new = (*run, "embedded", "--data", str(table), "--set", "batch=1", "--kimg", "0.001")
    runner = CliRunner()
    done = runner.invoke(cli, [*new, "--log-steps", "1"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    monkeypatch.setattr("reage.training.kept_heads.read_pictures", None)
    more = [*run, "--resume", "--kimg", "0.002", "--log-steps", "1"]
    assert runner.invoke(cli, more, catch_exceptions=False).exit_code == 0
    log = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [1, 2]
    assert Image.open(tmp_path / "run" / "removal.png").size == (6 * 256, 3 * 320)
    folder = tmp_path / "run" / "model"
    own, embedded = load(detail=folder, device="cpu"), load(device="cpu")
    assert isinstance(own.ager, SkinAger) and own.ager.bank.folder == folder
    assert own.fingerprint() != embedded.fingerprint()
    trained = load_skin_removal(folder).state_dict()
    before = load_skin_removal().state_dict()
    assert any(not torch.equal(before[name], value) for name, value in trained.items())


def test_kept_heads_of_another_kind_are_one_line(table: Path, tmp_path: Path):
    save_tensors(tmp_path / "frames.safetensors", {"layers": torch.zeros(2, 5)})
    with pytest.raises(ModelError, match="does not hold this run's heads"):
        frames_of(table, read_embedded_bank().canonical, tmp_path / "frames.safetensors")


def test_kept_heads_of_another_table_are_laid_out_anew(table: Path, tmp_path: Path):
    """After a refused run the folder stays: the corrected table was never looked at."""
    canonical, kept = read_embedded_bank().canonical, tmp_path / "frames.safetensors"
    first = tmp_path / "heads.csv"
    lines = table.read_text().splitlines()
    first.write_text("\n".join(lines[:2]) + "\n")
    (tmp_path / "0.png").write_bytes((table.parent / "0.png").read_bytes())
    assert len(frames_of(first, canonical, kept)) == 1
    assert len(frames_of(table, canonical, kept)) == 6


def test_a_folder_that_is_none_is_one_line(table: Path, tmp_path: Path):
    run = ["train", "skin-removal", str(tmp_path / "x"), "--data", str(table)]
    done = CliRunner().invoke(cli, [*run, "--run", str(tmp_path / "run")])
    assert done.exit_code == 1 and "is not a bank of skin detail" in str(done.exception)
    assert not (tmp_path / "run" / "config.json").exists()
