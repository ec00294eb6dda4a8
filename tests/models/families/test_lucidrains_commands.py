"""Every command that takes a generator, with lucidrains' network: it works, or says why not."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_lucidrains import lucidrains_file, lucidrains_state
from PIL import Image

from made import Command
from reage.editor import Editor
from reage.editor import load as load_editor
from reage.faces.face import Face
from reage.inversion.latent_files import read_latents
from reage.inversion.projection import ProjectConfig, noise_autocorrelation
from reage.inversion.tuning import apply_difference, load_tuned
from reage.models.checkpoints import load_model
from reage.models.export import export_parts, parts_of
from reage.models.graphs import open_graph
from reage.networks.encoders.encoder import Encoder
from seeded import seeded, seeded_picture


@pytest.fixture
def run(reage_command: Command, two_steps: None, any_likeness: None) -> Command:
    """Run a command; inversions take few steps, and any likeness will do."""
    return reage_command


@pytest.fixture(params=["plain", "deep"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return lucidrains_file(tmp_path / "model", lucidrains_state(request.param))


@pytest.fixture
def folder(run: Command, tmp_path: Path) -> Path:
    """A model folder of 32 px."""
    file = lucidrains_file(tmp_path / "model", lucidrains_state("plain"))
    assert run("convert", file, tmp_path / "folder")[0] == 0
    return tmp_path / "folder"


@pytest.fixture
def portrait(astronaut: np.ndarray, tmp_path: Path) -> Path:
    Image.fromarray(astronaut).save(tmp_path / "ada.png")
    return tmp_path / "ada.png"


def editor_of(model: Path) -> Editor:
    return load_editor(model, device="cpu", precision="float32")


def target(side: int) -> torch.Tensor:
    return torch.from_numpy(seeded_picture("target", side))


def test_inspect_says_whose_it_is(run: Command, file: Path, folder: Path):
    for model, family in ((file, "lucidrains"), (folder, "model folder")):
        status, out, _ = run("models", "inspect", model)
        assert status == 0
        assert family in out
        assert "lucidrains' network" in out
    status, out, _ = run("models", "inspect", file)
    levels = 5 if "attention" in out else 4
    assert f"{levels} levels of" in out
    assert ("attention before 16 64 px" in out) == (levels == 5)


def test_edit_moves_a_photo_along_a_direction(run: Command, file: Path, portrait: Path):
    config = editor_of(file).model.config.generator
    np.save(portrait.parent / "age.npy", seeded("age", (config.num_ws, config.w_dim)))
    command = ("edit", portrait, "--model", file, "--direction")
    status, _, err = run(*command, portrait.parent / "age.npy", "--strength", 1)
    assert status == 0, err
    status, _, err = run(*command, "sefa:1:0-1", "--strength", 2, "--overwrite")
    assert status == 0, err
    photo = np.asarray(Image.open(portrait), int)
    for made in ("ada-move+1.png", "ada-move+2.png"):
        changed = np.abs(np.asarray(Image.open(portrait.parent / made), int) - photo).max(2) > 2
        assert 0.005 < changed.mean() < 0.9  # the face, not all of the photo
    status, _, err = run(*command, "sefa:1:0-9", "--strength", 1)
    assert status == 1
    assert "levels 0 to" in err
    np.save(portrait.parent / "wide.npy", seeded("age", (2 * config.num_ws, config.w_dim)))
    assert run(*command, portrait.parent / "wide.npy", "--strength", 1)[0] == 1


def test_project_finds_tunes_and_reads_back(run: Command, file: Path, portrait: Path):
    out = portrait.parent / "codes"
    status, _, err = run(
        *("project", portrait, "--model", file, "--step", 4, "--output", out),
        *("--tune", 3, "--also", "npy", "--also", "pt"),
    )
    assert status == 0, err
    model = editor_of(file).model
    config = model.config.generator
    for name in ("ada.latents.safetensors", "ada.latents.npy", "ada.latents.pt"):
        found = read_latents(out / name, config.num_ws, config.w_dim)
        assert found.ws.shape == (1, config.num_ws, config.w_dim)
    difference = load_tuned(out / "ada.tuning.safetensors", model.generator_hash).difference
    last = f"synthesis.b{config.resolution}.conv0"
    assert {f"{last}.weight", f"{last}.bias"} <= difference.keys()
    bent, ws = (
        apply_difference(model.generator, difference),
        torch.zeros(1, config.num_ws, config.w_dim),
    )
    assert not torch.equal(bent.synthesize(ws), model.generator.synthesize(ws))


def test_a_search_comes_nearer(folder: Path):
    editor = editor_of(folder)
    generator = editor.model.generator
    wanted = generator.map(torch.from_numpy(seeded("somebody", (1, 24))))
    from reage.inversion.projection import project

    found = project(
        generator, generator.synthesize(wanted), torch.ones(1, 1, 32, 32),
        generator.mapping.w_avg.expand(1, 4, -1), editor.latents.perceptual,
        ProjectConfig(step=60, start_lr=0.05, final_lr=0.01),
    )  # fmt: skip
    start = generator.synthesize(generator.mapping.w_avg.expand(1, 4, -1))
    before = (start - generator.synthesize(wanted)).square().mean()
    after = (generator.synthesize(found.ws) - generator.synthesize(wanted)).square().mean()
    assert after < before / 4


def test_noise_that_is_optimised_keeps_the_values_that_the_network_knows(folder: Path):
    editor = editor_of(folder)
    from reage.inversion.projection import project

    generator, side = editor.model.generator, 32
    found = project(
        generator, target(side), torch.ones(1, 1, side, side),
        generator.mapping.w_avg.expand(1, 4, -1), editor.latents.perceptual,
        ProjectConfig(step=5, optimize_noise=True),
    )  # fmt: skip
    assert found.noise is not None and len(found.noise) == 1
    (noise,) = found.noise
    assert float(noise.mean()) == pytest.approx(0.5, abs=1e-3)
    assert float(noise.std()) == pytest.approx(12**-0.5, abs=1e-3)
    assert not torch.equal(noise, generator.stored_noise()[0])
    standard = (noise - 0.5) * 12**0.5
    assert noise_autocorrelation([standard]) < 0.1 * noise_autocorrelation([noise * 12**0.5])


def test_fit_makes_a_direction_that_edits(
    run: Command, folder: Path, portrait: Path, monkeypatch: pytest.MonkeyPatch
):
    from reage.fitting import labelled_codes as codes

    points = np.array([[10, 10], [20, 10], [15, 15], [11, 20], [19, 20]], float)
    everywhere = SimpleNamespace(detect=lambda _: [Face.from_points(points)])
    monkeypatch.setattr(codes, "FaceDetector", lambda: everywhere)
    status, out, err = run("fit", folder, "--samples", 24, "--method", "shift")
    assert status == 0, err
    assert "shift on 24 faces" in out
    status, _, err = run("edit", portrait, "--to", 50, "--model", folder)
    assert status == 0, err


def test_export_gives_the_same_pictures(run: Command, file: Path, tmp_path: Path):
    pytest.importorskip("onnxruntime")
    model = editor_of(file).model
    (done,) = export_parts(model, parts_of(model, None, None), tmp_path / "graphs", "onnx")
    ws = torch.from_numpy(seeded("code", (3, model.generator.num_ws, model.generator.config.w_dim)))
    shown, wanted = open_graph(done.path, "onnx")(ws), model.generator.synthesize(ws)
    assert (shown - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_other_programs_layouts_are_refused(run: Command, folder: Path, tmp_path: Path):
    for name in ("a.pt", "a.pkl", "a.pdparams"):
        status, _, err = run("convert", folder, tmp_path / name)
        assert status == 1
        assert "not a StyleGAN2" in err
        assert not (tmp_path / name).exists()


def small_dataset(folder: Path) -> Path:
    """Twelve blots of 32 px."""
    folder.mkdir()
    rows = ["file,split"]
    with tarfile.open(folder / "faces.tar", "w") as archive:
        for i in range(12):
            pixels = (seeded_picture(f"blot{i}", 32)[0].transpose(1, 2, 0) + 1) * 127.5
            stream, entry = io.BytesIO(), tarfile.TarInfo(f"{i:03}.png")
            Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
            entry.size = stream.tell()
            stream.seek(0)
            archive.addfile(entry, stream)
            rows.append(f"{entry.name},train")
    (folder / "faces.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_its_encoder_and_ager_are_trained_it_is_not(run: Command, folder: Path, tmp_path: Path):
    data = ("--data", small_dataset(tmp_path / "data"), "--threads", 1, "--set", "batch=4")
    status, _, err = run(*("train", "generator", "--from", folder, "--run", tmp_path / "g", *data))
    assert status == 1
    assert "is lucidrains' network: only StyleGAN2 can be trained; its encoder" in err
    status, _, err = run(
        *("train", "encoder", folder, "--run", tmp_path / "e", *data, "--kimg", 0.008)
    )
    assert status == 0, err
    made = load_model(tmp_path / "e" / "model")
    before = load_model(folder).generator.state_dict()
    halves = {name: tensor.half().float() for name, tensor in before.items()}
    assert all(torch.equal(t, halves[n]) for n, t in made.generator.state_dict().items())
    editor = editor_of(tmp_path / "e" / "model")
    assert isinstance(editor.latents.encoder, Encoder)
    assert editor.latents.encoder.config.num_ws == 4
    status, _, err = run(
        *("train", "encoder", folder, "--run", tmp_path / "t", *data, "--kimg", 0.008),
        *("--set", "generator.lr=0.01"),
    )
    assert status == 0, err
    tuned = load_model(tmp_path / "t" / "model").generator.state_dict()
    assert not torch.equal(tuned["synthesis.first.weight"], halves["synthesis.first.weight"])
    less = ("--set", "judge_kimg=0.064", "--kimg", 0.008)
    status, _, err = run(
        *("train", "ager", tmp_path / "e" / "model", "--run", tmp_path / "a", *data, *less)
    )
    assert status == 0, err
    assert json.loads((tmp_path / "a" / "model" / "config.json").read_text())["generator"]["kind"]
