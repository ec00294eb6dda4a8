"""Grids, pages and animations."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from reage.errors import ImageError, UsageError
from reage.faces.face import Face
from reage.images import DIGITAL_SOURCE_TYPE, as_srgb, photo_from_array, read_mark
from reage.inversion.variation import named_levels, random_codes, step_towards
from reage.networks.stylegan2.generator import Generator
from reage.outputs.animation import Timing, time_ages
from reage.outputs.animation_files import write_moving
from reage.outputs.framing import frame_photo
from reage.outputs.grid import draw_grid, page_dpi
from reage.outputs.labels import draw_text, fitting_size, plain, text_length
from reage.outputs.mixing import level_numbers
from reage.outputs.page_files import save_page
from reage.outputs.strip import Panel, draw_strip
from reage.search.age_search import AgeCurve
from reage.search.paced_curve import level_curve, pace_curve, read_near

RED = np.full((40, 40, 3), (200, 10, 10), np.uint8)
POINTS = np.array([[110, 100], [150, 98], [130, 125], [115, 145], [148, 144]], float)


def curve(strengths: list[float], ages: list[float]) -> AgeCurve:
    s, a = torch.tensor(strengths), torch.tensor(ages)
    return AgeCurve(s, a, torch.ones(len(s)), "low", "high")


class TestPacing:
    def test_equal_steps_of_age_are_read(self):
        def look(s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return 30 + 8 * s + s**3, torch.ones(len(s))

        strengths = torch.linspace(-2, 2, 13)
        paced = pace_curve(look, AgeCurve(strengths, look(strengths)[0], strengths, "", ""))
        low, high = paced.reach
        ages = np.linspace(low, high, 50)
        read = look(paced.at(ages))[0].numpy()
        steps = np.diff(read)
        assert steps.min() > 0
        assert abs(read - ages).max() < 1.0
        assert steps.max() < 1.6 * steps.min()  # along the strength it is 5 times

    def test_a_steep_part_is_looked_at_more_closely(self):
        def look(s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return 30 + 5 * s + 12 * torch.tanh(20 * (s - 0.83)), torch.ones(len(s))

        strengths = torch.linspace(-2, 2, 13)
        paced = pace_curve(look, AgeCurve(strengths, look(strengths)[0], strengths, "", ""))
        ages = np.linspace(*paced.reach, 50)
        # With one look between the points it is 6.1 years off.
        assert abs(look(paced.at(ages))[0].numpy() - ages).max() < 2.0

    def test_time_never_runs_backwards(self):
        ages = {-1.0: 35.0, -0.5: 24.0, 0.0: 30.0, 0.5: 28.0, 1.0: 50.0}

        def look(s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.tensor([30.0 + float(v) for v in s]), torch.ones(len(s))

        paced = pace_curve(look, curve(list(ages), list(ages.values())))
        assert (np.diff(paced.ages) > 0).all()
        assert paced.reach[0] < 25
        assert paced.reach[1] > 49
        moved = paced.at(np.array([0.0, 30.0, 99.0])).tolist()
        assert moved == [-0.5, pytest.approx(0.0), 1.0]  # younger than that it does not read

    def test_it_is_read_only_where_an_age_is_asked_for(self):
        asked = []

        def look(s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            asked.append(s.tolist())
            return 30 + 8 * s + s**3, torch.ones(len(s))

        rough = curve([-2.0, 0.0, 2.0, 3.0], [6.0, 30.0, 54.0, 81.0])
        near = read_near(look, rough, 40.0)
        assert asked == [[pytest.approx(10 / 12, abs=0.02)]] and len(near.strengths) == 5
        # An age beside a known one parts the gap all the same.
        assert read_near(look, rough, 53.9).strengths.tolist() == [-2, 0, 1.5, 2, 3]
        for age in (2.0, 30.0, 99.0):  # known, or out of reach
            assert read_near(look, rough, age) is rough
        for _ in range(8):
            near = read_near(look, near, 41.0)
        assert len(asked) < 6
        assert float(look(level_curve(near).at(np.array([41.0])))[0]) == pytest.approx(41, abs=1)

    def test_a_face_that_cannot_move(self):
        paced = pace_curve(lambda s: (s, s), curve([0.0], [33.0]))
        assert paced.reach == (33, 33)
        assert paced.at(np.array([5.0])).tolist() == [0]


class TestTiming:
    @pytest.mark.parametrize("ease", [False, True])
    def test_ways(self, ease: bool):
        ages = time_ages(20, 60, Timing(10, 4, ease=ease))
        assert len(ages) == 21
        assert (ages[0], ages[-1]) == (20, 60)
        steps = np.diff(ages)
        assert (steps > 0).all()
        assert np.allclose(steps, 2) != ease
        assert len(time_ages(20, 60, Timing(10, 4, once=True))) == 40
        assert (np.diff(time_ages(60, 20, Timing(10, 4))) < 0).all()

    def test_a_short_one_has_the_length_that_is_asked(self):
        assert Timing(10, 0.2).frames == 2 and time_ages(20, 60, Timing(10, 0.2)).tolist() == [
            20,
            60,
        ]
        assert Timing(10, 0.3, once=True).frames == 3
        with pytest.raises(UsageError, match="fewer than two frames"):
            Timing(1, 0.2)


class TestVariation:
    def test_levels_have_names(self):
        assert [list(r) for r in named_levels(12).values()] == [
            [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11],
        ]  # fmt: skip
        for count in (2, 8, 10, 18):
            together = [i for levels in named_levels(count).values() for i in levels]
            assert together == list(range(count))
        assert level_numbers("coarse,9-10", 12) == [0, 1, 2, 3, 9, 10]
        for text in ("", "12", "3-1", "soft", "-1"):
            with pytest.raises(UsageError, match=r"^[^\n]*$"):
                level_numbers(text, 12)

    def test_steps_touch_their_levels_only(self, small: Generator):
        one, other = random_codes(small, 2, seed=4).split(1)
        assert torch.equal(random_codes(small, 2, seed=4)[:1], one)
        moved = step_towards(one, other, {"middle": 0.5}, amount=0.5)
        levels = list(named_levels(small.num_ws)["middle"])
        assert torch.allclose(moved[:, levels], one.lerp(other, 0.25)[:, levels])
        rest = [i for i in range(small.num_ws) if i not in levels]
        assert torch.equal(moved[:, rest], one[:, rest])


def ink_of(text: str) -> np.ndarray:
    """Which pixels a text of 40 pixels covers."""
    image = Image.new("RGB", (400, 70), "white")
    draw_text(image, 10, 50, text, (0, 0, 0), 40)
    return np.asarray(image).min(2) < 128


class TestLettering:
    def test_labels_fit(self):
        assert plain("José Łódź Ελένη Дмитрий — \U00017000") == "José Łódź Ελένη Дмитрий — ?"
        for text in ("a", "a rather long label", "ملصق طويل جدًا هنا"):
            assert text_length(text, fitting_size([text], 200, 40)) <= 200

    def test_the_font_has_what_is_drawn(self):
        for letter in "éßŁøœđıĂășțạẩñΩώЖжЁїӀ§°±×÷¿¡–—‘’“”…€₽₹":
            assert plain(letter) == letter
            assert ink_of(letter).any(), letter

    def test_other_scripts_are_shaped_and_no_box_stands_for_a_letter(self):
        pytest.importorskip("typst")
        for text in ("يبدو", "दिखता"):
            assert plain(text) == text and ink_of(text).any()
        alone = sum(text_length(letter, 40) for letter in "يبدو")
        assert text_length("يبدو", 40) < 0.95 * alone  # its letters are joined
        assert plain("\U00017000") == "?"

    def test_notes_in_arabic_stand_left_of_the_number(self):
        pytest.importorskip("typst")
        sides = []
        for note in ("looks 68", "يبدو في 68"):
            band = draw_strip([Panel(RED, "70", note)], 300)[300:].astype(int)
            black = np.flatnonzero((band.max(2) < 60).any(0))  # the number's ink; notes are grey
            sides.append(black.mean())
        assert sides[0] < 150 < sides[1]

    def test_grids_have_rows(self):
        grid = draw_grid([[Panel(RED, "a"), Panel(RED, "b")], [Panel(RED, "long " * 30)]], 100)
        row = 100 + 11
        assert grid.shape == (2 * row + 2, 202, 3)
        assert (grid[:100, :100] == RED[0, 0]).all()
        assert (grid[row + 2 :, 102:] == 255).all()
        assert page_dpi(grid) == pytest.approx(max(202 / 7.47, 224 / 10.89), rel=0.01)


class TestPages:
    def test_a_pdf_of_one_page(self, tmp_path: Path):
        picture = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
        for name in ("a.pdf", "b.pdf"):
            save_page(picture, tmp_path / name, mark="made (up) é", dpi=300, title="t")
        data = (tmp_path / "a.pdf").read_bytes()
        assert data == (tmp_path / "b.pdf").read_bytes()
        assert DIGITAL_SOURCE_TYPE.encode() in data
        assert b"/MediaBox [0 0 21.600 14.400]" in data
        table = int(data.rsplit(b"startxref\n", 1)[1].split()[0])
        places = re.findall(rb"^(\d{10}) 00000 n", data[table:], re.M)
        assert len(places) == 7
        for number, place in enumerate(places, 1):
            assert data[int(place) :].startswith(b"%d 0 obj" % number)
        start = data.index(b"\xff\xd8\xff")
        assert Image.open(io.BytesIO(data[start:])).size == (90, 60)

    def test_pictures_say_their_size_and_stay(self, tmp_path: Path):
        save_page(RED, tmp_path / "a.png", mark="made", dpi=300)
        assert Image.open(tmp_path / "a.png").info["dpi"][0] == pytest.approx(300, abs=0.1)
        assert read_mark(tmp_path / "a.png") == "made"
        with pytest.raises(ImageError, match="exists already"):
            save_page(RED, tmp_path / "a.png", mark=None, dpi=300)
        with pytest.raises(ImageError, match="no suffix for a page"):
            save_page(RED, tmp_path / "a.doc", mark=None, dpi=300)
        assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_framed_faces_stay_on_their_pixels():
    pixels = np.zeros((400, 600, 3), np.uint8)
    for x, y in POINTS.astype(int):
        pixels[y - 3 : y + 4, x - 3 : x + 4] = 255
    face = Face.from_points(POINTS)
    for size, whole in ((120, False), (300, True), (2000, False)):
        small, faces = frame_photo(photo_from_array(pixels), {1: face}, size, whole=whole)
        height, width = small.pixels.shape[:2]
        assert max(height, width) <= size
        assert (height % 2, width % 2) == (0, 0)
        for x, y in faces[1].points.round().astype(int):
            assert small.pixels[y, x].min() > 120


class TestMoving:
    def frames(self, count: int = 6) -> Iterator[np.ndarray]:
        for i in range(count):
            frame = np.zeros((32, 48, 3), np.uint8)
            frame[:, 8 * i : 8 * i + 8] = (250, 120, 40)
            yield frame

    @pytest.mark.parametrize("kind", ["gif", "webp", "mp4"])
    def test_frames_time_and_mark(self, tmp_path: Path, kind: str):
        if kind == "mp4":
            pytest.importorskip("av")
        file = tmp_path / f"a.{kind}"
        write_moving(self.frames(), file, 12, mark="made up")
        data = file.read_bytes()
        assert DIGITAL_SOURCE_TYPE.encode() in data
        assert b"made up" in data
        shown, duration = self.seen(file)
        assert len(shown) == 6
        assert duration == pytest.approx(6 / 12, abs=0.02)
        for i, picture in enumerate(shown):
            bar = picture[:, 8 * i + 2 : 8 * i + 6].mean((0, 1))
            assert abs(bar - (250, 120, 40)).max() < 30
            assert np.delete(picture, slice(max(8 * i - 4, 0), 8 * i + 12), 1).mean() < 20
        again = tmp_path / f"b.{kind}"
        write_moving(self.frames(), again, 12, mark="made up")
        assert again.read_bytes() == data or kind == "mp4"  # PyAV's may differ by some bytes

    def seen(self, file: Path) -> tuple[list[np.ndarray], float]:
        if file.suffix == ".mp4":
            import av

            with av.open(str(file)) as video:
                stream = video.streams.video[0]
                frames = [f.to_ndarray(format="rgb24") for f in video.decode(stream)]
                assert stream.average_rate is not None
                return frames, len(frames) / float(stream.average_rate)
        image, frames, total = Image.open(file), [], 0
        for i in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(i)
            frames.append(np.asarray(image.convert("RGB")))
            total += image.info["duration"]
        assert image.info["loop"] == 0
        return frames, total / 1000

    @pytest.mark.parametrize("kind", ["gif", "mp4"])
    def test_what_fails_leaves_nothing(self, tmp_path: Path, kind: str):
        def broken() -> Iterator[np.ndarray]:
            yield from self.frames(2)
            raise KeyError

        if kind == "mp4":
            pytest.importorskip("av")
        with pytest.raises(KeyError):
            write_moving(broken(), tmp_path / f"a.{kind}", 12, mark=None)
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(ImageError, match="no suffix for an animation"):
            write_moving(self.frames(), tmp_path / "a.avi", 12, mark=None)


def test_pictures_without_a_profile_are_in_srgb():
    """A photo in another colour space keeps its looks in grids, animations and posters."""
    icc = swapped_profile()
    pixels = np.zeros((400, 600, 3), np.uint8) + np.array((200, 40, 90), np.uint8)
    photo = replace(photo_from_array(pixels), icc_profile=icc)
    small, _ = frame_photo(photo, {1: Face.from_points(POINTS)}, 200)
    assert abs(small.pixels[9, 9].astype(int) - (90, 40, 200)).max() <= 3
    assert small.icc_profile is None
    assert as_srgb(pixels, None) is pixels
    assert as_srgb(pixels, b"broken" * 30) is pixels


def swapped_profile() -> bytes:
    """Return sRGB's profile with red and blue exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {bytes(data[p : p + 4]): p for p in range(132, 132 + 12 * data[131], 12)}
    data[tags[b"rXYZ"] : tags[b"rXYZ"] + 4], data[tags[b"bXYZ"] : tags[b"bXYZ"] + 4] = (
        b"bXYZ",
        b"rXYZ",
    )
    return bytes(data)
