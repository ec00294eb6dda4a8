"""The command line: what it writes, its exit codes, and one line for each mistake."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import reage.inversion.space
from made import Command
from reage.agers.direction_files import load_direction
from reage.agers.finder import AGE_DIRECTION
from reage.cli.main import spread_values
from reage.cli.research.models import parse_alignment
from reage.cli.shared.parsing import (
    parse_ages,
    parse_face,
    parse_levels,
    parse_range,
    parse_targets,
)
from reage.editor import Editor
from reage.errors import UsageError
from reage.images import read_mark, read_photo
from reage.inversion.latent_files import read_latents
from reage.models.checkpoints import load_config, load_model, seal
from reage.models.files import file_sha256


@dataclass
class Run:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that says what was wrong."""
        lines = [line for line in self.err.splitlines() if not line.startswith("note: perceptual")]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("reage: ")
        return lines[0]


Reage = Callable[..., Run]


@pytest.fixture
def reage_(reage_command: Command, two_steps: None) -> Reage:
    """Run a command; inversions take few steps."""
    return lambda *arguments: Run(*reage_command(*arguments))


@pytest.fixture
def photo(astronaut: np.ndarray, tmp_path: Path) -> Path:
    """A JPEG of one face."""
    Image.fromarray(astronaut).save(tmp_path / "ada.jpg", quality=95)
    return tmp_path / "ada.jpg"


@pytest.fixture
def edit(reage_: Reage, small_folder: Path) -> Reage:
    return lambda *a: reage_("edit", "--model", small_folder, "--precision", "float32", *a)


@pytest.fixture
def project(reage_: Reage, small_folder: Path, tmp_path: Path) -> Reage:
    """Project with the small model into the folder `codes`."""
    options = ("--model", small_folder, "--precision", "float32", "--output", tmp_path / "codes")
    return lambda *a: reage_("project", *options, *a)


@pytest.fixture
def own_folder(small_folder: Path, tmp_path: Path) -> Path:
    """A copy of the small model that may be changed."""
    return shutil.copytree(small_folder, tmp_path / "own")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class TestParsing:
    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ("a.jpg --to 20 40 60", "a.jpg --to 20 --to 40 --to 60"),
            ("--to 20 40 a.jpg b.jpg", "--to 20 --to 40 a.jpg b.jpg"),
            ("a.jpg --to 1=70 2=12.5 --seed 3", "a.jpg --to 1=70 --to 2=12.5 --seed 3"),
            ("a.jpg --to 70", "a.jpg --to 70"),
            ("a.jpg --to 20 --to 40", "a.jpg --to 20 --to 40"),
            ("a.jpg --to x 40", "a.jpg --to x --to 40"),  # the first is its value, whatever it is
            ("a.jpg --seed 3 4", "a.jpg --seed 3 4"),
            ("--to 20 2024.jpg", "--to 20 2024.jpg"),
            ("a.jpg --to", "a.jpg --to"),
        ],
    )
    def test_values_are_spread(self, given: str, wanted: str):
        assert spread_values(given.split()) == wanted.split()

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("10:40:10", (10, 20, 30, 40)),
            ("10:45:10", (10, 20, 30, 40)),
            ("40:10:10", (40, 30, 20, 10)),
            ("40:10:-10", (40, 30, 20, 10)),
            ("0:1:0.1", tuple(round(i / 10, 1) for i in range(11))),
            ("3:5", (3, 4, 5)),
            ("7", (7,)),
            ("-1:1:0.5", (-1, -0.5, 0, 0.5, 1)),
            ("5:5:1", (5,)),
        ],
    )
    def test_ranges_include_both_ends(self, text: str, wanted: tuple[float, ...]):
        assert parse_range(text, "--strength") == wanted == parse_ages(text)

    @pytest.mark.parametrize(
        "text", ["", "a", "1:2:3:4", "1:2:0", "1::2", "nan", "0:inf", "0:1000:1", "1-5", ":"]
    )
    def test_ranges_that_are_none(self, text: str):
        with pytest.raises(UsageError, match=r"^--ages [^\n]*$"):
            parse_ages(text)

    def test_targets(self):
        assert parse_targets(("20", "40.5"), None) == [20, 40.5]
        assert parse_targets(("1=70", "2=12"), None) == [{1: 70, 2: 12}]
        assert parse_targets((), "10:30:10") == [10, 20, 30]

    @pytest.mark.parametrize(
        ("to", "ages"),
        [((), None), (("70",), "10:80"), (("x",), None), (("1=70", "80"), None),
         (("1=70", "1=80"), None), (("1=",), None), (("=70",), None), (("1=70=5",), None),
         (("²=70",), None), (("-1=70",), None), (("nan",), None)],
    )  # fmt: skip
    def test_targets_that_are_none(self, to: Sequence[str], ages: str | None):
        with pytest.raises(UsageError, match=r"^[^\n]*$"):
            parse_targets(to, ages)

    def test_faces_and_levels_and_alignments(self):
        assert [parse_face(text) for text in ("largest", "all", "1", "12")] == [
            "largest", "all", 1, 12,
        ]  # fmt: skip
        assert parse_levels(None) is None
        assert parse_levels("0-3") == (0, 1, 2, 3)
        assert parse_levels("4,0-1,1") == (0, 1, 4)
        assert (parse_alignment("0.70,0.22").scale, parse_alignment("1,0.1").shift) == (0.7, 0.1)

    @pytest.mark.parametrize("text", ["", "0", "-1", "x", "1.5", "²", "all "])
    def test_faces_that_are_none(self, text: str):
        with pytest.raises(UsageError, match=r"^--face [^\n]*$"):
            parse_face(text)

    @pytest.mark.parametrize("text", ["", "x", "3-", "-3", "5-2", "1,,2", "²", "0-99999999999"])
    def test_levels_that_are_none(self, text: str):
        with pytest.raises(UsageError, match=r"^--latent-level [^\n]*$"):
            parse_levels(text)

    @pytest.mark.parametrize("text", ["", "1", "1,2,3", "a,b", "9,0", "1,7", "nan,0"])
    def test_alignments_that_are_none(self, text: str):
        with pytest.raises(UsageError, match=r"^--alignment [^\n]*$"):
            parse_alignment(text)


class TestEdit:
    def test_one_age(self, edit: Reage, photo: Path, astronaut: np.ndarray, small_folder: Path):
        before = photo.read_bytes()
        done = edit(photo, "--to", "70")
        assert done.status == 0
        assert names(photo.parent) == {"ada.jpg", "ada-age70.jpg", "ada-age70-reage.json"}
        assert photo.read_bytes() == before
        assert "ada-age70.jpg  face 1: " in done.out
        assert done.err == ""
        assert read_photo(photo.parent / "ada-age70.jpg").pixels.shape == astronaut.shape
        report = json.loads((photo.parent / "ada-age70-reage.json").read_text())
        assert report["photo"]["file"] == "ada.jpg"
        assert report["model"]["generator_hash"] == load_model(small_folder).generator_hash
        assert report["model"]["precision"] == "float32"
        assert report["options"]["seed"] == 0
        assert report["seconds"]["total"] > 0
        (face,) = report["faces"]
        (aged,) = report["edits"][0]["faces"]
        assert 20 < face["age"]["age"] < 50
        assert aged["before"] == face["age"]
        assert (aged["asked"], aged["number"]) == (70, 1)
        assert aged["reached"] == (aged["limit"] is None)
        assert face["inversion"]["steps"] == 2
        assert report["edits"][0]["file"] == "ada-age70.jpg"

    def test_several_ages_make_a_strip(self, edit: Reage, photo: Path, tmp_path: Path):
        output = tmp_path / "new" / "ages"
        done = edit(photo, "--ages", "20:60:20", "--output", output)
        assert done.status == 0
        pictures = {"ada-age20.jpg", "ada-age40.jpg", "ada-age60.jpg"}
        assert names(output) == {*pictures, "ada-ages20-60.jpg", "ada-ages20-60-reage.json"}
        height, width = read_photo(output / "ada-ages20-60.jpg").pixels.shape[:2]
        assert width > 3.5 * height
        report = json.loads((output / "ada-ages20-60-reage.json").read_text())
        assert [e["faces"][0]["asked"] for e in report["edits"]] == [20, 40, 60]

    def test_every_face_its_age(self, edit: Reage, astronaut: np.ndarray, tmp_path: Path):
        Image.fromarray(np.concatenate([astronaut] * 2, 1)).save(tmp_path / "two.png")
        done = edit(tmp_path / "two.png", "--to", "1=70", "2=12")
        assert done.status == 0
        assert (tmp_path / "two-age1=70-2=12.png").is_file()
        assert "face 1: " in done.out
        assert "face 2: " in done.out

    def test_other_ages_of_a_photo_fit_beside_the_first(
        self, edit: Reage, photo: Path, tmp_path: Path
    ):
        for ages in (["70"], ["40"], ["20", "50"], ["30", "60"]):
            assert edit(photo, "--to", *ages, "-o", tmp_path / "out").status == 0
        reports = ("age70", "age40", "ages20-50", "ages30-60")
        wanted = {f"ada-{label}-reage.json" for label in reports}
        assert {name for name in names(tmp_path / "out") if name.endswith("json")} == wanted
        assert len(names(tmp_path / "out")) == len(wanted) + 6 + 2
        before = files_in(tmp_path / "out")
        again = edit(photo, "--to", "40", "-o", tmp_path / "out")
        assert again.status == 1
        assert "ada-age40.jpg exists already" in again.complaint
        assert files_in(tmp_path / "out") == before

    def test_the_mark_is_there_unless_it_is_not_wanted(
        self, edit: Reage, photo: Path, tmp_path: Path
    ):
        assert read_mark(photo) is None
        edit(photo, "--to", "20", "70")
        for name in ("ada-age20.jpg", "ada-age70.jpg", "ada-ages20-70.jpg"):
            assert "reage" in str(read_mark(tmp_path / name))
        assert "face 1" in str(read_mark(tmp_path / "ada-age70.jpg"))
        edit(photo, "--to", "20", "70", "--no-mark", "--output", tmp_path / "bare")
        for name in ("ada-age20.jpg", "ada-age70.jpg", "ada-ages20-70.jpg"):
            assert read_mark(tmp_path / "bare" / name) is None

    def test_the_same_run_gives_the_same_bytes(self, edit: Reage, photo: Path, tmp_path: Path):
        runs = []
        for _ in range(2):
            assert (
                edit(photo, "--to", "20", "70", "--output", tmp_path / "out", "--overwrite").status
                == 0
            )
            runs.append(files_in(tmp_path / "out"))
        report = "ada-ages20-70-reage.json"
        del runs[0][report], runs[1][report]  # says how long it took
        assert runs[0] == runs[1]
        assert len(runs[0]) == 3

    def test_strengths_along_any_direction(self, edit: Reage, photo: Path, small_folder: Path):
        direction = small_folder / AGE_DIRECTION
        done = edit(photo, "--strength", "-1:1:1", "--direction", direction)
        assert done.status == 0
        wanted = {"ada-move-1.jpg", "ada-move+0.jpg", "ada-move+1.jpg", "ada-moves-1-+1.jpg"}
        assert names(photo.parent) == {"ada.jpg", "ada-moves-1-+1-reage.json", *wanted}
        unchanged = read_photo(photo.parent / "ada-move+0.jpg").pixels.astype(int)
        assert np.abs(unchanged - read_photo(photo).pixels).max() <= 12  # JPEG once more

    @pytest.mark.parametrize("paste", ["replace", "none"])
    def test_paste(self, edit: Reage, photo: Path, paste: str):
        assert edit(photo, "--to", "70", "--paste", paste).status == 0
        size = read_photo(photo.parent / "ada-age70.jpg").pixels.shape[0]
        assert size == (32 if paste == "none" else 256)

    def test_points_by_hand(self, edit: Reage, tmp_path: Path, astronaut: np.ndarray):
        Image.fromarray(astronaut).save(tmp_path / "a.png")
        points = "107,112 147,110 130,135 115,151 143,150"
        assert edit(tmp_path / "a.png", "--to", "70", "--points", points).status == 0

    def test_photos_of_one_name_keep_apart(self, edit: Reage, photo: Path, tmp_path: Path):
        Image.open(photo).save(tmp_path / "ada.png")
        done = edit(photo, tmp_path / "ada.png", "--to", "70")
        assert done.status == 0
        assert {"ada-jpg-age70.jpg", "ada-png-age70.png"} <= names(tmp_path)
        assert "ada-jpg-age70-reage.json" in names(tmp_path)
        (tmp_path / "other").mkdir()
        shutil.copy(photo, tmp_path / "other")
        twins = (photo, tmp_path / "other" / "ada.jpg")
        for together in ("--output", "--layers"):
            assert edit(*twins, "--to", "50", together, tmp_path / "out").status == 2
        assert edit(*twins, "--to", "50").status == 0  # each beside its own
        assert (tmp_path / "other" / "ada-age50.jpg").is_file()

    def test_photos_of_one_name_keep_apart_in_two_runs(
        self, edit: Reage, photo: Path, tmp_path: Path
    ):
        Image.open(photo).save(tmp_path / "ada.png")
        for name in ("ada.jpg", "ada.png"):
            assert edit(tmp_path / name, "--to", "20", "70", "--overwrite").status == 0
        for name, stem in (("ada.jpg", "ada"), ("ada.png", "ada-png")):
            report = json.loads((tmp_path / f"{stem}-ages20-70-reage.json").read_text())
            assert report["photo"]["file"] == name
            assert report["edits"][0]["file"] == f"{stem}-age20{name[3:]}"
        assert edit(tmp_path / "ada.jpg", "--to", "20", "70", "--overwrite").status == 0
        assert not list(tmp_path.glob("ada-jpg*"))  # it has its own

    def test_a_broken_photo_does_not_stop_the_others(
        self, edit: Reage, photo: Path, tmp_path: Path
    ):
        (tmp_path / "broken.jpg").write_bytes(photo.read_bytes()[:500])
        Image.open(photo).save(tmp_path / "bea.jpg")
        done = edit(tmp_path / "broken.jpg", photo, tmp_path / "absent.jpg", tmp_path / "bea.jpg",
                    "--to", "70")  # fmt: skip
        assert done.status == 1
        assert {"ada-age70.jpg", "bea-age70.jpg"} <= names(tmp_path)
        lines = done.err.splitlines()
        assert [("broken.jpg" in lines[0]), ("absent.jpg" in lines[1])] == [True, True]
        assert lines[2] == "reage: 2 of 4 photos could not be edited, see above"


class TestEditRefusals:
    """Bad input: exit 1 or 2, one line, and nothing written."""

    @pytest.fixture(autouse=True)
    def work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def never(*_: object, **__: object) -> None:
            raise AssertionError("the work had begun")

        monkeypatch.setattr(reage.inversion.space, "project", never)
        monkeypatch.setattr(Editor, "prepare", never)

    @pytest.mark.parametrize(
        ("content", "said"),
        [(None, "does not exist"), (b"", "empty"), (b"hello", "text file"), (b"%PDF-1.7", "PDF"),
         (b"\0" * 99, "not a picture"), ("cut", "damaged"), ("grey", "no face found in a.jpg")],
    )  # fmt: skip
    def test_files_that_are_no_portrait(
        self, edit: Reage, photo: Path, tmp_path: Path, content: Any, said: str
    ):
        file = tmp_path / "in" / "a.jpg"
        file.parent.mkdir()
        if content == "cut":
            file.write_bytes(photo.read_bytes()[:500])
        elif content == "grey":
            Image.new("RGB", (64, 64), (90, 90, 90)).save(file)
        elif content is not None:
            file.write_bytes(content)
        before = names(file.parent)
        done = edit(file, "--to", "70")
        assert done.status == 1
        assert said in done.complaint
        assert names(file.parent) == before

    def test_a_folder_is_no_photo(self, edit: Reage, tmp_path: Path):
        done = edit(tmp_path, "--to", "70")
        assert done.status == 1
        assert "is a folder" in done.complaint

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["--to"],
            ["--to", "x"],
            ["--to", "200"],
            ["--to", "-5"],
            ["--to", "70", "70"],
            ["--to", "1=70", "80"],
            ["--to", "70", "--ages", "10:20"],
            ["--ages", "10:80:0"],
            ["--strength", "1:2"],
            ["--to", "70", "--face", "0"],
            ["--to", "70", "--face", "x"],
            ["--to", "70", "--paste", "glue"],
            ["--to", "70", "--quality", "great"],
            ["--to", "70", "--points", "1,2 3,4"],
            ["--to", "70", "--unknown"],
            ["--to", "70", "--precision", "int4"],
            ["--to", "70", "--device", "abacus"],
            ["--to", "70", "--seed", "x"],
            ["--to", "70", "--seed", "-1"],
            ["--to", "70", "--seed", "9" * 30],
        ],
        ids=lambda arguments: " ".join(arguments)[:40],
    )
    def test_wrong_usage_is_exit_2(self, edit: Reage, photo: Path, arguments: list[str]):
        done = edit(photo, *arguments)
        assert done.status == 2
        assert done.complaint
        assert names(photo.parent) == {"ada.jpg"}

    def test_wrong_usage_of_several_photos(self, edit: Reage, photo: Path, tmp_path: Path):
        Image.open(photo).save(tmp_path / "bea.jpg")
        points = "107,112 147,110 130,135 115,151 143,150"
        done = edit(photo, tmp_path / "bea.jpg", "--to", "70", "--points", points)
        assert done.status == 2
        assert "--points belongs to one photo" in done.complaint

    def test_no_arguments_at_all(self, reage_: Reage):
        assert reage_("edit").status == 2
        assert reage_("unknown").status == 2
        bare = reage_()
        assert bare.status == 2
        assert "Usage: reage" in bare.out + bare.err

    def test_a_face_that_is_not_there(self, edit: Reage, photo: Path):
        for option in (("--to", "70", "--face", "9"), ("--to", "9=70")):
            done = edit(photo, *option)
            assert done.status == 1
            assert "there is no face 9: found 1 face" in done.complaint

    @pytest.mark.parametrize(
        "name",
        ["ada-age70.jpg", "ada-age20.jpg", "ada-ages20-70-reage.json", "ada-ages20-70.jpg"],
    )
    def test_what_is_there_stays(self, edit: Reage, photo: Path, name: str):
        (photo.parent / name).write_bytes(b"mine")
        before = files_in(photo.parent)
        done = edit(photo, "--to", "20", "70")
        assert done.status == 1
        assert f"{name} exists already" in done.complaint
        assert "--overwrite" in done.complaint
        assert files_in(photo.parent) == before

    def test_no_photo_that_was_given_is_overwritten(self, edit: Reage, photo: Path, tmp_path: Path):
        other = tmp_path / "ada-age70.jpg"  # where the first one's result would go
        shutil.copy(photo, other)
        before = files_in(tmp_path)
        done = edit(photo, other, "--to", "70", "--overwrite")
        assert done.status == 2
        assert "ada-age70.jpg" in done.complaint
        assert files_in(tmp_path) == before

    def test_an_output_folder_that_cannot_be(self, edit: Reage, photo: Path, tmp_path: Path):
        (tmp_path / "file").write_bytes(b"mine")
        for output in (tmp_path / "file", tmp_path / "file" / "below"):
            done = edit(photo, "--to", "70", "--output", output)
            assert done.status == 1
            assert "cannot make the folder" in done.complaint
        assert (tmp_path / "file").read_bytes() == b"mine"

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may all")
    def test_an_output_folder_without_permission(self, edit: Reage, photo: Path, tmp_path: Path):
        (tmp_path / "shut").mkdir(mode=0o500)
        done = edit(photo, "--to", "70", "--output", tmp_path / "shut")
        assert done.status == 1
        assert done.complaint

    @pytest.mark.parametrize(
        "content", [b"", b"hello", b"PK\x03\x04junk", b"\x80\x04junk", "foreign"]
    )
    def test_checkpoints_that_are_none(
        self, reage_: Reage, photo: Path, tmp_path: Path, content: Any
    ):
        file = tmp_path / "model.pt"
        if content == "foreign":
            torch.save({"state_dict": {"layer.weight": torch.zeros(3)}}, file)
        else:
            file.write_bytes(content)
        done = reage_("edit", photo, "--to", "70", "--model", file)
        assert done.status == 1
        assert "model.pt" in done.complaint

    def test_models_that_are_none(self, reage_: Reage, photo: Path, tmp_path: Path):
        for model, said in (
            ("absent", "no model 'absent': known are"),
            (tmp_path, "not a model folder"),
        ):
            done = reage_("edit", photo, "--to", "70", "--model", model)
            assert done.status == 1
            assert said in done.complaint

    def test_a_model_without_direction(self, reage_: Reage, photo: Path, own_folder: Path):
        (own_folder / AGE_DIRECTION).unlink()
        seal(own_folder)
        done = reage_("edit", photo, "--to", "70", "--model", own_folder)
        assert done.status == 1
        assert "has no age direction; fit one with: reage fit" in done.complaint

    @pytest.mark.parametrize("content", [None, b"hello", "shape"])
    @pytest.mark.parametrize("how", [("--to", "70"), ("--strength", "1:2")])
    def test_directions_that_are_none(
        self, edit: Reage, photo: Path, tmp_path: Path, content: Any, how: tuple[str, str]
    ):
        file = tmp_path / "d.npy"
        if content == "shape":
            np.save(file, np.zeros((18, 512)))
        elif content is not None:
            file.write_bytes(content)
        done = edit(photo, *how, "--direction", file)
        assert done.status == 1
        assert "direction" in done.complaint or "d.npy" in done.complaint
        assert names(photo.parent) <= {"ada.jpg", "d.npy"}


class TestProject:
    def test_a_photo(self, project: Reage, photo: Path, tmp_path: Path, small_folder: Path):
        done = project(photo, "--step", "4")
        assert done.status == 0
        assert names(tmp_path / "codes") == {"ada.latents.safetensors", "ada-projected.png"}
        latents = read_latents(tmp_path / "codes" / "ada.latents.safetensors", 8, 32)
        model = load_model(small_folder)
        assert latents.generator_hash == model.generator_hash
        assert latents.provenance["photo"] == "ada.jpg"
        assert latents.provenance["config"]["step"] == 4
        picture = read_photo(tmp_path / "codes" / "ada-projected.png").pixels
        made = model.generator.synthesize(latents.ws)[0].permute(1, 2, 0)
        assert np.abs((made.numpy() + 1) * 127.5 - picture)[(made.abs() < 1).numpy()].max() < 1
        assert "reage" in str(read_mark(tmp_path / "codes" / "ada-projected.png"))
        assert done.err.startswith("note: perceptual loss: ")

    def test_levels_and_encoder_and_seed(self, project: Reage, photo: Path, tmp_path: Path):
        done = project(
            photo, "--step", "3", "--latent-level", "0-2,5", "--no-encoder", "--seed", "4"
        )
        assert done.status == 0
        ws = read_latents(tmp_path / "codes" / "ada.latents.safetensors", 8, 32).ws[0]
        assert torch.equal(ws[3], ws[7])  # the average face's
        assert not torch.equal(ws[0], ws[3])

    def test_aligned_pictures_and_their_masks(self, project: Reage, tmp_path: Path):
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
        mask = np.full((32, 32), 255, np.uint8)
        mask[:, 20:] = 0
        found = []
        for name, right in (("a", pixels[:, 20:]), ("b", 255 - pixels[:, 20:])):
            picture = np.concatenate([pixels[:, :20], right], 1)
            Image.fromarray(picture).save(tmp_path / f"{name}.png")
            for masked in (False, True):
                if masked:
                    Image.fromarray(mask).save(tmp_path / f"{name}.mask.png")
                done = project(tmp_path / f"{name}.png", "--no-crop", "--step", "3", "--overwrite")
                assert done.status == 0
                file = tmp_path / "codes" / f"{name}.latents.safetensors"
                found.append(read_latents(file, 8, 32).ws)
        assert torch.equal(found[1], found[3])  # under the mask they differ, and nowhere else
        assert not torch.equal(found[0], found[2])

    @pytest.mark.parametrize("kind", ["black", "size", "not square"])
    def test_aligned_pictures_that_do_not_fit(self, project: Reage, tmp_path: Path, kind: str):
        size = (40, 32) if kind == "not square" else (32, 32)
        Image.new("RGB", size, (90, 80, 70)).save(tmp_path / "a.png")
        mask_size = (16, 16) if kind == "size" else (32, 32)
        Image.new("L", mask_size, 0).save(tmp_path / "a.mask.png")
        done = project(tmp_path / "a.png", "--no-crop", "--step", "2")
        assert done.status == 1
        assert {"black": "mask is black", "size": "mask is 16x16", "not square": "40x32"}[
            kind
        ] in done.complaint

    def test_a_video_of_five_seconds(self, project: Reage, photo: Path, tmp_path: Path):
        av = pytest.importorskip("av")
        assert project(photo, "--step", "7", "--plateau", "0", "--save-mp4").status == 0
        with av.open(str(tmp_path / "codes" / "ada.mp4")) as video:
            stream = video.streams.video[0]
            assert stream.average_rate == 30
            assert 150 <= sum(1 for _ in video.decode(stream)) <= 165

    def test_tuning(self, project: Reage, photo: Path, tmp_path: Path):
        assert project(photo, "--step", "2", "--tune", "2").status == 0
        assert {"ada.tuning.safetensors", "ada-tuned.png"} <= names(tmp_path / "codes")

    def test_every_face(self, project: Reage, astronaut: np.ndarray, tmp_path: Path):
        Image.fromarray(np.concatenate([astronaut] * 2, 1)).save(tmp_path / "two.png")
        assert project(tmp_path / "two.png", "--face", "all", "--step", "2").status == 0
        codes = {f"two-face{n}.latents.safetensors" for n in (1, 2)}
        assert codes <= names(tmp_path / "codes")

    def test_ctrl_c_writes_the_best_so_far(
        self, project: Reage, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        plain = reage.inversion.space.project

        def interrupted(*args: Any, on_step: Any, **options: Any) -> Any:
            def step(seen: Any) -> None:
                on_step(seen)
                if seen.index == 1:
                    raise KeyboardInterrupt

            return plain(*args, on_step=step, **options)

        monkeypatch.setattr(reage.inversion.space, "project", interrupted)
        done = project(photo, "--step", "50")
        assert done.status == 130
        file = tmp_path / "codes" / "ada.latents.safetensors"
        assert read_latents(file, 8, 32).provenance["stopped"] == "interrupted"
        assert (tmp_path / "codes" / "ada-projected.png").is_file()

    @pytest.mark.parametrize(
        ("room", "left", "said"),
        [
            (1, set(), "ada.latents.safetensors cannot be written (No space left on device): it"),
            (2, {"ada-projected.png", "ada.latents.safetensors"}, "ada.latents.safetensors stays"),
        ],
    )
    def test_a_full_disk_leaves_whole_steps(
        self,
        project: Reage,
        photo: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        room: int,
        left: set[str],
        said: str,
    ):
        """The line says what stays: a picture without its code was left, and "nothing" said."""
        plain, written = Path.write_bytes, []

        def write_bytes(file: Path, data: bytes) -> int:
            written.append(file)
            if len(written) > room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return plain(file, data)

        monkeypatch.setattr(Path, "write_bytes", write_bytes)
        done = project(photo, "--step", "2", "--tune", "1")
        assert done.status == 1 and said in done.complaint
        codes = tmp_path / "codes"
        assert (names(codes) if codes.exists() else set()) == left

    @pytest.mark.parametrize(
        "name",
        ["ada-projected.png", "ada.latents.safetensors", "ada.mp4", "ada.tuning.safetensors",
         "ada-tuned.png"],
    )  # fmt: skip
    def test_what_is_there_stays(self, project: Reage, photo: Path, tmp_path: Path, name: str):
        pytest.importorskip("av")
        (tmp_path / "codes").mkdir()
        (tmp_path / "codes" / name).write_bytes(b"mine")
        done = project(photo, "--step", "2", "--save-mp4", "--tune", "1")
        assert done.status == 1
        assert f"{name} exists already" in done.complaint
        assert files_in(tmp_path / "codes") == {name: b"mine"}

    @pytest.mark.parametrize(
        "arguments",
        [["--latent-level", "0-8"], ["--latent-level", "5-2"], ["--step", "0"], ["--plateau", "-1"],
         ["--tune", "-1"], ["--final-lr", "0"], ["--mse-weight", "-1"], ["--time-budget", "0"],
         ["--seed", "9" * 30], ["--face", "0"]],
        ids=" ".join,
    )  # fmt: skip
    def test_wrong_usage_is_exit_2(self, project: Reage, photo: Path, arguments: list[str]):
        done = project(photo, *arguments)
        assert done.status == 2
        assert done.complaint

    def test_a_broken_file_does_not_stop_the_others(
        self, project: Reage, photo: Path, tmp_path: Path
    ):
        (tmp_path / "b.jpg").write_text("hello")
        done = project(tmp_path / "b.jpg", photo, "--step", "2")
        assert done.status == 1
        assert "ada.latents.safetensors" in names(tmp_path / "codes")
        assert "1 of 2 files could not be projected" in done.err


class TestModels:
    def test_list_and_card(self, reage_: Reage):
        listed = reage_("models")
        assert listed.status == 0
        row = next(line for line in listed.out.splitlines() if line.startswith("faces128"))
        assert row.split()[:4] == ["faces128", "embedded", "128", "px"]
        card = reage_("models", "faces128")
        assert card.status == 0
        assert card.out.startswith("# ")
        assert len(card.out) > 300
        wrong = reage_("models", "absent")
        assert wrong.status == 1
        assert "known are faces128" in wrong.complaint

    @pytest.mark.parametrize("suffix", ["pt", "pkl"])
    def test_conversion_there_and_back(
        self, reage_: Reage, small_folder: Path, tmp_path: Path, suffix: str
    ):
        there, back = tmp_path / f"small.{suffix}", tmp_path / "back"
        assert reage_("convert", small_folder, there).status == 0
        options = ("--alignment", "0.70,0.22", "--licence", "CC0")
        done = reage_("convert", there, back, *options)
        assert done.status == 0
        assert "folder, 32 px, 2 mapping layers" in done.out
        one, two = load_model(small_folder), load_model(back)
        ws = one.generator.map(torch.ones(1, 32))
        assert torch.equal(ws, two.generator.map(torch.ones(1, 32)))
        assert (one.generator.synthesize(ws) - two.generator.synthesize(ws)).abs().max() < 1e-5
        assert (two.config.name, two.config.licence) == ("back", "CC0")
        assert two.config.alignment == one.config.alignment
        again = reage_("convert", there, back)
        assert again.status == 1
        assert "exists already; add --overwrite" in again.complaint
        assert reage_("convert", there, back, "--overwrite").status == 0

    def test_a_converted_folder_appears_with_its_ager_or_not_at_all(
        self, reage_: Reage, own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """The ager was written into the finished folder: a kill before it left a model without."""
        assert reage_("convert", own_folder, own_folder, "--overwrite").status == 0
        assert (own_folder / AGE_DIRECTION).is_file()

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("reage.agers.direction_files.save_direction", full)
        done = reage_("convert", own_folder, tmp_path / "back")
        assert done.status == 1 and "back cannot be written (No space left" in done.complaint
        assert not (tmp_path / "back").exists()

    def test_a_converted_folder_keeps_its_encoder(
        self, reage_: Reage, small_folder: Path, tmp_path: Path
    ):
        from reage.models.checkpoints import save_model
        from reage.models.encoders import describe_encoder, load_encoder
        from reage.networks.encoders.encoder import Encoder, EncoderConfig

        model = load_model(small_folder)
        sizes = EncoderConfig(8, 32, 32, channels=(4, 4), blocks=(1, 1), hidden=8)
        config = replace(model.config, encoder=describe_encoder(sizes))
        encoder = Encoder(sizes).state_dict()
        save_model(config, model.generator, tmp_path / "a", card="# a\n", encoder=encoder)
        assert reage_("convert", tmp_path / "a", tmp_path / "b").status == 0
        one, two = (load_encoder(load_model(tmp_path / name)) for name in "ab")
        assert one is not None
        assert two is not None
        for name, tensor in one.state_dict().items():
            assert torch.equal(tensor, two.state_dict()[name])

    def test_what_cannot_be_converted(self, reage_: Reage, tmp_path: Path, small_folder: Path):
        (tmp_path / "a.pt").write_text("hello")
        for arguments, status in (
            ((tmp_path / "a.pt", tmp_path / "b"), 1),
            ((tmp_path / "absent.pt", tmp_path / "b"), 1),
            ((small_folder, tmp_path / "b", "--alignment", "x"), 2),
            ((small_folder, tmp_path / "b", "--layout", "x"), 2),
            ((small_folder, tmp_path / "a.pt" / "below"), 1),
        ):
            done = reage_("convert", *arguments)
            assert done.status == status
            assert done.complaint
        assert names(tmp_path) == {"a.pt"}


class TestAge:
    def test_every_face_is_read(self, reage_: Reage, astronaut: np.ndarray, tmp_path: Path):
        Image.fromarray(np.concatenate([astronaut] * 2, 1)).save(tmp_path / "two.png")
        done = reage_("age", tmp_path / "two.png")
        assert done.status == 0
        lines = done.out.splitlines()
        assert len(lines) == 2
        ages = [int(line.split("face ")[1].split(":")[1].split("±")[0]) for line in lines]
        assert all(20 < age < 45 for age in ages)
        assert "face 1:" in lines[0]
        assert lines[0].index("at (") > 0
        places = [float(line.split("at (")[1].split(",")[0]) for line in lines]
        assert places[1] - places[0] == pytest.approx(256, abs=3)

    def test_pictures_without_a_face(self, reage_: Reage, photo: Path, tmp_path: Path):
        Image.new("RGB", (64, 64), (90, 90, 90)).save(tmp_path / "grey.png")
        done = reage_("age", tmp_path / "grey.png")
        assert done.status == 1
        assert "no face found in grey.png" in done.complaint
        both = reage_("age", tmp_path / "grey.png", photo)
        assert both.status == 1
        assert "ada.jpg  face 1" in both.out


class TestFit:
    @pytest.fixture(autouse=True)
    def everywhere_a_face(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from reage.faces.face import Face
        from reage.fitting import labelled_codes as codes

        points = np.array([[10, 10], [20, 10], [15, 15], [11, 20], [19, 20]], float)
        found = SimpleNamespace(detect=lambda _: [Face.from_points(points)])
        monkeypatch.setattr(codes, "FaceDetector", lambda: found)

    def test_samples_make_a_direction_that_edits(
        self, reage_: Reage, own_folder: Path, photo: Path
    ):
        options = ("fit", own_folder, "--samples", "24", "--method", "shift")
        done = reage_(*options)
        assert done.status == 1
        assert "exists already: choose another name, or use --overwrite" in done.complaint
        done = reage_(*options, "--overwrite")
        assert done.status == 0
        sealed = load_config(own_folder).sha256
        assert sealed[AGE_DIRECTION] == file_sha256(own_folder / AGE_DIRECTION)
        assert "shift on 24 faces" in done.out
        assert "gender" in done.out
        assert reage_("edit", photo, "--to", "50", "--model", own_folder).status == 0

    def test_the_same_seed_gives_the_same_file(
        self, reage_: Reage, small_folder: Path, tmp_path: Path
    ):
        runs = []
        for name, seed in (("a", 0), ("b", 0), ("c", 1)):
            file = tmp_path / f"{name}.safetensors"
            done = reage_("fit", small_folder, "--samples", "24", "--method", "ridge",
                          "--seed", seed, "--output", file)  # fmt: skip
            assert done.status == 0
            runs.append(file.read_bytes())
        assert runs[0] == runs[1] != runs[2]

    def test_what_cannot_be_fitted(self, reage_: Reage, small_folder: Path, tmp_path: Path):
        file = tmp_path / "d.safetensors"
        for arguments, status in (
            ((), 2),
            (("--samples", "24", "--data", tmp_path), 2),
            (("--samples", "3"), 2),
            (("--samples", "24", "--codes", tmp_path / "codes.safetensors"), 2),
            (("--samples", "24", "--method", "magic"), 2),
            (("--samples", "24", "--components", "0"), 2),
            (("--data", tmp_path), 1),
            (("--data", tmp_path / "absent"), 1),
        ):
            done = reage_("fit", small_folder, *arguments, "--output", file)
            assert done.status == status, arguments
            assert done.complaint
        assert not file.exists()
        done = reage_("fit", "absent", "--samples", "24")
        assert done.status == 1


def test_help_is_quick():
    """No command's help may import what is slow; one fresh process for all."""
    script = """
import sys
from reage.cli import main
for arguments in ([], ["edit"], ["age"], ["project"], ["fit"], ["convert"], ["models"]):
    try:
        main([*arguments, "--help"])
    except SystemExit as end:
        assert end.code == 0, end
slow = {"torch", "numpy", "PIL", "onnx", "scipy", "av", "tqdm"} & set(sys.modules)
assert not slow, slow
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Show a person at another age" in done.stdout
    assert done.stdout.count("Usage: reage") == 7


def test_version(reage_: Reage):
    done = reage_("--version")
    assert (done.status, done.out) == (0, f"reage, version {reage.__version__}\n")


def test_convert_keeps_the_age_direction(reage_: Reage, small_folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "again"
    assert reage_("convert", small_folder, target).status == 0
    kept, before = (load_direction(f / AGE_DIRECTION) for f in (target, small_folder))
    assert torch.equal(kept.vector, before.vector)
    assert kept.generator_hash == load_model(target).generator_hash
