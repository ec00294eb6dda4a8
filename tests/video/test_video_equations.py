"""The pure functions under a video's edit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from made import bent_photo
from reage.compositing.paste import paste_delta
from reage.compositing.planes import (
    Planes,
    add_layer,
    rgb_to_ycc,
    sample_luma,
    sample_rgb,
    warp_planes,
)
from reage.compositing.warp import Warp
from reage.errors import FaceError, ReageError, UsageError
from reage.faces.squares import face_quad
from reage.video.config import Preview, parse_preview
from reage.video.journal import FRAME, ROW, Journal
from reage.video.metrics import Tally, VideoMetrics, flicker, landmark_jitter
from reage.video.painter import knots_of
from reage.video.run import _prepare
from reage.video.smoothing import fade, is_cut, local_polynomial, picture_change
from reage.video.tracks import Run, Track, choose_tracks

pytestmark = pytest.mark.quick

RNG = np.random.default_rng(0)


class TestSmoothing:
    def test_motion_of_second_order_passes_unchanged_at_any_times(self):
        times = np.sort(RNG.uniform(0, 2, 40))
        values = np.stack([3 + 2 * times - 5 * times**2, times], 1)
        at = np.linspace(times[0], times[-1], 17)
        expected = np.stack([3 + 2 * at - 5 * at**2, at], 1)
        assert np.allclose(local_polynomial(times, values, at, 0.25), expected, atol=1e-6)

    def test_noise_shrinks_and_nothing_lags(self):
        times = np.arange(100) / 25
        clean = np.sin(2 * np.pi * 0.8 * times)
        smooth = local_polynomial(times, clean + RNG.normal(0, 0.05, 100), times, 0.22)
        assert np.std(smooth - clean) < 0.035
        shifts = range(-3, 4)
        fits = [np.sum(smooth[10:90] * clean[10 + s : 90 + s]) for s in shifts]
        assert shifts[int(np.argmax(fits))] == 0

    def test_only_the_surroundings_count(self):
        times, values = np.arange(60) / 10, RNG.normal(size=60)
        whole = local_polynomial(times, values, times[20:25], 0.4)
        part = local_polynomial(times[12:33], values[12:33], times[20:25], 0.4)
        assert np.array_equal(whole, part)

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_few_readings(self, count: int):
        times = np.arange(count) / 10
        out = local_polynomial(times, np.full((count, 2), 7.0), times, 0.2)
        assert np.allclose(out, 7)

    def test_a_fade_begins_and_ends_where_it_is_wanted(self):
        weight = fade(np.array([0.0, 0.1, 0.5, 0.9, 1.0]), 0.0, None, 0.2)
        assert weight.tolist() == [0, 0.5, 1, 1, 1]

    def test_cuts_are_told_from_pans_and_from_somebody_stepping_in(self):
        picture = RNG.integers(0, 120, (36, 64, 3)).astype(np.uint8)
        other = RNG.integers(100, 255, (36, 64, 3)).astype(np.uint8)
        stepped = picture.copy()
        stepped[:, :28] = 230
        assert is_cut(*picture_change(picture, other), [0.01] * 5)
        assert not is_cut(*picture_change(picture, np.roll(picture, 9, 1)), [0.01] * 5)
        assert not is_cut(*picture_change(picture, stepped), [0.01] * 5)
        assert not is_cut(*picture_change(picture, picture), [])


class TestPlanes:
    def planes(self, height: int = 64, width: int = 96) -> Planes:
        packed = RNG.integers(60, 180, (height * 3 // 2, width)).astype(np.uint8)
        return Planes(packed, 1, False)

    def test_a_grey_change_moves_luma_alone(self):
        change = rgb_to_ycc(np.full((1, 3), 10, np.float32), 1, False)
        assert np.allclose(change, [[10 * 219 / 255, 0, 0]], atol=1e-4)
        assert np.allclose(
            rgb_to_ycc(np.eye(3, dtype=np.float32), 5, True)[:, 0], [0.299, 0.587, 0.114]
        )

    @pytest.mark.parametrize(("matrix", "full_range"), [(1, False), (5, True), (9, False)])
    def test_colours_are_sampled_as_they_are(self, matrix: int, full_range: bool):
        yy, xx = np.mgrid[:64, :96].astype(np.float32)
        rgb = np.stack([60 + xx, 200 - 2 * yy, 90 + yy], axis=2)
        ycc = rgb_to_ycc(rgb, matrix, full_range) + np.array([0 if full_range else 16, 128, 128])
        chroma = (ycc[0::2, 0::2, 1:] + ycc[1::2, 0::2, 1:]) / 2  # sits left, between lines
        parts = [ycc[..., 0], chroma[..., 0], chroma[..., 1]]
        packed = np.concatenate([part.ravel() for part in parts]).reshape(96, 96)
        planes = Planes(np.rint(packed).astype(np.uint8), matrix, full_range)
        quad = np.array([[19.5, 9.5], [19.5, 41.5], [51.5, 41.5], [51.5, 9.5]])  # pixels' edges
        sampled = sample_rgb(planes, quad, 32).astype(float)
        assert np.abs(sampled - rgb[10:42, 20:52]).max() <= 3
        outside = sample_rgb(planes, quad - [60.0, 0.0], 32)
        assert not outside[:, :8].any()

    def test_pixels_outside_the_layer_keep_their_samples(self):
        planes = self.planes()
        before = planes.packed.copy()
        layer = np.zeros((32, 32, 3), np.float32)
        layer[8:24, 8:24] = 20
        quad = np.array([[30.0, 10], [30, 42], [62, 42], [62, 10]])
        add_layer(planes, layer, quad)
        old, new = Planes(before, 1, False).layers, planes.layers
        for step, a, b in zip((1, 2, 2), old, new, strict=True):
            ys, xs = np.nonzero(a != b)
            assert len(ys)
            assert xs.min() * step >= 34 and xs.max() * step <= 58
            assert ys.min() * step >= 14 and ys.max() * step <= 38
        middle = new[0][20:30, 42:52].astype(int) - old[0][20:30, 42:52]
        assert (middle == 20).all()

    def test_luma_is_changed_as_a_photo_would_be(self):
        yy, xx = np.mgrid[:32, :32]
        bump = 40 * np.exp(-((xx - 16) ** 2 + (yy - 15) ** 2) / 30.0)
        bump[:3], bump[-3:], bump[:, :3], bump[:, -3:] = 0, 0, 0, 0
        points = np.array([[30, 28], [52, 30], [41, 38], [32, 47], [48, 48.0]])
        quad = face_quad(points)
        planes = Planes(np.full((96 * 3 // 2, 96), 100, np.uint8), 1, True)
        photo = np.full((96, 96, 3), 100, np.uint8)
        change = np.repeat(bump[..., None], 3, 2).astype(np.float32)
        pasted = paste_delta(photo, change, quad, np.ones((32, 32), np.float32))[..., 0]
        add_layer(planes, np.repeat(bump[..., None], 3, 2).astype(np.float32), quad)
        assert np.abs(planes.layers[0].astype(int) - pasted).max() <= 2

    def test_all_planes_are_bent_as_a_photo_would_be(self):
        yy, xx = np.mgrid[:96, :96]
        luma = (100 + 50 * np.sin(xx / 9) * np.sin(yy / 7)).astype(np.uint8)
        chroma = (128 + 40 * np.sin(xx[::2, ::2] / 15)).astype(np.uint8)
        flat = np.concatenate([luma.ravel(), chroma.ravel(), chroma.ravel()])
        planes = Planes(flat.reshape(144, 96), 1, True)
        quad = np.array([[30.0, 30], [30, 70], [70, 70], [70, 30]])
        bend = Warp(torch.zeros(1, 2, 16, 16), 0.3)
        bend.moves[..., 4:12, 4:12] = 0.1
        before = [plane.copy() for plane in planes.layers]
        warp_planes(planes, bend, quad)
        wanted = bent_photo(luma[..., None].repeat(3, 2), bend, quad)[..., 0]
        assert np.array_equal(planes.layers[0], wanted) and not np.array_equal(wanted, luma)
        cb = planes.layers[1][25, 25].astype(int)  # four pixels to the left it was, two of its own
        assert abs(cb - before[1][25, 23]) <= 2 < abs(cb - int(before[1][25, 25]))
        assert np.array_equal(planes.layers[1], planes.layers[2])
        assert np.array_equal(planes.layers[1][:8], before[1][:8])

    @pytest.mark.parametrize("turns", [0, 1, 2, 3])
    def test_turning_turns_every_plane(self, turns: int):
        planes = self.planes()
        turned = Planes.of(planes.packed, turns, 1, False)
        for a, b in zip(planes.layers, turned.layers, strict=True):
            assert np.array_equal(np.rot90(a, turns), b)

    def test_luma_is_sampled_where_it_is(self):
        plane = np.tile(np.arange(96, dtype=np.uint8), (64, 1))
        quad = np.array([[20, 10], [20, 30], [40, 30], [40, 10]]) - 0.5
        assert np.allclose(sample_luma(plane, quad, 20), np.arange(20.0, 40)[None], atol=0.02)


class TestMetrics:
    def test_steady_change_is_no_flicker_and_alternation_is(self):
        steady = np.arange(6.0)[:, None, None] * np.ones((6, 4, 4))
        assert flicker(steady) == 0
        alternating = np.where(np.arange(6) % 2, 3.0, 0.0)[:, None, None] * np.ones((6, 4, 4))
        assert flicker(alternating) == 6
        mask = np.zeros((4, 4))
        mask[0, 0] = 1
        alternating[:, 1:] *= 100
        assert flicker(alternating, mask) == 6

    def test_jitter_is_in_shares_of_the_eyes_distance(self):
        points = np.zeros((9, 5, 2))
        points[:, 1, 0] = 50
        points[:, :, 1] = np.arange(9)[:, None] * 2.0
        assert landmark_jitter(points) == 0
        points[4] += (3, 4)
        # 5, 10 and 5 px in 3 of the 7 second differences
        assert landmark_jitter(points) == pytest.approx(100 * np.sqrt(150 / 7) / 50)
        assert np.isnan(landmark_jitter(points[:2]))

    def test_parts_add_up(self):
        raw = RNG.normal(size=(20, 5, 2)) + np.array([[0, 0], [60, 0], [30, 20], [5, 40], [50, 40]])
        whole, a, b = Tally(), Tally(frames=3), Tally(frames=4)
        whole.add_jitter(raw, raw)
        a.add_jitter(raw[:12], raw[:12])
        b.add_jitter(raw[10:], raw[10:])
        both = Tally.read((a + b).plain())
        assert both.frames == 7
        assert both.jitter_in == pytest.approx(whole.jitter_in)
        metrics = VideoMetrics.of(both, 10.0, 5, 300.0)
        assert metrics.jitter_in == pytest.approx(landmark_jitter(raw), rel=0.05)
        assert metrics.seconds_a_frame == 2
        assert np.isnan(metrics.flicker_in)
        assert len(metrics.lines) == 2 and "nan" not in " ".join(metrics.lines)
        resumed = VideoMetrics.of(both, 1.0, 0, 300.0)
        assert resumed.lines[-1] == "7 frames; peak memory 300 MB"


class TestSmall:
    @pytest.mark.parametrize(
        ("text", "preview"),
        [("3s", Preview(3)), ("2.5", Preview(2.5)), ("3s@12s", Preview(3, 12))],
    )
    def test_previews(self, text: str, preview: Preview):
        assert parse_preview(text) == preview

    @pytest.mark.parametrize("text", ["", "0", "3m", "s", "-1", "3@"])
    def test_previews_that_are_none(self, text: str):
        with pytest.raises(UsageError, match="give 3s"):
            parse_preview(text)

    def test_knots_are_the_same_whatever_part_is_asked_for(self):
        run = Run(1, 7, 100)
        whole = knots_of(run, 7, 100, 4)
        assert whole[:3] == [7, 8, 12] and whole[-1] == 99
        for start, stop in ((7, 30), (30, 61), (61, 100), (98, 99)):
            part = knots_of(run, start, stop, 4)
            assert set(part) <= set(whole)
            assert part[0] <= start and part[-1] >= stop - 1

    def test_who_is_meant(self):
        people = [Track(1, 1, 50, 30.0), Track(2, 4, 80, 40.0)]
        assert choose_tracks(people, 70.0, "largest") == {2: 70}
        assert choose_tracks(people, 70.0, "all") == {1: 70, 2: 70}
        assert choose_tracks(people, 70.0, 1) == {1: 70}
        assert choose_tracks(people, {1: 20.0}, "largest") == {1: 20}
        with pytest.raises(FaceError, match="no person 3: found 2 people"):
            choose_tracks(people, {3: 20.0}, "largest")
        with pytest.raises(FaceError, match="no face"):
            choose_tracks([], 20.0, "largest")

    def test_a_journal_forgets_what_was_not_saved(self, tmp_path: Path):
        def add(journal: Journal, frame: int) -> None:
            frames, row = np.zeros(1, FRAME), np.zeros((), ROW)
            frames[0] = (frame * 10, journal.rows, 0)
            row["frame"], row["code"] = frame, journal.codes
            journal.append(frames, [row], np.full((1, 4), frame))

        journal = Journal(tmp_path, 4)
        assert journal.resume() is None
        for frame in range(3):
            add(journal, frame)
        journal.save({"shot": 2}, {"last": np.arange(3)})
        add(journal, 3)
        with pytest.raises(ReageError, match=r"^another reage video is working in [^\n]*$"):
            Journal(tmp_path, 4)
        journal.__exit__()  # as if it were killed
        again = Journal(tmp_path, 4)
        known = again.resume()
        assert known is not None and known[0] == {"shot": 2}
        assert known[1]["last"].tolist() == [0, 1, 2]
        assert again.frames == 3
        add(again, 3)
        assert again.read_frames(0, 9)["pts"].tolist() == [0, 10, 20, 30]
        assert again.read_rows(1, 3)["frame"].tolist() == [1, 2]
        assert again.read_codes(np.array([3, 1]))[:, 0].tolist() == [3, 1]

    def test_another_s_work_is_not_removed(self, tmp_path: Path):
        """Another job on the same output emptied the folder under the one that was at work."""
        folder = tmp_path / ".out.mp4.reage"
        _prepare(folder, {"to": 20})
        with (
            Journal(folder, 4),
            pytest.raises(ReageError, match=r"^another reage video is working in [^\n]*$"),
        ):
            _prepare(folder, {"to": 70})
        assert (folder / "job.json").read_text() == '{"to": 20}'
        part = folder / f".{'0' * 32}.part"
        with Journal(folder, 4):
            part.touch()
            _prepare(folder, {"to": 20})  # the same job: its unfinished files were removed
            assert part.exists()
        _prepare(folder, {"to": 70})
        assert [path.name for path in folder.iterdir()] == ["job.json"]
