"""`reage strip`, `animate`, `sheet` and `mix`: what they write, say and refuse."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from made import Command
from reage.cli.shared import pictures
from reage.images import DIGITAL_SOURCE_TYPE, read_mark
from reage.outputs import animation, picture_words, strip
from reage.outputs.labels import draw_text
from reage.search.looker import Looker


@pytest.fixture
def run(
    reage_command: Command,
    two_steps: None,
    any_likeness: None,
    small_folder: Path,
) -> Command:
    """Run a command with the small model, few steps and any likeness."""
    options = ("--model", small_folder, "--precision", "float32")
    return lambda *arguments: reage_command(*arguments, *options)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All words that are drawn into pictures."""
    found: list[str] = []

    def draw(image: Image.Image, left: float, base: float, text: str, *rest: Any) -> None:
        found.append(text)
        draw_text(image, left, base, text, *rest)

    for module in (strip, animation):
        monkeypatch.setattr(module, "draw_text", draw)
    return found


@pytest.fixture
def photos(astronaut: np.ndarray, tmp_path: Path) -> tuple[Path, Path]:
    Image.fromarray(astronaut).save(tmp_path / "ada.png")
    Image.fromarray(astronaut[:, ::-1]).save(tmp_path / "bea.png")
    return tmp_path / "ada.png", tmp_path / "bea.png"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class TestStrip:
    def test_two_people_and_a_broken_file(self, run: Command, photos: tuple[Path, Path]):
        folder = photos[0].parent
        (folder / "bad.png").write_text("hello")
        status, out, err = run("strip", *photos, folder / "bad.png", "--to", "20", "60",
                               "--cell", "100", "-o", folder / "s.png")  # fmt: skip
        assert status == 1
        assert "1 of 3 photos could not be shown" in err.splitlines()[-1]
        with Image.open(folder / "s.png") as strip:
            assert strip.size == (3 * 100 + 2 * 2, 2 * 111 + 2)
        assert read_mark(folder / "s.png") == "Made by reage: synthetic ages"
        assert out.count("face 1:") == 4

    def test_words_are_of_the_language(
        self, run: Command, photos: tuple[Path, Path], written: list[str]
    ):
        file = photos[0].with_name("s.png")
        assert run("strip", photos[0], "--to", "20", "--language", "es", "-o", file)[0] == 0
        assert [text.split()[0] for text in written[1::2]] == ["aparenta"] * 2

    def test_letters_without_a_font(
        self, run: Command, photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(picture_words, "can_draw", str.isascii)
        file = photos[0].with_name("s.png")
        for command, *options in (("strip", "--to", "20"), ("animate", "--ages", "5:80"),
                                  ("edit", "--to", "20")):  # fmt: skip
            status, _, err = run(command, photos[0], *options, "--language", "ar", "-o", file)
            assert (status, len(err.splitlines())) == (2, 1) and "no font here has" in err
        assert names(photos[0].parent) == {"ada.png", "bea.png"}

    def test_two_faces_of_one_photo_on_a_page(
        self, run: Command, astronaut: np.ndarray, tmp_path: Path, written: list[str]
    ):
        Image.fromarray(np.concatenate([astronaut] * 2, 1)).save(tmp_path / "two.png")
        status, _, _ = run("strip", tmp_path / "two.png", "--ages", "20:40:20", "--face", "all",
                           "--language", "ar", "-o", tmp_path / "two.pdf")  # fmt: skip
        assert status == 0
        assert {"two، الوجه 1", "two، الوجه 2"} < set(written)
        assert (tmp_path / "two.pdf").read_bytes().startswith(b"%PDF-1.4")

    def test_refusals(self, run: Command, photos: tuple[Path, Path]):
        folder = photos[0].parent
        for arguments, wanted in (
            (("--to", "1=20"), 2), (("--to", "20", "20"), 2), ((), 2), (("--to", "200"), 2),
            (("--to", "20", "-o", folder / "s.doc"), 1),
            (("--to", "20", "-o", photos[0], "--overwrite"), 2),
        ):  # fmt: skip
            target = () if "-o" in arguments else ("-o", folder / "s.png")
            status, _, err = run("strip", photos[0], *arguments, *target)
            assert status == wanted, arguments
            assert len(err.splitlines()) == 1
        assert names(folder) == {"ada.png", "bea.png"}


class TestAnimate:
    def test_forth_and_back(self, run: Command, photos: tuple[Path, Path]):
        file = photos[0].with_name("a.webp")
        options = ("--ages", "1:99", "--seconds", "2", "--fps", "8", "--size", "96", "-o", file)
        status, out, err = run("animate", photos[0], *options, "--label")
        assert status == 0, err
        assert "16 frames" in out
        assert "note: asked for 1 to 99 years, the face reaches" in err
        with Image.open(file) as image:
            assert image.n_frames == 16  # type: ignore[attr-defined]
            assert max(image.size) == 96
            frames = []
            for i in range(16):
                image.seek(i)
                frames.append(np.asarray(image.convert("RGB")).astype(int))
        first = frames[0]
        change = [float(abs(frame - first).mean()) for frame in frames]
        assert max(change) > 2
        for i in range(1, 8):  # the way back shows the same pictures
            assert abs(frames[i] - frames[16 - i]).mean() < 5
        assert DIGITAL_SOURCE_TYPE.encode() in file.read_bytes()
        status, _, err = run("animate", photos[0], *options)
        assert (status, len(err.splitlines())) == (1, 1)
        assert "exists already" in err

    def test_the_label_is_of_the_language(
        self, run: Command, photos: tuple[Path, Path], written: list[str]
    ):
        options = ("--ages", "30:50", "--seconds", "1", "--fps", "2", "--label", "--language", "ar")
        assert run("animate", photos[0], *options, "-o", photos[0].with_name("a.gif"))[0] == 0
        assert written and all(text.startswith("يبدو في") for text in written)

    def test_refusals(self, run: Command, photos: tuple[Path, Path]):
        for ages, wanted in (("5", 2), ("5:80:5", 2), ("5:x", 2), ("9:9", 2), ("-1:20", 2)):
            status, _, err = run("animate", photos[0], "--ages", ages, "-o",
                                 photos[0].with_name("a.gif"))  # fmt: skip
            assert (status, len(err.splitlines())) == (wanted, 1), ages
        assert names(photos[0].parent) == {"ada.png", "bea.png"}

    def test_a_face_that_does_not_age(
        self, run: Command, photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ):
        assert Looker.trace.__kwdefaults__ is not None
        monkeypatch.setitem(Looker.trace.__kwdefaults__, "least", 2.0)
        status, _, err = run("animate", photos[0], "--ages", "5:80", "-o",
                             photos[0].with_name("a.gif"))  # fmt: skip
        assert status == 1
        assert "this face reaches" in err
        assert names(photos[0].parent) == {"ada.png", "bea.png"}


class TestMix:
    def test_a_grid_and_one_picture(
        self, run: Command, photos: tuple[Path, Path], written: list[str]
    ):
        folder = photos[0].parent
        assert run("mix", *photos, "-o", folder / "m.jpg", "--language", "es")[0] == 0
        assert "50% rasgos finos de bea" in written and not any("looks" in w for w in written)
        with Image.open(folder / "m.jpg") as grid:
            assert grid.size[0] > 4 * 384
        status, out, _ = run("mix", *photos, "--levels", "coarse", "--amount", "1", "-o",
                             folder / "one.png")  # fmt: skip
        assert status == 0
        assert "levels 0, 1 of bea.png" in out
        assert "Mixed by reage" in str(read_mark(folder / "one.png"))
        one, ada = (np.asarray(Image.open(folder / name)) for name in ("one.png", "ada.png"))
        assert one.shape == ada.shape
        assert 0.01 < (one != ada).any(2).mean() < 0.6
        assert run("mix", *photos, "--levels", "soft", "-o", folder / "two.png")[0] == 2
        assert run("mix", *photos, "--face", "all", "-o", folder / "two.png")[0] == 2
        assert not (folder / "two.png").exists()


class TestSheet:
    dates = ("--born", "1985-03", "--missing-since", "2019-07", "--today", "2026-11")

    def test_a_poster(self, run: Command, photos: tuple[Path, Path]):
        pytest.importorskip("typst")
        folder = photos[0].parent
        (folder / "f.toml").write_text('name = "Ada"\nsex = "female"', "utf-8")
        options = (*self.dates, "--fields", folder / "f.toml", "--name", "Ada B")
        status, out, err = run("sheet", photos[0], *options, "-o", folder / "page")
        assert status == 0, err
        assert {"page.pdf", "page.png", "page.json"} <= names(folder)
        with Image.open(folder / "page.png") as page:
            assert page.size == (2480, 3508)
            assert page.info["dpi"][0] == pytest.approx(300, abs=0.1)
        assert "no evidence" in str(read_mark(folder / "page.png"))
        report = json.loads((folder / "page.json").read_text("utf-8"))
        assert report["years_passed"] == pytest.approx(7.33, abs=0.01)
        assert report["asked"] == pytest.approx(report["photo_reads"]["age"] + 7.33, abs=0.1)
        assert "Ada" not in json.dumps({**report, "photo": None})
        assert "7.3 years after the photo" in out
        status, _, err = run("sheet", photos[0], *options, "-o", folder / "page.pdf")
        assert (status, len(err.splitlines())) == (1, 1)
        assert "exists already" in err

    def test_a_full_disk_leaves_no_part_of_a_poster(
        self, run: Command, photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ):
        """The PDF stayed where the picture beside it found no room."""
        pytest.importorskip("typst")
        write, written = Path.write_bytes, []

        def fill(self: Path, data: bytes) -> int:
            written.append(self)
            if len(written) == 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(self, data)

        monkeypatch.setattr(Path, "write_bytes", fill)
        status, _, err = run("sheet", photos[0], *self.dates, "-o", photos[0].with_name("page"))
        assert (status, len(err.splitlines())) == (1, 1)
        assert "page.json cannot be written (No space left" in err
        assert names(photos[0].parent) == {"ada.png", "bea.png"}

    def test_a_dry_run_and_a_photo_from_stdin(
        self, run: Command, photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photos[0].read_bytes())))
        monkeypatch.chdir(photos[0].parent)
        pictures._stdin.cache_clear()
        status, out, err = run("sheet", "-", "--missing-since", "2019", "--dry-run")
        assert (status, err) == (0, "")
        assert out.splitlines()[1:] == [
            f"writes stdin-sheet.{kind}" for kind in ("pdf", "png", "json")
        ]
        assert names(photos[0].parent) == {"ada.png", "bea.png"}
        assert run("sheet", "-", "--missing-since", "2019", "--born", "2020", "--dry-run")[0] == 2

    @pytest.mark.parametrize(
        "options",
        [("--born", "2019-08"), ("-o", "page.doc"), ("--missing-since", "2027-01"), ("--born", "x"),
         ("--logo", "none.png"), ("--font", "none.ttf"), ("--fields", "none.toml"),
         ("--name", "x" * 99), ("--face", "all"), ("-o", "page.doc/x"), ("--url", "ftp://x")],
    )  # fmt: skip
    def test_refusals(self, run: Command, photos: tuple[Path, Path], options: tuple[str, str]):
        status, _, err = run("sheet", photos[0], *self.dates, *options)
        assert status in (1, 2)
        assert len(err.splitlines()) == 1
        assert names(photos[0].parent) == {"ada.png", "bea.png"}
