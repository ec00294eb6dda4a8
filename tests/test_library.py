"""The library in a notebook or a script: what goes in, what comes out, what is told on the way."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import reage
from reage.agers.base import Ager, PreparedFace
from reage.compositing.change import Amounts, Change
from reage.compositing.warp import Warp
from reage.editor import Editor
from reage.errors import FaceError, ImageError, UsageError
from reage.faces.readings import AgeReading
from reage.images import photo_from_array, read_mark
from reage.inputs import as_photo, as_targets
from reage.models.checkpoints import Alignment
from reage.outputs.animation import Timing
from reage.types import AgedFace, Edit, EditStep, Result

READ = AgeReading(46.2, 5.0)


def aged(asked: float | None, after: float, limit: str | None = None) -> AgedFace:
    return AgedFace(1, asked, READ, AgeReading(after, 5.0), 2.0, limit, 0.95, None)


def result_of(*ages: float, side: int = 8) -> Result:
    edits = tuple(
        Edit(photo_from_array(np.full((side, side, 3), int(age), np.uint8)), (aged(age, age),))
        for age in ages
    )
    photo = replace(photo_from_array(np.zeros((side, side, 3), np.uint8)), path=Path("ada.jpg"))
    return Result(photo, (), edits, {"total": 1.23456}, "f" * 64, None, "features")


class Lighter(Ager):
    """Lightens and bends a face with the years; loads no network."""

    name = "lighter"
    span = (0.0, 100.0)
    alignment = Alignment(0.9, 0.15)
    needs = "photo"
    fingerprint = "1" * 64

    def change(self, face: PreparedFace, ages: Tensor) -> Change:
        years = (ages - face.own_age)[:, None, None, None]
        moves = (years / 2000).expand(-1, 2, 5, 5)
        return Change((years / 100).expand(-1, *face.picture.shape[1:]), Warp(moves, 0.0))


@pytest.fixture(scope="module")
def lighter() -> Editor:
    return Editor(Lighter())


@pytest.fixture
def any_age(lighter: Editor, any_likeness: None) -> Editor:
    return lighter


@pytest.fixture(scope="module")
def png(astronaut: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(astronaut).save(file, "PNG")
    return file.getvalue()


@pytest.mark.quick
class TestWhatGoesIn:
    def test_the_same_picture_in_each_form(self, astronaut: np.ndarray, png: bytes, tmp_path: Path):
        (tmp_path / "ada.png").write_bytes(png)
        with (tmp_path / "ada.png").open("rb") as file:
            forms: list[Any] = [
                astronaut,
                png,
                bytearray(png),
                io.BytesIO(png),
                file,
                tmp_path / "ada.png",
                str(tmp_path / "ada.png"),
                Image.fromarray(astronaut),
                Image.open(io.BytesIO(png)),
            ]
            for form in forms:
                assert np.array_equal(as_photo(form).pixels, astronaut), type(form)

    def test_grey_and_transparent_arrays(self):
        grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
        assert np.array_equal(as_photo(grey).pixels, np.stack([grey] * 3, -1))
        rgba = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
        for form in (rgba, Image.fromarray(rgba)):
            photo = as_photo(form)
            assert photo.alpha is not None
            assert np.array_equal(np.dstack([photo.pixels, photo.alpha]), rgba)

    def test_a_pillow_image_stands_upright(self):
        image = Image.new("RGB", (6, 4))
        image.getexif()[0x0112] = 6
        assert as_photo(image).pixels.shape == (6, 4, 3)

    @pytest.mark.parametrize(
        ("given", "error", "words"),
        [
            (None, UsageError, "nothing (None) is not a picture"),
            (70, UsageError, "an int is not a picture"),
            (["a.jpg"], UsageError, "a list is not a picture"),
            (torch.zeros(3, 4, 4), UsageError, "a Tensor is not a picture"),
            (io.StringIO("text"), UsageError, "mode 'rb'"),
            (np.zeros((4, 4, 3)), UsageError, "float64 [4, 4, 3]"),
            (np.zeros((0, 4, 3), np.uint8), UsageError, "uint8 [0, 4, 3]"),
            (np.zeros((4, 4, 2), np.uint8), UsageError, "uint8 [4, 4, 2]"),
            (b"no picture", ImageError, "a text file"),
            (b"", ImageError, "empty"),
            ("nowhere.jpg", ImageError, "does not exist"),
        ],
    )
    def test_what_cannot_be_taken_is_named(self, given: Any, error: type, words: str):
        with pytest.raises(error) as caught:
            as_photo(given)
        assert words in str(caught.value)

    def test_a_closed_or_cut_file(self, png: bytes):
        closed = io.BytesIO(png)
        closed.close()
        with pytest.raises(ImageError, match="closed"):
            as_photo(closed)
        with pytest.raises(ImageError, match="cannot be decoded"):
            as_photo(Image.open(io.BytesIO(png[: len(png) // 2])))

    @pytest.mark.parametrize(
        "to", ["70", None, float("nan"), True, [20, "x"], {"a": 20}, {0: 5}, []]
    )
    def test_what_is_no_age(self, to: Any):
        with pytest.raises(UsageError):
            as_targets(to)

    def test_ages_of_numpy(self):
        assert as_targets(np.array([20, 40])) == [20, 40]  # type: ignore[arg-type]
        assert as_targets(np.float32(30)) == [30]  # type: ignore[arg-type]
        assert as_targets(range(20, 60, 20)) == [20, 40]


@pytest.mark.quick
class TestResult:
    def test_repr_is_short(self):
        big = result_of(20, 70, side=500)
        assert repr(big) == (
            "Result(ada.jpg, 2 edits: face 1: asked 20: 46 -> 20 years | "
            "face 1: asked 70: 46 -> 70 years)"
        )
        assert repr(big[70]) == "Edit(500 x 500; face 1: asked 70: 46 -> 70 years)"

    def test_a_summary_says_what_was_asked(self):
        assert aged(70, 69.1).summary == "face 1: asked 70: 46 -> 69 years"
        short = aged(90, 78, "the edge").summary
        assert short == "face 1: asked 90: 46 -> 78 years (the edge)"
        assert aged(None, 50).summary == "face 1: 46 -> 50 years"

    def test_edits_by_order_and_by_age(self):
        result = result_of(20, 45, 70)
        assert [edit.faces[0].asked for edit in result] == [20, 45, 70]
        assert len(result) == 3
        assert result[45] is result.edits[1]
        with pytest.raises(UsageError, match="30 years, only for 20, 45, 70"):
            result[30]

    def test_notebooks_show_bounded_pictures(self):
        for result in (result_of(20, side=3000), result_of(*range(20, 80), side=100)):
            shown = Image.open(io.BytesIO(result._repr_png_()))
            assert max(shown.size) <= 1920
            assert shown.getpixel((1, 1)) == (20, 20, 20)
        assert Image.open(io.BytesIO(result_of(20, side=3000)[20]._repr_png_())).width <= 640

    def test_save_writes_marked_files_and_keeps_old_ones(self, tmp_path: Path):
        (one,) = result_of(70).save(tmp_path / "a.jpg")
        assert one == tmp_path / "a.jpg"
        assert "face 1 46 to 70 years" in str(read_mark(one))
        files = result_of(20, 70).save(tmp_path / "b.png", mark=False)
        assert [file.name for file in files] == ["b-age20.png", "b-age70.png"]
        assert read_mark(files[0]) is None
        (tmp_path / "b-age20.png").unlink()
        with pytest.raises(ImageError, match="exists already"):
            result_of(20, 70).save(tmp_path / "b.png")
        assert not (tmp_path / "b-age20.png").exists(), "half of the pictures were written"

    def test_plain_data(self):
        plain = result_of(20, 70).to_dict()
        assert json.loads(json.dumps(plain)) == plain
        assert plain["seconds"] == {"total": 1.235}
        assert [edit["faces"][0]["asked"] for edit in plain["edits"]] == [20, 70]


class TestEdit:
    def test_steps_cover_the_whole_edit(self, any_age: Editor, astronaut: np.ndarray):
        steps: list[EditStep] = []
        any_age.edit(astronaut, [20, 60], on_step=steps.append)
        shares = [step.share for step in steps]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0, 1)
        assert {step.stage for step in steps} == {"detection", "inversion", "search", "editing"}

    def test_less_skin_and_less_shape(self, any_age: Editor, astronaut: np.ndarray):
        photo = as_photo(astronaut)
        whole, some, bent, none = (
            any_age.edit(photo, 20, skin=skin, shape=shape).edits[0]
            for skin, shape in ((1, 1), (0.5, 0), (0, 1), (0, 0))
        )

        def moved(edit: Edit) -> float:
            return float(np.abs(edit.photo.pixels.astype(int) - astronaut).mean())

        assert moved(none) == 0
        assert 0 < moved(some) < moved(whole)
        assert 0 < moved(bent) < moved(whole)
        assert whole.faces[0].strength == some.faces[0].strength
        assert "less than the whole change" in str(none.faces[0].limit)

    def test_amounts_are_shares(self, any_age: Editor, astronaut: np.ndarray):
        with pytest.raises(UsageError, match="skin is 2"):
            any_age.edit(astronaut, 60, skin=2)

    def test_many_photos_in_order(self, any_age: Editor, astronaut: np.ndarray):
        nobody = np.zeros((64, 64, 3), np.uint8)
        bad: list[Any] = []
        images = [astronaut, nobody, b"text", astronaut[:, ::-1]]
        found = list(any_age.edit_many(images, 60, on_error=lambda *what: bad.append(what)))
        assert len(found) == 2
        assert np.array_equal(found[0].photo.pixels, astronaut)
        assert np.array_equal(found[1].photo.pixels, astronaut[:, ::-1])
        assert [type(error) for _, error in bad] == [FaceError, ImageError]
        with pytest.raises(FaceError):
            list(any_age.edit_many(images, 60))
        with pytest.raises(UsageError):
            any_age.edit_many(images, 600)

    def test_ages_of_all_faces(self, lighter: Editor, astronaut: np.ndarray):
        two = np.concatenate([astronaut, astronaut[:, ::-1]], 1)
        one, other = lighter.ages(two)
        assert (one.number, other.number) == (1, 2)
        assert one.box[0] < 256 < other.box[0]
        assert abs(one.age - other.age) < 5
        assert lighter.ages(np.zeros((64, 64, 3), np.uint8)) == []


def test_hair_of_one_edit(editor: Editor):
    """Each edit decides; what it was loaded with counts where nothing is said."""
    ager = editor.required_ager()
    assert editor.amounts() == Amounts(hair=1)
    assert replace(editor, grey_hair=False).amounts().hair == 0
    assert editor.greys(ager, "delta") and not editor.greys(ager, "delta", False)
    assert replace(editor, grey_hair=False).greys(ager, "delta", True)
    assert editor.fingerprint("delta", False) != editor.fingerprint("delta")


class TestOutputs:
    def test_strips_and_grids(self, any_age: Editor, astronaut: np.ndarray, tmp_path: Path):
        result = any_age.edit(astronaut, [20, 60])
        row, table = reage.strip(result), reage.grid([result, result], cell=64)
        assert row.image.width > 2 * row.image.height
        assert repr(table) == f"Drawing({table.image.width} x {table.image.height})"
        assert table.pixels.shape[0] > 2 * 64
        assert Image.open(io.BytesIO(row._repr_png_())).size == row.image.size
        for name in ("a.png", "a.pdf"):
            assert row.save(tmp_path / name) == tmp_path / name
        assert "synthetic" in str(read_mark(tmp_path / "a.png"))

    def test_animations(self, any_age: Editor, astronaut: np.ndarray, tmp_path: Path):
        place = tmp_path / "a.gif"
        timing = Timing(fps=4, seconds=1)
        made = reage.animate(any_age, astronaut, 20, 40, place, timing=timing, size=64)
        assert Image.open(made).n_frames == 4  # type: ignore[attr-defined]
        with pytest.raises(ImageError, match="exists already"):
            reage.animate(any_age, astronaut, 20, 40, place)

    def test_a_poster_needs_known_fields(self, lighter: Editor, astronaut: np.ndarray):
        with pytest.raises(UsageError):
            reage.sheet(lighter, astronaut, {"nome": "Ana"}, "poster.pdf")
