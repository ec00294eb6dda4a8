"""A photo edited by an ager that works on pixels: what changes, what may not, what is said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from made_fran import KNOWN_CHANGE, NARROW, known_fran, save_graph, save_state, seeded_fran
from reage.agers.fran import FranAger
from reage.cli.main import main
from reage.editor import Editor, load
from reage.errors import ModelError, UsageError
from reage.images import photo_from_array
from reage.inversion.projection import ProjectConfig
from reage.models.files import file_sha256
from reage.networks.agers.fran import FranPlain


@pytest.fixture(scope="module")
def known_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_state(known_fran(), tmp_path_factory.mktemp("fran") / "best_unet_model.pth")


@pytest.fixture(scope="module")
def known(known_file: Path) -> Editor:
    return load(known_file, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def photo_file(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "portrait.png"
    Image.fromarray(astronaut).save(path)
    return path


def moved(editor: Editor, rgb: np.ndarray, strength: float) -> np.ndarray:
    """What a strength changes, `[H, W, 3]` in steps of the photo."""
    photo = photo_from_array(rgb)
    faces = editor.prepare(photo, editor.choose_faces(photo))
    edit = editor.move(photo, faces, editor.given_ager(), [strength])[0]
    return edit.photo.pixels.astype(int) - rgb


def test_the_known_change_lands_in_the_face_and_nowhere_else(known: Editor, astronaut: np.ndarray):
    rgb = np.clip(astronaut, 40, 215)  # so that nothing is cut off
    change = moved(known, rgb, 3.0)
    face = known.detector.detect(rgb)[0]
    expected = np.array(KNOWN_CHANGE) * 0.3 * 255
    nose = np.rint(face.points[2]).astype(int)
    assert change[nose[1], nose[0]] == pytest.approx(expected, abs=1)
    for channel, full in enumerate(expected):  # nowhere more than all of it, or the other way
        assert (np.sign(full) * change[..., channel]).min() >= 0
        assert np.abs(change[..., channel]).max() <= round(abs(full)) + 1
    changed = (change != 0).any(2)
    assert 0.02 < changed.mean() < 0.5
    for edge in (changed[0], changed[-1], changed[:, 0], changed[:, -1]):
        assert not edge.any()


def test_no_face_is_inverted_and_the_report_says_what_was_read(
    known: Editor, astronaut: np.ndarray
):
    result = known.edit(astronaut, [20, 60], quality="fast")
    assert result.inverted == () and result.perceptual is None
    assert len(result.prepared) == 1 and result.prepared[0].code is None
    assert result.fingerprint == known.fingerprint()
    for edit, asked in zip(result.edits, (20, 60), strict=True):
        face = edit.faces[0]
        assert face.asked == asked and face.psnr is None
        assert abs(face.before.age + 10 * face.strength) <= 90.01
        # It adds a tint, which is no age: the reading says so.
        assert abs(face.after.age - asked) < 2.5 or face.limit is not None
    assert result.edits[1].faces[0].limit == FranAger.edge
    assert result.edits[0].faces[0].strength <= 0 <= result.edits[1].faces[0].strength


def test_a_large_face_gets_the_change_from_a_smaller_size(known: Editor, astronaut: np.ndarray):
    rgb = np.clip(astronaut, 40, 215)
    large = np.asarray(Image.fromarray(rgb).resize((1280, 1280), Image.Resampling.BICUBIC))
    photo = photo_from_array(large)
    faces = known.prepare(photo, known.choose_faces(photo), quality="fast")
    assert faces[0].view.crop.resolution == 512 < np.ptp(faces[0].view.crop.quad[:, 0])
    edit = known.move(photo, faces, known.given_ager(), [3.0])[0]
    nose = np.rint(faces[0].view.face.points[2]).astype(int)
    change = edit.photo.pixels[nose[1], nose[0]].astype(int) - large[nose[1], nose[0]]
    assert change == pytest.approx(np.array(KNOWN_CHANGE) * 0.3 * 255, abs=1)


def test_a_graph_edits_as_the_torch_file_does(astronaut: np.ndarray, tmp_path: Path):
    pytest.importorskip("onnxruntime")
    network = seeded_fran(FranPlain(NARROW))
    files = (save_state(network, tmp_path / "fran.pth"), save_graph(network, tmp_path / "f.onnx"))
    by_torch, by_graph = (
        moved(load(file, device="cpu", precision="float32"), astronaut, 2.0) for file in files
    )
    assert np.abs(by_torch).max() > 5
    assert np.abs(by_torch - by_graph).max() <= 1


def test_it_is_given_as_a_direction_too(known_file: Path, small_folder: Path):
    editor = load(small_folder, device="cpu", direction=known_file)
    assert isinstance(editor.ager, FranAger) and editor.model.config.name == "small"
    with pytest.raises(UsageError, match="is an ager itself"):
        load(known_file, direction=known_file)


def test_what_needs_codes_refuses_it(known: Editor, astronaut: np.ndarray):
    photo = photo_from_array(astronaut)
    with pytest.raises(ModelError, match="works on photos, without latent codes"):
        known.invert(photo, known.choose_faces(photo))
    with pytest.raises(ModelError, match="best_unet_model is an ager that works on photos"):
        _ = known.latents
    assert known.required_ager() is known.given_ager()  # it is of age


def test_a_face_in_the_models_square_is_not_taken_for_one_in_its_own(
    known_file: Path, small_folder: Path, astronaut: np.ndarray
):
    editor = load(small_folder, device="cpu", direction=known_file)
    photo = photo_from_array(astronaut)
    faces = editor.choose_faces(photo)
    inverted = editor.invert(photo, faces, config=ProjectConfig(step=1))
    with pytest.raises(ModelError, match=r"^best_unet_model .* another square .* model small;"):
        editor.trace(photo, inverted)
    assert editor.trace(photo, editor.prepare(photo, faces)).curves[1].ages.numel() > 1


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command: its exit code and what it says of mistakes."""

    def command(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        assert isinstance(caught.value.code, int)
        return caught.value.code, capsys.readouterr().err

    return command


def test_the_command_edits_and_writes_a_report(
    run: Run, known_file: Path, photo_file: Path, tmp_path: Path
):
    code, said = run("edit", photo_file, "--to", "60", "--model", known_file, "-o", tmp_path)
    assert code == 0, said
    report = json.loads((tmp_path / "portrait-age60-reage.json").read_text())
    assert report["model"]["name"] == "best_unet_model"
    assert report["model"]["ager_fingerprint"] == file_sha256(known_file)
    assert len(report["model"]["fingerprint"]) == 64 and "generator_hash" not in report["model"]
    assert report["faces"][0]["inversion"] is None and report["perceptual_loss"] is None
    assert Image.open(tmp_path / "portrait-age60.png").size == Image.open(photo_file).size


def test_strengths_are_decades(run: Run, known_file: Path, photo_file: Path, tmp_path: Path):
    given = ("--direction", known_file, "--strength", "2:3:1")
    code, said = run("edit", photo_file, *given, "--output", tmp_path)
    assert code == 0, said
    assert (tmp_path / "portrait-move+2.png").is_file()


def test_a_batch_takes_it(run: Run, known_file: Path, photo_file: Path, tmp_path: Path):
    code, said = run("batch", photo_file.parent, tmp_path, "--to", "60", "--model", known_file)
    assert code == 0, said
    assert (tmp_path / "portrait-age60.png").is_file()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["edit", "PHOTO", "--to", "60", "--model", "BAD"], "takes x .* an ager takes one"),
        (["project", "PHOTO", "--model", "FRAN", "-o", "OUT"], "without latent codes of faces"),
        (["convert", "FRAN", "OUT/model"], "without a generator"),
        (["fit", "FRAN", "--samples", "50"], "without a generator"),
        (["serve", "--model", "FRAN"], "without latent codes of faces"),
    ],
)
def test_mistakes_are_one_line(
    run: Run, command: list[str], message: str, known_file: Path, photo_file: Path, tmp_path: Path
):
    onnx = pytest.importorskip("onnx")
    item = onnx.helper.make_tensor_value_info("x", 1, [1, 4, 8, 8])
    node = onnx.helper.make_node("Identity", ["x"], ["x2"])
    out = onnx.helper.make_tensor_value_info("x2", 1, [1, 4, 8, 8])
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", [item], [out])),
        tmp_path / "bad.onnx",
    )
    names = {"PHOTO": photo_file, "FRAN": known_file, "BAD": tmp_path / "bad.onnx"}
    names |= {"OUT": tmp_path / "out", "OUT/model": tmp_path / "out"}
    code, said = run(*(names.get(word, word) for word in command))
    assert code == 1, said
    lines = [line for line in said.splitlines() if not line.startswith("note: perceptual")]
    assert len(lines) == 1 and lines[0].startswith("reage: "), said
    assert re.search(message, lines[0]), said
