"""Numbered pictures in and out, and layers: recomposed, they are the program's own result."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

pytest.importorskip("av")

from made_video import CUT, draw, write

from made import Command
from reage.cli.main import main
from reage.compositing.layer_files import read_layers
from reage.compositing.layers import recompose
from reage.editor import Editor
from reage.errors import FaceError, ImageError, UsageError
from reage.video.config import VideoConfig, work_folder
from reage.video.run import edit_video
from reage.video.sequence import (
    Picture,
    SequenceSource,
    frame_path,
    is_sequence,
    open_source,
    rgb16,
    write_picture,
)
from reage.video.storage import choose_storage

FRAMES = 3
FIRST = 1001
TO = VideoConfig(to=60, rate=Fraction(10))


@pytest.fixture
def shot(people: Any, tmp_path: Path) -> Path:
    """Three numbered PNGs of 8 bits."""
    folder = tmp_path / "shot"
    folder.mkdir()
    for number in range(FRAMES):
        Image.fromarray(draw(CUT + number, *people)).save(folder / f"a.{FIRST + number:04d}.png")
    return folder / "a.%04d.png"


def shown(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_patterns_and_names(tmp_path: Path):
    assert is_sequence(tmp_path / "a.%04d.exr") and is_sequence(tmp_path / "%d.png")
    for name in ("a.%04d.mp4", "100%.png", "a.png", "%d.%d.png", "%s.png", "a%04x.png"):
        assert not is_sequence(tmp_path / name)
    (tmp_path / "b.%04d.png").write_bytes(b"a file of this very name")
    assert not is_sequence(tmp_path / "b.%04d.png")
    assert frame_path(Path("a.%04d.png"), 12).name == "a.0012.png"
    assert frame_path(Path("a.%d.png"), 12).name == "a.12.png"


@pytest.mark.parametrize(
    ("suffix", "bits"),
    [("png", 8), ("png", 16), ("tiff", 8), ("tiff", 16), ("exr", 32), ("dpx", 10), ("dpx", 16)],
)
def test_pictures_survive_their_files(suffix: str, bits: int, tmp_path: Path):
    if suffix == "exr":
        pytest.importorskip("OpenEXR")
    steps = 2 ** min(bits, 16) - 1
    levels = np.random.default_rng(0).integers(0, steps + 1, (24, 32, 3))
    rgb = np.rint(levels / steps * 65535).astype(np.uint16)
    alpha = None if suffix == "dpx" else rgb[..., 0]
    write_picture(tmp_path / f"a.0001.{suffix}", Picture(rgb, alpha, None, bits), "mark")
    (frame,) = open_source(tmp_path / f"a.%04d.{suffix}").frames()
    found = frame.read()  # type: ignore[attr-defined]
    assert found.bits == bits
    assert np.abs(found.rgb.astype(int) - rgb).max() <= (64 if bits == 10 else 1)
    if alpha is not None:
        assert np.abs(found.alpha.astype(int) - alpha).max() <= 1


def test_planes_of_a_picture_are_its_colours(shot: Path):
    frame = next(open_source(shot).frames())
    away = rgb16(frame.planes()).astype(int) - frame.read().rgb  # type: ignore[attr-defined]
    assert np.abs(away).max() <= 3


def test_numbers_stay_and_untouched_pixels_too(shot: Path, small_editor: Editor, tmp_path: Path):
    edit_video(small_editor, shot, tmp_path / "o.%05d.png", TO)
    names = [f"o.{FIRST + number:05d}.png" for number in range(FRAMES)]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == names
    assert not work_folder(tmp_path / "o.%05d.png").exists()
    for number, name in enumerate(names):
        before, after = shown(frame_path(shot, FIRST + number)), shown(tmp_path / name)
        changed = (before != after).any(2)
        assert changed.any()
        assert not changed[:, :60].any()


def test_the_folder_of_new_pictures_is_made(shot: Path, small_editor: Editor, tmp_path: Path):
    new = tmp_path / "new" / "shots"
    edit_video(small_editor, shot, new / "o.%04d.png", TO)
    assert {path.name for path in new.iterdir()} == {f"o.{FIRST + n}.png" for n in range(FRAMES)}
    with pytest.raises(FaceError):
        edit_video(small_editor, shot, tmp_path / "no" / "o.%04d.png", replace(TO, which=7))
    assert not (tmp_path / "no").exists()


def test_neither_pictures_nor_layers_replace_the_input_or_each_other(
    shot: Path, small_editor: Editor, tmp_path: Path
):
    """`a.%d.png` names the pictures of `a.%04d.png`; layers are numbered too."""
    before = shown(frame_path(shot, FIRST))
    with pytest.raises(UsageError, match="would be replaced"):
        edit_video(small_editor, shot, shot.with_name("a.%d.png"), TO, overwrite=True)
    for number in range(FIRST, FIRST + FRAMES):
        tifffile.imwrite(tmp_path / f"{number:06d}.matte.tiff", before)
    layers = replace(TO, layers=tmp_path, layer_format="tiff")
    masks = tmp_path / "%06d.matte.tiff"
    with pytest.raises(UsageError, match="would be replaced"):
        edit_video(small_editor, masks, tmp_path / "new" / "o.%d.png", layers, overwrite=True)
    with pytest.raises(UsageError, match="the same names"):
        edit_video(small_editor, shot, masks, layers, overwrite=True)
    assert np.array_equal(shown(frame_path(shot, FIRST)), before)
    assert not (tmp_path / "new").exists()


def test_one_picture_of_a_sequence_is_no_video(tmp_path: Path):
    (tmp_path / "a.1003.exr").touch()
    with pytest.raises(UsageError, match=r"give numbered ones as a.%04d.exr"):
        open_source(tmp_path / "a.1003.exr")


@pytest.mark.parametrize("format", ["exr", "tiff"])
def test_layers_give_the_result_again(
    format: Any, shot: Path, small_editor: Editor, tmp_path: Path
):
    if format == "exr":
        pytest.importorskip("OpenEXR")
    folder = tmp_path / "layers"
    config = replace(TO, layers=folder, layer_format=format)
    edit_video(small_editor, shot, tmp_path / "o.%04d.png", config)
    for number in range(FIRST, FIRST + FRAMES):
        original = shown(frame_path(shot, number)) / np.float32(255)
        layers = read_layers(folder, f"{number:06d}", original, format)
        assert np.abs(layers.change).max() > 0.01 and layers.matte.max() > 0.9
        again = np.rint(255 * recompose(original, layers))
        result = shown(tmp_path / f"o.{number:04d}.png")
        assert np.abs(again - result).max() <= 1


def test_light_beyond_white_stays(people: Any, small_editor: Editor, tmp_path: Path):
    exr = pytest.importorskip("OpenEXR")
    from reage.images.exr import read_exr, to_linear

    for number in range(FRAMES):
        light = to_linear(draw(CUT + number, *people) / np.float32(255))
        light[:20, :20] = 7.5
        with exr.File({}, {"RGB": light}) as file:
            file.write(str(tmp_path / f"a.{number:04d}.exr"))
    edit_video(small_editor, tmp_path / "a.%04d.exr", tmp_path / "o.%04d.exr", TO)
    before, after = (read_exr(tmp_path / f"{name}.0001.exr") for name in "ao")
    assert np.array_equal(before["G"][:, :60], after["G"][:, :60])
    assert after["G"].dtype == np.float32 and after["G"][5, 5] == 7.5
    assert (before["G"] != after["G"]).any()


def test_pictures_become_a_video_and_back(shot: Path, small_editor: Editor, tmp_path: Path):
    edit_video(small_editor, shot, tmp_path / "o.mp4", TO)
    made = open_source(tmp_path / "o.mp4")
    assert made.rate == 10
    assert [made.seconds(frame.pts) for frame in made.frames()] == [0.0, 0.1, 0.2]
    edit_video(small_editor, tmp_path / "o.mp4", tmp_path / "p.%04d.tiff", TO)
    assert sorted(p.name for p in tmp_path.glob("*.tiff")) == [f"p.000{n}.tiff" for n in (1, 2, 3)]


def test_missing_numbers_and_other_channels_are_said(shot: Path, tmp_path: Path):
    frame_path(shot, FIRST + 1).unlink()
    source = open_source(shot)
    assert isinstance(source, SequenceSource)
    assert list(source.facts.lost) == ["1 number without a picture"]
    assert [frame.pts for frame in source.frames(FIRST + 1)] == [FIRST + 2]


def test_what_is_no_sequence(shot: Path, small_editor: Editor, tmp_path: Path, people: Any):
    with pytest.raises(ImageError, match="there is no such picture"):
        open_source(tmp_path / "none.%04d.png")
    Image.new("RGB", (64, 64)).save(frame_path(shot, FIRST + 1))
    with pytest.raises(ImageError, match="give pictures of one size"):
        edit_video(small_editor, shot, tmp_path / "o.%04d.png", TO)
    frame_path(shot, FIRST).write_bytes(b"no picture")
    with pytest.raises(ImageError, match="1001"):
        open_source(shot)
    (tmp_path / "p.0001.png").write_bytes(b"earlier")
    clip = write(tmp_path / "a.mp4", [draw(CUT, *people)], [0], audio=False)
    with pytest.raises(ImageError, match=r"p\.0001\.png exists already"):
        edit_video(small_editor, clip, tmp_path / "p.%04d.png", TO)


@pytest.mark.parametrize("rate", ["x", "0", "1/0", "1e9", "9" * 5000, "-24", "nan"])
def test_a_rate_that_is_none(rate: str, shot: Path, capsys: Any):
    with pytest.raises(SystemExit) as caught:
        main(["video", str(shot), "--to", "60", "--rate", rate])
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_layers_that_are_there_are_not_overwritten(
    people: Any, small_folder: Path, tmp_path: Path, capsys: Any
):
    Image.fromarray(people[0]).save(tmp_path / "a.png")
    (tmp_path / "layers").mkdir()
    there = tmp_path / "layers" / "a-age70.matte.tiff"
    there.write_bytes(b"mine")
    with pytest.raises(SystemExit) as caught:
        main(["edit", str(tmp_path / "a.png"), "--to", "70", "-o", str(tmp_path / "out"),
              "--layers", str(tmp_path / "layers"), "--layer-format", "tiff",
              "--model", str(small_folder)])  # fmt: skip
    assert caught.value.code == 1 and "exists already" in capsys.readouterr().err
    assert there.read_bytes() == b"mine" and not (tmp_path / "out").exists()


def test_layers_of_a_photo(people: Any, small_folder: Path, tmp_path: Path, capsys: Any):
    Image.fromarray(people[0]).save(tmp_path / "a.png")
    with pytest.raises(SystemExit) as caught:
        main(["edit", str(tmp_path / "a.png"), "--to", "70", "-o", str(tmp_path / "out"),
              "--layers", str(tmp_path / "layers"), "--layer-format", "tiff",
              "--model", str(small_folder)])  # fmt: skip
    assert not caught.value.code, capsys.readouterr().err
    original = people[0] / np.float32(255)
    layers = read_layers(tmp_path / "layers", "a-age70", original, "tiff")
    again = np.rint(255 * recompose(original, layers))
    assert np.abs(again - shown(tmp_path / "out" / "a-age70.png")).max() <= 1


def test_where_layers_cannot_be_written_no_picture_appears(
    people: Any,
    small_folder: Path,
    tmp_path: Path,
    reage_command: Command,
    monkeypatch: pytest.MonkeyPatch,
):
    """A full disk ended in a traceback, beside a picture without its layers."""
    exr = pytest.importorskip("OpenEXR")

    class Full(exr.File):
        def write(self, name: str) -> None:
            Path(name).write_bytes(b"half")
            raise RuntimeError(f'Failed to write pixel data to "{name}". No space left on device.')

    monkeypatch.setattr(exr, "File", Full)
    Image.fromarray(people[0]).save(tmp_path / "a.png")
    words = (
        "edit",
        tmp_path / "a.png",
        "--to",
        70,
        "-o",
        tmp_path / "out",
        "--model",
        small_folder,
    )
    status, out, err = reage_command(*words, "--layers", tmp_path / "layers")
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "No space left on device" in err
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("name", ["o.png", "o.%04d.jpg"])
def test_an_unknown_suffix_names_numbered_pictures_too(name: str, shot: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"or numbered pictures such as o\.%04d\.png"):
        choose_storage(open_source(shot), tmp_path / name)
