"""Strips and videos."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from reage.errors import ImageError
from reage.outputs.grid import draw_grid
from reage.outputs.strip import LABEL, PANEL, Panel, draw_strip
from reage.outputs.video import ProgressVideo

RED = np.full((40, 60, 3), (200, 10, 10), np.uint8)
BLUE = np.full((80, 40, 3), (10, 10, 200), np.uint8)


class TestStrip:
    def test_panels_stand_side_by_side_at_one_height(self):
        strip = draw_strip([Panel(RED, "photo"), Panel(BLUE, "70", "reads 68")], height=120)
        widths, gap = (180, 60), 2
        assert strip.shape == (120 + round(120 * LABEL), sum(widths) + gap, 3)
        assert strip.dtype == np.uint8
        assert (strip[:120, :180] == RED[0, 0]).all()
        assert (strip[:120, 182:] == BLUE[0, 0]).all()
        assert (strip[:120, 180:182] == 255).all()

    def test_labels_are_below_each_panel_and_inside_it(self):
        def ink(label: str, note: str = "") -> np.ndarray:
            return (draw_strip([Panel(RED, label, note), Panel(BLUE, "")])[PANEL:] < 255).any(2)

        assert not ink("").any()
        width = PANEL * 60 // 40
        for label, note in (("70", ""), ("1=70, 2=12", "reads 68"), ("long " * 60, "longer " * 40)):
            drawn = ink(label, note)
            assert drawn[:, :width].any()
            assert not drawn[:, width:].any()
        assert ink("70", "reads 68").sum() > ink("70").sum()

    def test_the_same_panels_give_the_same_bytes(self):
        panels = [Panel(RED, "a", "b"), Panel(BLUE, "c")]
        assert draw_strip(panels).tobytes() == draw_strip(panels).tobytes()

    def test_a_strip_runs_as_its_words_are_read(self):
        arabic = [Panel(RED, "الصورة", "يبدو في 20"), Panel(BLUE, "70", "يبدو في 68")]
        named = [Panel(RED, "آدا", "looks 20"), Panel(BLUE, "70", "looks 68")]
        strip = draw_strip(arabic, height=120)
        assert (strip[60, 5] == BLUE[0, 0]).all() and (strip[60, -5] == RED[0, 0]).all()
        assert (draw_strip(named, height=120)[60, 5] == RED[0, 0]).all()
        grid = draw_grid([[Panel(RED, "الصورة"), Panel(BLUE, "10")], [Panel(RED, "20")]], 120)
        assert (grid[60, 5] == BLUE[0, 0]).all()
        assert (grid[-60, -5] == RED[0, 0]).all() and (grid[-60, 5] == 255).all()


class TestVideo:
    @pytest.fixture(autouse=True)
    def av(self) -> object:
        return pytest.importorskip("av")

    def frames(self, path: Path) -> tuple[list[np.ndarray], float]:
        import av

        with av.open(str(path)) as video:
            stream = video.streams.video[0]
            assert stream.average_rate is not None
            pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(stream)]
            return pictures, float(stream.average_rate)

    @pytest.mark.parametrize(("steps", "stopped"), [(6, 6), (6, 2), (1, 1), (400, 400)])
    def test_five_seconds_whatever_the_steps(self, tmp_path: Path, steps: int, stopped: int):
        with ProgressVideo(tmp_path / "a.mp4", 32, steps) as video:
            for i in range(stopped):
                video.add(i, np.full((32, 32, 3), 250 * i // steps, np.uint8))
            video.finish(np.full((32, 32, 3), 255, np.uint8))
        pictures, rate = self.frames(tmp_path / "a.mp4")
        assert rate == 30
        assert 150 <= len(pictures) <= 165
        if stopped < steps:
            assert len(pictures) == 150
        assert pictures[0].shape == (256, 256, 3)  # shown larger than it is
        assert pictures[0].mean() < 10
        assert pictures[-1].mean() > 245
        assert all(later.mean() >= former.mean() - 3 for former, later in pairwise(pictures))
        assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
        assert b"ompositeWithTrainedAlgorithmicMedia" in (tmp_path / "a.mp4").read_bytes()

    def test_what_fails_leaves_the_earlier_video(self, tmp_path: Path):
        file = tmp_path / "a.mp4"
        file.write_bytes(b"earlier")

        def fail() -> None:
            with ProgressVideo(file, 32, 2) as video:
                video.add(0, np.zeros((32, 32, 3), np.uint8))
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert file.read_bytes() == b"earlier"
        assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]

    def test_a_folder_that_is_not_there(self, tmp_path: Path):
        with (
            pytest.raises(ImageError, match=r"^the folder [^\n]* does not exist[^\n]*$"),
            ProgressVideo(tmp_path / "absent" / "a.mp4", 32, 2),
        ):
            pass
