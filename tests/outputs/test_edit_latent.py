"""reage edit --latent: codes from the field's files, shown at other ages without a photo."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from made import Command, random
from reage.agers.direction import move
from reage.agers.direction_ager import DirectionAger
from reage.editor import load
from reage.images import to_array
from reage.inversion.latent_files import Latents, Picture, read_latents, write_latents
from reage.models.checkpoints import Model
from reage.outputs import strip

Edit = Callable[..., tuple[int, str, str]]
WORDS = ("--device", "cpu", "--precision", "float32")


pytestmark = pytest.mark.usefixtures("any_likeness")


@pytest.fixture
def edit(reage_command: Command, small_folder: Path, tmp_path: Path) -> Edit:
    """Run `reage edit --latent` with the small model, into tmp_path/out."""

    def run(file: object, *words: object) -> tuple[int, str, str]:
        place = ("--model", small_folder, "-o", tmp_path / "out")
        return reage_command("edit", "--latent", file, *words, *place, *WORDS)

    return run


@pytest.fixture
def ws(small_model: Model) -> torch.Tensor:
    """Three codes of W+ that are the small model's own."""
    generator = small_model.generator
    codes = generator.mapping(random(3 * generator.num_ws, generator.config.z_dim))
    return codes.view(3, generator.num_ws, -1).clone()


def rosinality(ws: torch.Tensor) -> Picture:
    return Picture("ada.png", torch.zeros(3, 32, 32), [torch.zeros(1, 1, 4, 4)])


def pictures(folder: Path) -> Mapping[str, np.ndarray]:
    return {path.name: np.asarray(Image.open(path).convert("RGB")) for path in folder.glob("*.png")}


def test_every_format_gives_the_same_pictures(
    edit: Edit, ws: torch.Tensor, small_folder: Path, tmp_path: Path
):
    code, found = ws[:1], {}
    for name in ("code.npz", "code.npy", "code.pt", "code.safetensors"):
        write_latents(tmp_path / name, Latents(code), rosinality(code))
        direction = small_folder / "age.direction.safetensors"
        words = ("--strength", "0:1:1", "--direction", direction, "--overwrite")
        status, _, err = edit(tmp_path / name, *words)
        assert status == 0, err
        assert err == f"note: {name} does not name its generator; assuming small\n"
        found[name] = pictures(tmp_path / "out")
    first = found.pop("code.npz")
    assert first.keys() == {"code-move+0.png", "code-move+1.png", "code-moves+0-+1.png"}
    for others in found.values():
        assert all(np.array_equal(first[name], others[name]) for name in first)
    editor = load(small_folder, device="cpu", precision="float32")
    assert np.array_equal(first["code-move+0.png"], to_array(editor.latents.synthesize(code))[0])
    ager = editor.given_ager()
    assert isinstance(ager, DirectionAger)
    assert not np.array_equal(first["code-move+0.png"], first["code-move+1.png"])
    moved = to_array(editor.latents.synthesize(move(code, ager.direction, 1.0)))[0].astype(int)
    # The edit keeps a direction's colours in bounds, so the picture is near to it, not the same.
    still = abs(first["code-move+0.png"].astype(int) - moved).mean()
    assert abs(first["code-move+1.png"].astype(int) - moved).mean() < still


def test_w_is_every_level_of_w_plus(edit: Edit, ws: torch.Tensor, tmp_path: Path):
    w = ws[0, 0].numpy()
    np.save(tmp_path / "w.npy", w[None])
    np.savez(tmp_path / "wide.npz", w=np.repeat(w[None], ws.shape[1], 0)[None])
    for name in ("w.npy", "wide.npz"):
        status, out, err = edit(tmp_path / name, "--to", "40")
        assert status == 0, err
        assert Path(name).stem + "-age40.png" in out
    shown = pictures(tmp_path / "out")
    assert np.array_equal(shown["w-age40.png"], shown["wide-age40.png"])


def test_each_code_of_a_file_or_the_one_that_is_chosen(
    edit: Edit, ws: torch.Tensor, tmp_path: Path
):
    np.save(tmp_path / "codes.npy", ws.numpy())
    torch.save(
        {f"{name}.png": {"latent": code} for name, code in zip("abc", ws, strict=True)},
        tmp_path / "people.pt",
    )
    assert edit(tmp_path / "codes.npy", "--to", "40")[0] == 0
    whole = pictures(tmp_path / "out")
    for file in ("people.pt:b.png", "codes.npy:2"):
        status, _, err = edit(tmp_path / file, "--to", "40", "--overwrite")
        assert status == 0, err
    assert whole.keys() == {f"codes-{number}-age40.png" for number in range(3)}
    shown = pictures(tmp_path / "out")
    assert shown.keys() - whole.keys() == {"people-b.png-age40.png"}
    assert np.array_equal(shown["people-b.png-age40.png"], whole["codes-1-age40.png"])
    # Chosen by its number, a code has the same name and is the same.
    assert np.array_equal(shown["codes-2-age40.png"], whole["codes-2-age40.png"])
    assert not np.array_equal(whole["codes-0-age40.png"], whole["codes-1-age40.png"])


def test_the_report_says_what_was_shown(
    edit: Edit, ws: torch.Tensor, small_model: Model, tmp_path: Path
):
    known = Latents(ws[:1], {}, small_model.generator_hash)
    write_latents(tmp_path / "ada.latents.safetensors", known)
    status, _, err = edit(tmp_path / "ada.latents.safetensors", "--to", "40")
    assert (status, err) == (0, "")
    report = json.loads((tmp_path / "out" / "ada-age40-reage.json").read_text())
    assert report["latent"]["file"] == "ada.latents.safetensors"
    assert "photo" not in report
    assert (report["options"], report["perceptual_loss"]) == ({}, None)
    assert report["faces"][0]["inversion"] is None
    assert report["edits"][0]["file"] == "ada-age40.png"
    assert report["edits"][0]["faces"][0]["asked"] == 40


REFUSED: Mapping[str, tuple[Callable[[Path, torch.Tensor], object], str]] = {
    "wide.npy": (lambda file, ws: np.save(file, random(8, 64).numpy()), "holds [8, 64]; this"),
    "levels.npz": (lambda file, ws: np.savez(file, w=random(1, 18, 32).numpy()), "[1, 18, 32]"),
    "latent.npz": (lambda file, ws: np.savez(file, z=random(1, 32).numpy()), "codes of Z"),
    "both.npz:z": (
        lambda file, ws: np.savez(f"{file}"[:-2], w=ws.numpy(), z=ws.numpy()),
        "codes of Z",
    ),
    "seeds_z.npy": (lambda file, ws: np.save(file, ws.numpy()), "named as codes of Z"),
    "far.npy": (lambda file, ws: np.save(file, 100 * ws.numpy()), "as far from the average face"),
    "gone.npy": (lambda file, ws: None, "does not exist"),
    "other.safetensors": (
        lambda file, ws: write_latents(file, Latents(ws, {"model": "big"}, "ab" * 32)),
        "codes of big (abababababab), this is small",
    ),
    "two.npz": (lambda file, ws: np.savez(file, a=ws.numpy(), b=ws.numpy()), "choose one with"),
    "two.npz:c": (lambda file, ws: None, "does not exist"),
    "code.npy:7": (lambda file, ws: np.save(f"{file}"[:-2], ws.numpy()), "codes 0 to 2"),
    "one.npy:7": (lambda file, ws: np.save(f"{file}"[:-2], ws[:1].numpy()), "one code only"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_code_of_this_model_is_refused_in_one_line(
    name: str, edit: Edit, ws: torch.Tensor, tmp_path: Path
):
    make, reason = REFUSED[name]
    make(tmp_path / name, ws)
    status, out, err = edit(tmp_path / name, "--to", "40")
    assert (status, out) == (1, "")
    assert reason in err and len(err.splitlines()) == 1, err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--to", "40", "--paste", "delta"), "no --paste"),
        (("--to", "40", "--quality", "best"), "no --quality"),
        (("--to", "1=40"), "without FACE="),
        (("ada.jpg", "--to", "40"), "not ada.jpg"),
    ],
)
def test_what_belongs_to_photos_is_refused(
    words: tuple[str, ...], reason: str, edit: Edit, ws: torch.Tensor, tmp_path: Path
):
    np.save(tmp_path / "code.npy", ws.numpy())
    status, _, err = edit(tmp_path / "code.npy", *words)
    assert status == 2 and reason in err and len(err.splitlines()) == 1, err


def test_the_strip_calls_it_a_code(
    edit: Edit, ws: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    labels: list[str] = []
    plain = strip.draw_strip

    def seen(panels: Sequence[strip.Panel]) -> np.ndarray:
        labels.extend(panel.label for panel in panels)
        return plain(panels)

    monkeypatch.setattr(strip, "draw_strip", seen)
    np.save(tmp_path / "code.npy", ws[:1].numpy())
    assert edit(tmp_path / "code.npy", "--to", "30", "--to", "40")[0] == 0
    assert labels == ["code", "30", "40"]


def test_earlier_pictures_stay(edit: Edit, ws: torch.Tensor, tmp_path: Path):
    np.save(tmp_path / "code.npy", ws[:1].numpy())
    assert edit(tmp_path / "code.npy", "--to", "40")[0] == 0
    status, _, err = edit(tmp_path / "code.npy", "--to", "40")
    assert status == 1 and "--overwrite" in err


@pytest.fixture
def project(reage_command: Command, small_folder: Path, tmp_path: Path) -> Edit:
    """Run `reage project` with the small model on one aligned picture, into tmp_path/codes."""
    Image.effect_noise((32, 32), 60).convert("RGB").save(tmp_path / "ada.png")

    def run(*words: object) -> tuple[int, str, str]:
        place = ("--model", small_folder, "-o", tmp_path / "codes")
        return reage_command(
            "project", tmp_path / "ada.png", "--no-crop", "--step", "2", *words, *place, *WORDS
        )

    return run


@pytest.mark.parametrize("moved_noise", [False, True])
def test_project_writes_codes_for_others(
    moved_noise: bool, project: Edit, edit: Edit, small_model: Model, tmp_path: Path
):
    also = ("--also", "npz", "--also", "npy", "--also", "pt")
    status, out, err = project(*also, *(["--optimize-noise"] if moved_noise else []))
    assert status == 0, err
    folder, generator = tmp_path / "codes", small_model.generator
    (ws,) = read_latents(folder / "ada.latents.safetensors", 8, 32).ws
    with np.load(folder / "ada.latents.npz") as nvidia:
        assert nvidia.files == ["w"]
        assert np.array_equal(nvidia["w"], ws[None].numpy())
    assert np.array_equal(np.load(folder / "ada.latents.npy"), ws[None].numpy())
    (person,) = torch.load(folder / "ada.latents.pt", weights_only=True).items()
    assert person[0] == "ada.png"
    assert person[1].keys() == {"img", "latent", "noise"}
    assert torch.equal(person[1]["latent"], ws)
    shown = generator.synthesize(ws[None], noise=person[1]["noise"])[0, :3]
    assert torch.allclose(person[1]["img"], shown, atol=1e-5)
    stored = generator.synthesis.noise_layers[2].noise_const
    assert torch.equal(person[1]["noise"][2][0, 0], stored) is not moved_noise
    for suffix in ("npz", "npy", "pt"):
        assert f"ada.latents.{suffix}" in out
        assert edit(folder / f"ada.latents.{suffix}", "--to", "40", "--overwrite")[0] == 0


def test_project_keeps_earlier_codes_for_others(project: Edit, tmp_path: Path):
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "ada.latents.npz").write_text("mine")
    status, _, err = project("--also", "npz")
    assert status == 1 and "ada.latents.npz exists already" in err
    assert [path.name for path in (tmp_path / "codes").iterdir()] == ["ada.latents.npz"]
