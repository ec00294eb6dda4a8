"""What painted a picture has a name: reports say it, resumed work compares it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from made import Command, editor_with, made_ager
from reage.agers.direction_ager import DirectionAger
from reage.agers.files import StoredAger, save_ager
from reage.agers.finder import AGE_AGER
from reage.compositing import render
from reage.compositing.change import PasteMode
from reage.compositing.hair import greying
from reage.editor import load
from reage.errors import ReageError
from reage.jobs.batch.run import run_batch
from reage.jobs.batch.task import BatchTask
from reage.models.checkpoints import Model, load_model, save_model, seal
from reage.models.encoders import describe_encoder
from reage.networks.encoders.encoder import Encoder, EncoderConfig

PASTES: tuple[PasteMode, ...] = ("delta", "replace", "none")


def scaled(stored: StoredAger, part: str) -> StoredAger:
    """The same with one tensor of a part 1.05 times as large."""
    changed = deepcopy(stored)
    if part == "growth":
        assert changed.growth is not None
        changed.growth.shapes.mul_(1.05)
    else:
        next(iter(getattr(changed, part).parameters())).mul_(1.05)
    return changed


@pytest.fixture(scope="module")
def stored(small_model: Model) -> StoredAger:
    return made_ager(small_model)


@pytest.fixture
def folder_of(small_folder: Path, tmp_path: Path) -> Callable[[StoredAger, str], Path]:
    """Make or change a model folder with an ager."""

    def made(stored: StoredAger, name: str = "model") -> Path:
        folder = tmp_path / name
        if not folder.is_dir():
            shutil.copytree(small_folder, folder)
        save_ager(stored, folder / AGE_AGER)
        seal(folder)
        return folder

    return made


@pytest.mark.parametrize("part", ["photo", "growth"])
def test_every_tensor_that_paints_counts(
    part: str, stored: StoredAger, folder_of: Callable[..., Path]
):
    folders = folder_of(stored), folder_of(scaled(stored, part), "other")
    one, other = (load(folder, device="cpu") for folder in folders)
    assert load(folders[0]).fingerprint() == one.fingerprint()
    for paste in PASTES:
        assert one.fingerprint(paste) != other.fingerprint(paste)
    assert one.required_ager().fingerprint != other.required_ager().fingerprint


def test_the_ager_of_codes_counts_where_it_paints(
    stored: StoredAger, small_model: Model, small_folder: Path
):
    plain = made_ager(small_model, photo=False)
    for ager, counts in ((plain, True), (stored, False)):
        one, other = (
            editor_with(a, small_folder).fingerprint() for a in (ager, scaled(ager, "network"))
        )
        assert (one != other) == counts


def test_a_direction_counts(small_folder: Path):
    editor = load(small_folder, device="cpu")
    ager = editor.required_ager()
    assert isinstance(ager, DirectionAger)
    longer = replace(ager.direction, vector=1.05 * ager.direction.vector)
    paler = replace(ager.direction, colour=0.5)
    others = [replace(editor, ager=replace(ager, direction=d)) for d in (longer, paler)]
    assert len({one.fingerprint() for one in (editor, *others)}) == 3


def test_hair_counts_where_it_turns_grey(
    stored: StoredAger, small_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    editor = editor_with(stored, small_folder)
    before = {paste: editor.fingerprint(paste) for paste in PASTES}
    kept = replace(editor, grey_hair=False)
    assert kept.fingerprint() != before["delta"] and kept.fingerprint("none") == before["none"]
    for finder in (editor.hair_finders.person, editor.hair_finders.hair):
        with monkeypatch.context() as patch:
            patch.setattr(finder, "sha256", "f" * 64)
            after = {paste: editor.fingerprint(paste) for paste in PASTES}
        assert [p for p in PASTES if after[p] != before[p]] == ["delta", "replace"]


@pytest.mark.parametrize("module", [render, greying])
def test_recipes_count_where_they_paint(
    module: ModuleType, stored: StoredAger, small_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    """A batch that is resumed with other settings of hair must not mix two looks."""
    editor = editor_with(stored, small_folder)
    before = {paste: editor.fingerprint(paste) for paste in PASTES}
    monkeypatch.setattr(module, "RECIPE", "another")
    after = {paste: editor.fingerprint(paste) for paste in PASTES}
    assert [p for p in PASTES if after[p] != before[p]] == ["delta", "replace"]


@pytest.mark.parametrize("part", ["generator", "encoder"])
def test_generator_and_encoder_count_where_faces_are_made(
    part: str, stored: StoredAger, small_model: Model, tmp_path: Path
):
    config = EncoderConfig(8, 32, 32, channels=(4,), blocks=(1,), hidden=8)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = Encoder(config).eval().requires_grad_(False)
    found = []
    for factor in (1.0, 1.05):
        networks = {"generator": deepcopy(small_model.generator), "encoder": deepcopy(encoder)}
        list(networks[part].parameters())[-1].mul_(factor).add_(factor - 1)
        folder = tmp_path / str(factor)
        settings = replace(small_model.config, encoder=describe_encoder(config), sha256={})
        save_model(
            settings,
            networks["generator"],  # type: ignore[arg-type]
            folder,
            card="# A card\n",
            dtype=torch.float32,
            encoder=networks["encoder"].state_dict(),
        )
        own = replace(stored, generator_hash=load_model(folder).generator_hash)
        save_ager(own, folder / AGE_AGER)
        seal(folder)
        editor = load(folder, device="cpu")
        found.append({paste: editor.fingerprint(paste) for paste in PASTES})
    one, other = found
    assert [paste for paste in PASTES if one[paste] != other[paste]] == ["replace", "none"]


@pytest.fixture
def photos(astronaut: np.ndarray, tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, picture in (("ada", astronaut), ("bea", astronaut[:, ::-1])):
        Image.fromarray(picture).save(folder / f"{name}.png")
    return folder


@pytest.mark.usefixtures("any_likeness")
def test_a_report_says_what_painted(
    stored: StoredAger, folder_of: Callable[..., Path], photos: Path, reage_command: Command
):
    told, shown = [], []
    for i, ager in enumerate((stored, scaled(stored, "photo"))):
        folder, out = folder_of(ager, f"model{i}"), photos / f"out{i}"
        words = ("--to", 70, "--model", folder, "--precision", "float32", "--output", out)
        assert reage_command("edit", photos / "ada.png", *words)[0] == 0
        told.append(json.loads((out / "ada-age70-reage.json").read_text())["model"])
        shown.append(np.asarray(Image.open(out / "ada-age70.png")))
        assert told[-1]["fingerprint"] == load(folder, precision="float32").fingerprint()
    assert not np.array_equal(*shown)
    for name in ("fingerprint", "ager_fingerprint"):
        assert len(told[0][name]) == 64 and told[0][name] != told[1][name]


@pytest.mark.usefixtures("any_likeness")
def test_a_batch_goes_on_with_what_it_was_begun_with_only(
    stored: StoredAger, folder_of: Callable[..., Path], photos: Path, tmp_path: Path
):
    folder, out, made = folder_of(stored), tmp_path / "out", []
    task = BatchTask((70.0,), quality="fast", model=str(folder), precision="float32")

    def stop(done: object, *_: int) -> None:
        made.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(str(photos), out, task, on_done=stop)  # type: ignore[arg-type]
    assert made[0].model == load(folder, precision="float32").fingerprint()
    folder_of(scaled(stored, "photo"))
    with pytest.raises(ReageError, match=r"other options \(weights\)"):
        run_batch(str(photos), out, task)
    report = run_batch(str(photos), out, task, overwrite=True)
    assert (report.photos, report.earlier, report.failed) == (2, 0, ())
    folder_of(stored)
    again = tmp_path / "again"
    run_batch(str(photos), again, task)
    for name in ("ada-age70.png", "bea-age70.png"):
        assert (out / name).read_bytes() != (again / name).read_bytes()
