"""`reage train` from the outside: the chain, stopping, resuming, refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from reage.agers.files import StoredAger, read_ager
from reage.agers.finder import AGE_AGER
from reage.cli import main
from reage.cli.research.train import apply_settings
from reage.errors import UsageError
from reage.models.checkpoints import load_model
from reage.training.configs import GeneratorTraining
from reage.training.parts import Machine

SMALL = ("--set", "batch=8", "--set", "resolution=32", "--set", "channels=(8,8,8,8)",
         "--set", "mapping_layers=2", "--set", "feature_side=64")  # fmt: skip


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    return int(stopped.value.code or 0)


def test_from_a_dataset_to_an_ageing_model(
    faces_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    runs = {kind: tmp_path / kind for kind in ("generator", "encoder", "ager", "photo-ager")}
    data = ("--data", faces_folder, "--threads", 1)
    assert (
        run("train", "generator", "--run", runs["generator"], *data, "--kimg", 0.016, *SMALL) == 0
    )
    assert "0.0 kimg, done" in capsys.readouterr().out
    for name in ("config.json", "state.pt", "samples.png", "reconstructions.png", "model"):
        assert (runs["generator"] / name).exists(), name
    previous = runs["generator"] / "model"
    for kind in ("encoder", "ager", "photo-ager"):
        less = ("--set", "batch=4", *(("--set", "judge_kimg=0.064") if kind != "encoder" else ()))
        assert run(
            "train", kind, previous, "--run", runs[kind], *data, "--kimg", 0.008, *less
        ) == 0  # fmt: skip
        previous = runs[kind] / "model"
    model = load_model(previous)
    assert set(model.config.sha256) == {
        "age.ager.safetensors",
        "discriminator.safetensors",
        "encoder.safetensors",
        "generator.safetensors",
    }
    # A generator that is trained on loses its agers; they can be gone on from.
    assert run(
        "train", "generator", "--from", previous, "--run", tmp_path / "on", *data,
        "--kimg", 0.008, "--set", "batch=4",
    ) == 0  # fmt: skip
    assert run(
        "train", "ager", tmp_path / "on" / "model", "--agers-of", previous,
        "--run", tmp_path / "again", *data, "--kimg", 0.008, *less,
    ) == 0  # fmt: skip
    before, after = (read_ager(f / AGE_AGER) for f in (previous, tmp_path / "again" / "model"))
    assert isinstance(before, StoredAger) and isinstance(after, StoredAger)
    assert after.generator_hash != before.generator_hash
    assert before.photo is not None and after.photo is not None and after.growth is not None
    was = before.photo.state_dict()
    assert all(torch.equal(was[name], value) for name, value in after.photo.state_dict().items())
    # A finished run may go on with more pictures, and says so in its log.
    assert json.loads((runs["ager"] / "config.json").read_text())["threads"] == 1
    torch.set_num_threads(2)
    assert run("train", "ager", "--run", runs["ager"], "--resume", "--kimg", 0.012) == 0
    assert torch.get_num_threads() == 1  # as it began
    settings = json.loads((runs["ager"] / "config.json").read_text())
    assert settings["kind"] == "ager" and settings["config"]["batch"] == 4


def test_wrong_usage(faces_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data = ("--data", faces_folder)
    for arguments, words in (
        (("generator", "--run", tmp_path / "a"), "give --data DATA for a new run"),
        (("generator", "--run", tmp_path / "a", *data, "--recipe", "x"), "recipe 'x' is not known"),
        (("ager", "--run", tmp_path / "a", *data), "name the model"),
        (("generator", "--run", tmp_path / "a", *data, "--set", "x=1"), "there is no 'x'"),
        (("generator", "--run", tmp_path / "a", *data, "--split", "x"), "no split 'x'"),
    ):
        assert run("train", *arguments) == 2
        assert words in capsys.readouterr().err
    # What was refused blocks no corrected command.
    assert not (tmp_path / "a").exists()
    assert run("train", "generator", "--run", tmp_path / "b", "--resume") == 1
    assert "is not a run folder" in capsys.readouterr().err


def test_settings_by_name():
    config = apply_settings(
        GeneratorTraining(), ("batch=16", "encoder.lr=1e-4", "stages=((1.0,64),)", "ema_kimg=2")
    )
    assert (config.batch, config.encoder.lr, config.stages, config.ema_kimg) == (
        16, 1e-4, ((1.0, 64),), 2.0,
    )  # fmt: skip
    for wrong in (
        "batch", "batch=x", "batch=1.5", "batch=0", "batch=-4", "encoder.x=1", "encoder=3",
        "encoder.lr=-1e-4", "ema_kimg=1e999", "significant_bits=-1",
    ):  # fmt: skip
        with pytest.raises(UsageError, match="--set"):
            apply_settings(GeneratorTraining(), (wrong,))


def test_a_terminated_run_is_saved_and_goes_on(faces_folder: Path, tmp_path: Path):
    folder = tmp_path / "run"
    places = ("--run", str(folder), "--data", str(faces_folder))
    command = [sys.executable, "-c", "from reage.cli import main; main()", "train", "generator",
               *places, "--threads", "1", "--log-steps", "2", *SMALL]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "img/s" in process.stdout.readline()  # it trains
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        rest = process.stdout.read()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert "SIGTERM" in rest
    assert time.monotonic() - began < 60
    before = (folder / "log.jsonl").read_text().splitlines()
    step = json.loads(before[-1])["step"]
    assert (
        run(
            "train",
            "generator",
            "--run",
            folder,
            "--resume",
            "--kimg",
            (step + 4) * 0.008,
            "--log-steps",
            2,
        )
        == 0
    )
    after = (folder / "log.jsonl").read_text().splitlines()
    assert after[: len(before)] == before
    assert json.loads(after[-1])["step"] > step


def test_no_pictures_at_all_still_make_a_model(
    faces_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    options = ("--data", faces_folder, "--run", tmp_path / "run", "--threads", 1)
    assert run("train", "generator", *options, "--kimg", 0, *SMALL) == 0
    assert "0.0 kimg, done" in capsys.readouterr().out
    assert load_model(tmp_path / "run" / "model").config.metrics["kimg"] == 0
    assert run("train", "generator", *options, "--kimg", -1, *SMALL) == 2


def test_a_resumed_run_computes_as_it_began(
    faces_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    options = ("train", "generator", "--run", tmp_path / "run")
    made = ("--data", faces_folder, "--threads", 1, "--kimg", 0, "--precision", "bfloat16")
    assert run(*options, *made, *SMALL) == 0
    seen = []

    def note(_: object, machine: Machine, folder: Path) -> None:
        seen.append(machine.dtype)
        raise UsageError("seen")

    monkeypatch.setattr("reage.training.start.start", note)
    for more in ((), ("--precision", "float32")):
        assert run(*options, "--resume", *more) == 2
    assert seen == [torch.bfloat16, torch.float32]
