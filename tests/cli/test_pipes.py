"""Pipes, one named picture, machine-readable reports, what is told and what is not."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from made import Command
from reage.cli.main import COMMANDS, cli, main
from reage.cli.shared import pictures
from reage.images import read_mark


@pytest.fixture
def photo(astronaut: np.ndarray, tmp_path: Path) -> Path:
    Image.fromarray(astronaut).save(tmp_path / "ada.jpg", quality=95)
    return tmp_path / "ada.jpg"


@pytest.fixture
def tiny(small_folder: Path, two_steps: None, any_likeness: None) -> list[object]:
    return ["--model", small_folder, "--precision", "float32", "--quality", "fast"]


@pytest.fixture
def piped(photo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The photo comes from stdin."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    pictures._stdin.cache_clear()
    return photo


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_photo_through_pipes(
    capsysbinary: pytest.CaptureFixture[bytes], tiny: list[object], piped: Path, tmp_path: Path
):
    with pytest.raises(SystemExit) as ended:
        main(["edit", "-", "--to", "60", *map(str, tiny)])
    out, err = capsysbinary.readouterr()
    assert ended.value.code == 0
    assert Image.open(io.BytesIO(out)).format == "JPEG", "the format it came in"
    assert b"stdin  face 1: asked 60: " in err
    (tmp_path / "made.jpg").write_bytes(out)
    assert "Re-aged by reage" in str(read_mark(tmp_path / "made.jpg"))
    assert files(tmp_path) == {"ada.jpg", "made.jpg"}


def test_stdin_into_a_folder(
    reage_command: Command, tiny: list[object], piped: Path, tmp_path: Path
):
    status, _, _ = reage_command("edit", "-", "--to", 40, 60, "-o", tmp_path / "out", *tiny)
    assert status == 0
    wanted = {"stdin-age40.jpg", "stdin-age60.jpg"}
    wanted |= {"stdin-ages40-60.jpg", "stdin-ages40-60-reage.json"}
    assert files(tmp_path / "out") == wanted


def test_one_picture_by_name(
    reage_command: Command, tiny: list[object], photo: Path, tmp_path: Path
):
    status, told, _ = reage_command("edit", photo, "--to", 60, "-o", tmp_path / "old.png", *tiny)
    assert status == 0 and told.startswith(f"{tmp_path / 'old.png'}  face 1: asked 60: ")
    assert files(tmp_path) == {"ada.jpg", "old.png", "old.png-reage.json"}
    assert Image.open(tmp_path / "old.png").format == "PNG"
    status, _, _ = reage_command("edit", photo, "--to", 60, "-o", tmp_path / "old.jpg", *tiny)
    assert status == 0 and files(tmp_path) > {"old.jpg", "old.jpg-reage.json", "old.png"}


@pytest.mark.quick
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.jpg", "--to", "20", "40", "-o", "x.jpg"], "one picture, not 2"),
        (["a.jpg", "--to", "20", "40", "-o", "-"], "stdout takes one picture, not 2"),
        (["-", "--to", "20", "40"], "stdout takes one picture, not 2"),
        (["a.jpg", "b.jpg", "--to", "20", "-o", "x.jpg"], "2 photos make several pictures"),
        (["a.jpg", "--to", "20", "-o", "a.jpg"], "is a photo to edit and a result"),
        (["a.jpg", "--to", "20", "-o", "x.xyz"], ".xyz is not known; write one of .jpg"),
        (["a.jpg", "--to", "20", "--skin", "2"], "0<=x<=1"),
    ],
)
def test_what_does_not_go_together(reage_command: Command, arguments: list[str], words: str):
    status, _, err = reage_command("edit", *arguments)
    assert (status, words in err) == (2, True), err


@pytest.mark.quick
def test_no_picture_goes_to_a_screen(
    reage_command: Command, photo: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    status, _, err = reage_command("edit", photo, "--to", 20, "-o", "-", "--dry-run")
    assert (status, "needs a pipe or a file" in err) == (2, True)


def test_json_is_all_of_stdout(
    reage_command: Command, tiny: list[object], photo: Path, tmp_path: Path
):
    (tmp_path / "bad.jpg").write_text("no picture")
    target = tmp_path / "out"
    status, told, err = reage_command(
        "edit", photo, tmp_path / "bad.jpg", "--to", 60, "--json", "-o", target, *tiny
    )
    good, bad = map(json.loads, told.splitlines())
    assert status == 1 and "1 of 2 photos" in err
    assert good["edits"][0]["faces"][0]["asked"] == 60
    assert good["files"] == [str(target / f"ada-age60{end}") for end in (".jpg", "-reage.json")]
    assert bad["photo"] == {"file": "bad.jpg"} and "text file" in bad["error"]


def test_ages_as_json_from_stdin(reage_command: Command, piped: Path):
    status, told, _ = reage_command("age", "-", "--json")
    found = json.loads(told)
    assert status == 0 and found["photo"] == {"file": "stdin"}
    assert [face["number"] for face in found["faces"]] == [1]
    status, told, _ = reage_command("age", piped, "--quiet")
    assert status == 0 and "face 1:" in told  # that is what was asked for


def test_quiet_and_verbose(reage_command: Command, tiny: list[object], photo: Path, tmp_path: Path):
    edit = ["edit", photo, "--to", 60, "--overwrite", *tiny]
    assert reage_command("-q", *edit) == reage_command(*edit, "--quiet") == (0, "", "")
    _, told, err = reage_command(*edit, "-v")
    assert "asked 60" in told
    assert "on cpu in float32" in err and "ada.jpg: editing" in err


@pytest.mark.quick
def test_a_dry_run_writes_nothing(reage_command: Command, photo: Path, tmp_path: Path):
    for command, options in {
        "edit": ["--to", 20, 40, "-o", tmp_path / "out"],
        "strip": ["--to", 20, "-o", tmp_path / "s.png"],
        "animate": ["--ages", "20:40", "-o", tmp_path / "s.gif"],
    }.items():
        status, told, _ = reage_command(command, photo, *options, "--dry-run")
        assert status == 0, command
        assert f"reads ada.jpg, 256 x 256\nwrites {options[-1]}" in told
    assert "writes" in reage_command("edit", photo, "--to", 20, "--dry-run", "--quiet")[1]
    status, told, _ = reage_command("edit", photo, "--to", 20, "--dry-run", "--json")
    assert [Path(file).name for file in json.loads(told)["files"]] == [
        "ada-age20.jpg",
        "ada-age20-reage.json",
    ]
    assert files(tmp_path) == {"ada.jpg"}


@pytest.mark.quick
def test_a_dry_run_finds_what_would_go_wrong(reage_command: Command, photo: Path, tmp_path: Path):
    (tmp_path / "ada-age20.jpg").touch()
    status, _, err = reage_command("edit", photo, "--to", 20, "--dry-run")
    assert (status, "exists already" in err) == (1, True)
    assert reage_command("edit", tmp_path / "no.jpg", "--to", 20, "--dry-run")[0] == 1


@pytest.mark.quick
def test_help_in_groups():
    with click.Context(cli) as context:
        text = cli.get_help(context)
    places = [text.index(f"\n{title}:") for title in ("Use", "Make", "Serve", "Research")]
    assert places == sorted(places)
    for name in COMMANDS:
        assert f"\n  {name} " in text
        command = cli.get_command(context, name)
        assert command is not None
        options = [option for p in command.params for option in p.opts]
        assert {"-q", "-v"} <= set(options) and len(options) == len(set(options)), name


def test_completion():
    """What the guide says to put into the shell's start-up file works."""
    run = subprocess.run(
        [sys.executable, "-m", "reage"],
        env={**os.environ, "_REAGE_COMPLETE": "bash_complete",
             "COMP_WORDS": "reage ani", "COMP_CWORD": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "animate" in run.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams as a POSIX shell does")
def test_closed_streams(photo: Path):
    """Files that open later do not get their numbers, and the work is done."""

    def run(streams: str, *arguments: object) -> int:
        words = " ".join(
            f"'{argument}'" for argument in (sys.executable, "-m", "reage", *arguments)
        )
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(["sh", "-c", f"exec {words} {streams}"], env=environment).returncode

    assert run("<&- >&- 2>&-", "models") == 0
    assert run(f"< '{photo}' >&- 2>&-", "edit", "-", "--to", 60) == 2
