"""`reage train occlusion`: drawn things, the command, and the folder it makes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from reage.cli.main import cli
from reage.editor import load
from reage.models.pretrained import load_occlusion
from reage.training.configs import OcclusionTraining
from reage.training.loop.one_network import OneNetworkTrainer
from reage.training.occlusion.bare_faces import BareFaces, faces_of, mirrored_points
from reage.training.occlusion.things import THINGS
from reage.training.parts import Machine
from reage.training.settings import RunSettings
from reage.training.start import start

HEADER = "file,source,sex,age,ita,yaw,sharp_to,licence,grey"


@pytest.fixture(scope="module")
def table(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two heads, a grey one, one of a licence that binds, and one without a face."""
    folder = tmp_path_factory.mktemp("heads")
    face = astronaut[:256, 96:352]
    grey = face.mean(2, keepdims=True).repeat(3, 2)
    rows = [
        (face, "CC0", 0), (face[:, ::-1], "CC0", 0), (grey, "CC0", 1), (face, "CC BY-SA", 0),
        (0 * face, "CC0", 0),
    ]  # fmt: skip
    lines = [HEADER]
    for i, (picture, licence, is_grey) in enumerate(rows):
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{i}.png")
        lines.append(f"{i}.png,made,f,30,50,0,512,{licence},{is_grey}")
    (folder / "heads.csv").write_text("\n".join(lines) + "\n")
    return folder / "heads.csv"


@pytest.fixture(scope="module")
def faces(table: Path) -> BareFaces:
    return faces_of(table, None)


def trainer_of(table: Path, machine: Machine, **changes) -> OneNetworkTrainer:
    config = replace(OcclusionTraining(batch=4, kept_out=0, warmup_kimg=0.0), **changes)
    settings = RunSettings("occlusion", config, str(table))
    trainer = start(settings, machine)
    assert isinstance(trainer, OneNetworkTrainer)
    return trainer


def test_faces_with_nothing_before_them_are_cropped(faces: BareFaces):
    """Black-and-white heads are among them; share-alike and faceless ones are not."""
    assert faces.faces.shape == (3, 160, 160, 3)
    assert faces.meshes.shape == (3, 468, 2)
    assert (faces.faces[2, ..., 0] == faces.faces[2, ..., 1]).all()


def test_the_mesh_in_a_mirror(faces: BareFaces):
    """The second head is the first in a mirror, and so is its mesh."""
    mirrored = (faces.meshes[0].numpy() * [-1, 1] + [1, 0])[mirrored_points()]
    off = np.abs(mirrored - faces.meshes[1].numpy())
    assert np.median(off) < 0.01 and off.max() < 0.05  # the outline's points are close together


def test_a_drawing_is_a_function_of_its_seed(faces: BareFaces):
    for seed in range(20):
        first, second = (faces.cover(0, np.random.default_rng(seed), 1.0) for _ in range(2))
        assert torch.equal(first.image, second.image)
        assert torch.equal(first.covered, second.covered)
        assert first.image.shape == (3, 128, 128) and first.covered.shape == (1, 64, 64)
    bare = faces.cover(0, np.random.default_rng(1), 0.0)
    assert not bare.covered.any() and bare.face.mean() > 0.2


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.__name__)
def test_each_thing_hides_some_of_a_face(faces: BareFaces, thing):
    mesh, others = faces.meshes[0].numpy() * 192 - 0.5, faces.faces.numpy()
    surface, share = thing(np.random.default_rng(3), mesh, np.full(3, 0.6), others)
    assert surface.shape == (192, 192, 3) and share.shape == (192, 192)
    assert 0.005 < (share > 0.5).mean() < 0.9 and share.min() >= 0 and share.max() <= 1
    assert np.isfinite(surface).all()


def test_a_step_changes_the_decoder_alone(table: Path, machine: Machine):
    trainer = trainer_of(table, machine)
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    features = {k: v.clone() for k, v in trainer.features.state_dict().items()}
    assert set(trainer.step(0)) == {"entropy", "dice", "overlap"}
    after = trainer.network.state_dict()
    assert all(not torch.equal(before[name], value) for name, value in after.items())
    assert all(torch.equal(features[k], v) for k, v in trainer.features.state_dict().items())


def test_it_learns_few_pictures_by_heart(table: Path, machine: Machine):
    """The same step again and again: the loss falls, and what covers is found."""
    trainer = trainer_of(table, machine, covered=1.0, seed=1)
    first = trainer.step(0)
    for _ in range(30):
        last = trainer.step(0)
    assert float(last["entropy"]) < 0.4 * float(first["entropy"])
    assert float(last["overlap"]) > 0.7


def command(*arguments: object) -> list[str]:
    return ["train", "occlusion", *(str(a) for a in arguments)]


def test_a_resumed_run_is_the_same_to_the_byte(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Resumed, it goes on where it was, without looking at the heads again."""
    runner, usual = CliRunner(), ("--log-steps", 1, "--threads", 1)
    new = ("--data", table, "--set", "batch=4", *usual)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for run, kimg in ((whole, 0.012), (parts, 0.004)):
        done = runner.invoke(cli, command("--run", run, *new, "--kimg", kimg))
        assert done.exit_code == 0, done.output
    monkeypatch.setattr("reage.training.kept_heads.read_pictures", None)
    more = command("--run", parts, "--resume", "--kimg", 0.012, *usual)
    assert runner.invoke(cli, more, catch_exceptions=False).exit_code == 0
    for name in ("model/occlusion.safetensors", "occlusion.png"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()
    log = (parts / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [1, 2, 3]
    assert Image.open(parts / "occlusion.png").size == (6 * 128, 6 * 128)
    assert "reage train occlusion" in (parts / "model" / "README.md").read_text()


def test_edits_use_the_folder(table: Path, tmp_path: Path, astronaut: np.ndarray):
    run = tmp_path / "run"
    begun = command("embedded", "--run", run, "--data", table, "--set", "batch=4", "--kimg", 0.004)
    assert CliRunner().invoke(cli, begun, catch_exceptions=False).exit_code == 0
    own, embedded = load(occlusion=run / "model", device="cpu"), load(device="cpu")
    assert own.fingerprint() != embedded.fingerprint()
    trained, before = (
        network.decoder.state_dict()
        for network in (load_occlusion(run / "model"), load_occlusion())
    )
    assert trained.keys() == before.keys()
    assert any(not torch.equal(before[name], value) for name, value in trained.items())
    Image.fromarray(astronaut).save(tmp_path / "a.png")
    edit = ["edit", str(tmp_path / "a.png"), "--to", "60", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, [*edit, "--occlusion", str(run / "model")])
    assert done.exit_code == 0, done.output


def test_a_blind_network_leaves_nothing(table: Path, tmp_path: Path, astronaut: np.ndarray):
    """The network of the folder is the one that is asked, in photos."""
    from reage.models.files import save_tensors

    state = {k: v.clone() for k, v in load_occlusion().decoder.state_dict().items()}
    state["head.bias"] += 30.0  # everything is covered
    folder = tmp_path / "sees-all"
    folder.mkdir()
    save_tensors(folder / "occlusion.safetensors", state)
    result = load(occlusion=folder, device="cpu").edit(astronaut, 60)
    assert any("cover" in notice for notice in result.notices)
    assert not any("cover" in notice for notice in load(device="cpu").edit(astronaut, 60).notices)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("file,source\n0.png,x\n", "has no column"),
        (f"{HEADER}\n", "none of 0 heads"),
        (f"{HEADER}\n4.png,made,f,30,50,0,512,CC0,0\n", "none of 1 heads shows a face"),
        (f"{HEADER}\nx.png,made,f,30,50,0,512,CC0,0\n", "x.png"),
        ("\x00\xff", ""),
    ],
)
def test_a_bad_table_is_one_line(table: Path, tmp_path: Path, content: str, words: str):
    bad = table.parent / "bad.csv"
    bad.write_text(content, encoding="latin-1")
    done = CliRunner().invoke(cli, command("--data", bad, "--run", tmp_path / "run"))
    assert done.exit_code in (1, 2) and words in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_folder_that_is_none_is_one_line(table: Path, tmp_path: Path):
    begun = command(tmp_path / "x", "--data", table, "--run", tmp_path / "run")
    done = CliRunner().invoke(cli, begun)
    assert done.exit_code == 1 and "is not a folder of reage train occlusion" in str(done.exception)
    edit = ["edit", str(table.parent / "0.png"), "--to", "60", "--occlusion", str(tmp_path)]
    done = CliRunner().invoke(cli, [*edit, "-o", str(tmp_path / "out")])
    assert "is not a folder of reage train occlusion" in str(done.exception)
