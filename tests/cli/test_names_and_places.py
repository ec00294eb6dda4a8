"""Odd names, full disks, pipes and links: one line each, the others are done, nothing is left."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from made import Command
from reage.images import read_photo
from reage.notices import merge_notices, one_line

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
Edit = Callable[..., tuple[int, str, str]]


@pytest.fixture
def edit(reage_command: Command, small_folder: Path, two_steps: None) -> Edit:
    """`reage edit` with a tiny model."""
    return lambda *given: reage_command(
        "edit", "--model", small_folder, "--precision", "float32", "--to", 40, *given
    )


@pytest.fixture
def photo(astronaut: np.ndarray, tmp_path: Path) -> Path:
    Image.fromarray(astronaut).save(tmp_path / "ada.jpg")
    return tmp_path / "ada.jpg"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


ODD = [
    "a 100%d.jpg",
    "-x.jpg",
    "new\nline.jpg",
    "c:d.jpg",
    "\x1b[31m.jpg",
    os.fsdecode(b"b\xff.jpg"),
]


@linux
@pytest.mark.parametrize("name", ODD)
def test_a_name_is_a_name(edit: Edit, photo: Path, name: str, tmp_path: Path):
    odd = photo.rename(tmp_path / name)
    status, out, err = edit("--output", tmp_path / "out", odd)
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 1
    assert "\x1b" not in out
    stem = name.removesuffix(".jpg")
    assert names(tmp_path / "out") == {f"{stem}-age40.jpg", f"{stem}-age40-reage.json"}
    report = json.loads((tmp_path / "out" / f"{stem}-age40-reage.json").read_text())
    assert report["photo"]["file"] == name


@linux
def test_one_bad_input_stops_no_other(edit: Edit, photo: Path, tmp_path: Path):
    bad = [tmp_path / name for name in ("absent.jpg", "loop.jpg", "pipe.jpg", "text.jpg")]
    bad[1].symlink_to(bad[1])
    os.mkfifo(bad[2])
    bad[3].write_text("hello")
    bad.append(tmp_path / os.fsdecode(b"bad\xff.jpg"))
    bad[4].write_text("hello")
    status, out, err = edit("--output", tmp_path / "out", *bad, photo)
    assert status == 1
    assert len(out.splitlines()) == 1
    assert len(err.splitlines()) == len(bad) + 1
    assert names(tmp_path / "out") == {"ada-age40.jpg", "ada-age40-reage.json"}


@pytest.mark.parametrize("length", [246, 235, 234])
def test_names_too_long_are_said_before_the_work(edit: Edit, photo: Path, length: int):
    """The report's name is the longest: it fits up to 234."""
    long = photo.rename(photo.with_name("l" * length + ".jpg"))
    status, out, err = edit("--to", 50, long)
    if length + len("-ages40-50-reage.json") <= 255:
        assert status == 0
        return
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "File name too long" in err
    assert names(photo.parent) == {long.name}


def test_a_photo_without_a_suffix_keeps_its_format(edit: Edit, photo: Path, tmp_path: Path):
    Image.open(photo).save(tmp_path / "IMG_1", "PNG")
    status, _, err = edit(tmp_path / "IMG_1")
    assert (status, err) == (0, "")
    assert read_photo(tmp_path / "IMG_1-age40.png").format == "PNG"


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_disk_that_gets_full_leaves_nothing(
    edit: Edit, photo: Path, tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
):
    """Two pictures, a strip and a report are written: whichever fails, all are missing."""
    write, written = Path.write_bytes, []

    def fill(self: Path, data: bytes) -> int:
        written.append(self)
        if len(written) > number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", fill)
    status, out, err = edit("--to", 50, "--output", tmp_path / "new" / "out", photo)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "No space left on device" in err
    assert names(tmp_path) == {"ada.jpg"}


def test_sheets_of_heads_replace_no_picture_unasked(
    reage_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """They bear the heads' names: in the heads' own folder they would take their places."""
    row = SimpleNamespace(name="ada", age=40.0)
    monkeypatch.setattr("reage.fitting.heads.read_heads", lambda *_: [row])
    monkeypatch.setattr("reage.fitting.heads.read_pictures", lambda *_: [])
    monkeypatch.setattr("reage.evaluation.head_sheet.choose_heads", lambda *_: [row])
    (tmp_path / "ada.png").write_bytes(b"the head itself")
    status, _, err = reage_command("head-sheet", tmp_path / "heads.csv", "-o", tmp_path)
    assert status == 1 and "ada.png exists already" in err
    assert (tmp_path / "ada.png").read_bytes() == b"the head itself"
    status, _, err = reage_command("head-sheet", tmp_path / "heads.csv", "-o", tmp_path / "a/new")
    assert (status, err) == (0, ""), "the folder is made"


def test_a_face_that_is_not_there_leaves_no_folder(edit: Edit, tmp_path: Path):
    Image.new("RGB", (64, 64)).save(tmp_path / "none.png")
    assert edit("--output", tmp_path / "a" / "b", tmp_path / "none.png")[0] == 1
    assert names(tmp_path) == {"none.png"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_an_edit_that_cannot_be_told_leaves_nothing(photo: Path, small_folder: Path):
    options = ["--to", "40", "--model", str(small_folder), "--precision", "float32"]
    options += ["--quality", "fast"]
    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            [sys.executable, "-m", "reage", "edit", str(photo), *options],
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert run.returncode == 1
    assert run.stderr == b"reage: the output cannot be written: No space left on device\n"
    assert names(photo.parent) == {"ada.jpg"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", [["--help"], ["--version"], ["models"], ["edit", "--help"]])
def test_a_full_standard_output_is_one_line(command: list[str]):
    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            [sys.executable, "-m", "reage", *command], stdout=full, stderr=subprocess.PIPE
        )
    assert run.returncode == 1
    assert run.stderr == b"reage: the output cannot be written: No space left on device\n"


@linux
@pytest.mark.parametrize("option", ["--direction", "--tuned", "--lpips", "--model", "--latent"])
def test_pipes_are_no_files_of_any_option(
    reage_command: Command, photo: Path, tmp_path: Path, small_folder: Path, option: str
):
    os.mkfifo(tmp_path / "pipe")
    given = [] if option == "--latent" else [photo, "--paste", "replace"]
    model = [] if option == "--model" else ["--model", small_folder]
    status, _, err = reage_command("edit", *given, "--to", 40, *model, option, tmp_path / "pipe")
    assert (status, len(err.splitlines())) == (1, 1)


@linux
def test_nothing_is_written_over_a_device(edit: Edit, photo: Path, tmp_path: Path):
    os.mkfifo(tmp_path / "ada-age40.jpg")
    status, _, err = edit("--overwrite", photo)
    assert status == 1
    assert "is a device or pipe" in err


def test_notices_of_the_photo_are_said_once_and_stand_in_the_report(
    edit: Edit, astronaut: np.ndarray, tmp_path: Path
):
    frames = [Image.fromarray(astronaut), Image.fromarray(astronaut[::-1])]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    status, _, err = edit("--to", 50, tmp_path / "a.gif")
    said = [line.removeprefix("note: ") for line in err.splitlines()]
    assert status == 0
    assert [line for line in said if "only the first of 2 frames" in line] == said[:1]
    assert len(said) == len(set(said))
    report = json.loads((tmp_path / "a-ages40-50-reage.json").read_text())
    assert merge_notices(report["notices"]) == said


def test_equal_notices_of_several_files_are_one_line():
    given = ["a.jpg: CMYK", "b.jpg: CMYK", "a.jpg: CMYK", "c.jpg: 2 pages", "said already"]
    assert merge_notices(given) == ["a.jpg and 1 more: CMYK", "c.jpg: 2 pages", "said already"]


def test_control_characters_are_escaped():
    assert one_line("a\nb\x1b[31m\x85\u2028é%s") == r"a\nb\x1b[31m\x85\u2028é%s"
    assert one_line("gpj.\u202eada\u2067") == r"gpj.\u202eada\u2067"


def test_a_file_that_is_read_as_options_is_named(
    reage_command: Command, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    photo.rename("-x.jpg")
    status, _, err = reage_command("edit", "-x.jpg", "--to", 40)
    assert (status, len(err.splitlines())) == (2, 1)
    assert "the file -x.jpg is given as ./-x.jpg" in err
    assert "reage edit --help" in reage_command("edit", "-y.jpg", "--to", 40)[2]


@linux
def test_a_current_folder_that_is_gone_is_one_line(
    reage_command: Command, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    status, _, err = reage_command("age", photo)
    assert (status, len(err.splitlines())) == (1, 1)
    assert "the current folder is gone" in err
