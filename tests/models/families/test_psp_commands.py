"""`reage edit`, `convert` and `models inspect` with files of pSp and its heirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_checkpoints import made_checkpoint, published
from PIL import Image

from made import Command, face_at
from reage.agers.latent import SamAger
from reage.compositing.view import view_crop
from reage.editor import Editor
from reage.editor import load as load_editor
from reage.faces.squares import FaceCrop
from reage.images import to_array, to_tensor
from reage.inputs import as_photo
from reage.inversion.projection import ProjectConfig
from seeded import seeded

STEPLESS = ProjectConfig(step=1)  # the code where the losses are taken first: the encoder's


@pytest.fixture
def run(reage_command: Command, two_steps: None, any_likeness: None) -> Command:
    """Run a command; inversions take few steps, and any likeness will do."""
    return reage_command


@pytest.fixture
def portrait(astronaut: np.ndarray, tmp_path: Path) -> Path:
    Image.fromarray(astronaut).save(tmp_path / "ada.png")
    return tmp_path / "ada.png"


def crop_for(editor: Editor, picture: np.ndarray) -> FaceCrop:
    photo = as_photo(picture)
    face, space = editor.choose_faces(photo)[1], editor.latents
    return view_crop(photo.pixels, face, space.alignment, space.resolution)


@pytest.mark.parametrize("family", ["psp", "e4e", "restyle_e4e", "sam"])
def test_a_model_folder_made_of_it_does_the_same(
    run: Command, family: str, tmp_path: Path, astronaut: np.ndarray
):
    file, folder = made_checkpoint(family, tmp_path), tmp_path / "folder"
    assert run("convert", file, folder)[0] == 0
    first, second = (load_editor(m, precision="float32") for m in (file, folder))
    assert first.model.config.alignment.scale == 1.0  # FFHQ's
    crop = crop_for(first, astronaut)
    ws = first.latents.project(crop, STEPLESS).ws
    assert torch.equal(ws, second.latents.project(crop, STEPLESS).ws)
    assert not torch.equal(ws, first.latents.project(crop, STEPLESS, encoder=False).ws)
    if family == "sam":
        ager, again = first.required_ager(), second.required_ager()
        assert isinstance(ager, SamAger)
        assert isinstance(again, SamAger)
        assert ager.fingerprint == again.fingerprint
        face, ages = face_at(40.0, to_tensor(crop.image), ws=ws), torch.tensor([50.0, 20.0])
        codes = ager.codes(face, ages)
        assert torch.equal(codes, again.codes(face, ages)) and not torch.allclose(codes, ws)


def test_a_photo_is_edited_with_sam_s_file_as_it_is(run: Command, portrait: Path, tmp_path: Path):
    status, _, err = run("edit", portrait, "--to", 70, "--model", made_checkpoint("sam", tmp_path))
    assert status == 0, err
    assert (tmp_path / "ada-age70.png").is_file()


def test_sam_looks_at_the_photo_not_at_what_was_made_of_it(tmp_path: Path, astronaut: np.ndarray):
    editor = load_editor(made_checkpoint("sam", tmp_path), precision="float32")
    photo, ager = as_photo(astronaut), editor.required_ager()
    assert isinstance(ager, SamAger)
    (face,) = editor.invert(photo, editor.choose_faces(photo), config=STEPLESS)
    own = face.view.reading.age
    ages = torch.tensor([own + 20, own])
    older, same = ager.own_codes(to_tensor(face.view.crop.image), face.ws, ages)
    picture = editor.latents.synthesize(face.ws + older - same)
    made = replace(face, paste="none")
    moved = editor.move(photo, [made], ager, [2.0])[0].photo.pixels
    assert np.abs(moved.astype(int) - to_array(picture)[0].astype(int)).max() <= 1
    assert np.abs(moved.astype(int) - to_array(face.base)[0].astype(int)).max() > 1


def test_a_photo_is_edited_with_psp_s_file_and_a_direction(
    run: Command, portrait: Path, tmp_path: Path
):
    np.save(tmp_path / "age.npy", seeded("age", (8, 48)))
    command = ("edit", portrait, "--model", made_checkpoint("psp", tmp_path))
    status, _, err = run(*command, "--to", "70")
    assert status == 1
    assert "no age direction" in err
    command = (*command, "--direction", tmp_path / "age.npy")
    status, _, err = run(*command, "--to", "70")
    assert status == 1
    assert "it is not of age" in err  # numbers at random, as the weights are
    status, _, err = run(*command, "--strength", "1")
    assert status == 0, err
    assert [path.name for path in tmp_path.glob("ada-*.png")]


@pytest.mark.parametrize(
    ("family", "shown"),
    [
        ("psp", ["pSp", "IR-SE of 24 blocks, 3 channels of 256 px, a head a level on three maps"]),
        ("e4e", ["e4e", "offsets to the first"]),
        ("restyle_psp", ["ReStyle over pSp", "6 channels", "3 passes"]),
        ("restyle_e4e", ["ReStyle over e4e", "on the last map, offsets to the first, 3 passes"]),
        ("sam", ["SAM", "4 channels", "pretrained encoder  IR-SE of 24 blocks, 3 channels"]),
        ("psp_w", ["one code for all levels", "latent average      [1, 48]"]),
        ("psp_wplus", ["one layer for all levels", "latent average      [8, 48]"]),
    ],
)
def test_inspect_says_what_a_file_is(run: Command, tmp_path: Path, family: str, shown: list[str]):
    status, out, _ = run("models", "inspect", made_checkpoint(family, tmp_path))
    assert status == 0
    assert "32 px, channels 16 16 64 16, 8 levels of 48, 8 mapping layers" in out
    assert "unknown keys        none" in out
    for text in shown:
        assert text in out


def test_inspect_names_keys_that_are_unknown_missing_and_unused(run: Command, tmp_path: Path):
    content = published("psp")
    content["state_dict"]["encoder.extra.weight"] = torch.ones(1)
    content["state_dict"]["blender.0.weight"] = torch.ones(1)
    del content["state_dict"]["encoder.latlayer2.bias"]
    torch.save(content | {"optimizer": {}}, tmp_path / "odd.pt")
    status, out, _ = run("models", "inspect", tmp_path / "odd.pt")
    assert status == 0
    assert "blender.*, encoder.extra.weight" in out
    assert "lacks encoder.latlayer2.bias" in out
    assert "optimizer" in out


def test_inspect_of_the_embedded_model_and_of_nothing(run: Command):
    status, out, _ = run("models", "inspect", "faces128")
    assert status == 0
    assert "model folder" in out
    assert "residual, 128 px" in out
    assert run("models", "inspect")[0] == 2
    assert run("models", "faces128", "x")[0] == 2
