"""Videos at other ages: a made clip whose motion, cut and people are known."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_video import CUT, ENTERS, FRAMES, HEIGHT, LEAVES, RATE, WIDTH, Made, draw, write
from PIL import Image

from made import face_at
from reage.agers.files import StoredAger
from reage.agers.photo import PhotoAger
from reage.cli.main import main
from reage.compositing.bands import LUMA
from reage.compositing.change import luma
from reage.compositing.planes import sample_luma
from reage.editor import Editor
from reage.errors import FaceError, ImageError, UsageError
from reage.faces.squares import face_quad, quad_side
from reage.images import DIGITAL_SOURCE_TYPE
from reage.networks.agers.growth import Growth, GrowthConfig
from reage.networks.agers.latent_ager import Ager, AgerConfig
from reage.networks.agers.photo_ager import PhotoAger as PhotoNetwork
from reage.networks.agers.photo_ager import PhotoAgerConfig
from reage.networks.encoders.encoder import Encoder, EncoderConfig
from reage.search.age_search import Reached
from reage.video import render, scan, track_edit
from reage.video.config import Preview, Progress, VideoConfig, work_folder
from reage.video.journal import Journal
from reage.video.metrics import flicker, landmark_jitter
from reage.video.run import VideoResult, edit_video, list_tracks
from reage.video.source import VideoSource
from reage.video.tracks import Track, load_motion, read_tracks

BOTH = VideoConfig(to={1: 70.0, 2: 20.0})
STOP = RuntimeError("killed")


def decoded(path: Path) -> tuple[list[np.ndarray], list[Fraction]]:
    import av

    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        times = [f.pts * f.time_base for f in frames if f.pts is not None and f.time_base]
        return [frame.to_ndarray(format="rgb24") for frame in frames], times


def sound(path: Path) -> list[tuple[Fraction, bytes]]:
    import av

    with av.open(str(path)) as container:
        packets = [p for p in container.demux(audio=0) if p.size]
        return [(p.pts * p.time_base, bytes(p)) for p in packets if p.pts is not None]


@pytest.fixture(scope="module")
def subtitled(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made video in Matroska, with a line of subtitles from 0.3 s on."""
    import av

    folder = tmp_path_factory.mktemp("subtitled")
    text = folder / "a.srt"
    text.write_text("1\n00:00:00,300 --> 00:00:00,800\nHello\n\n")
    with (
        av.open(str(made.path)) as video,
        av.open(str(text)) as words,
        av.open(str(folder / "a.mkv"), "w") as out,
    ):
        for container in (video, words):
            copies = {s.index: out.add_stream_from_template(s) for s in container.streams}
            container_packets = [(p, copies[p.stream.index]) for p in container.demux() if p.size]
            if container is video:
                kept = container_packets
            else:
                kept += container_packets
        for packet, stream in kept:
            packet.stream = stream
            out.mux(packet)
    return folder / "a.mkv"


@pytest.fixture(scope="module")
def journal(
    made: Made, small_editor: Editor, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Journal, VideoSource, list[Track]]:
    source = VideoSource.open(made.path)
    journal = Journal(tmp_path_factory.mktemp("journal"), 0)
    scan.scan_video(small_editor, source, journal)
    return journal, source, read_tracks(journal, source)


@pytest.fixture(scope="module")
def edited(
    made: Made, small_editor: Editor, tmp_path_factory: pytest.TempPathFactory
) -> VideoResult:
    output = tmp_path_factory.mktemp("edited") / "out.mp4"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "SEGMENT", 0.6)
        return edit_video(small_editor, made.path, output, BOTH, mark="made by a test")


def photo_ager(editor: Editor, growth: Growth | None = None) -> PhotoAger:
    """An ager of photos that changes nothing yet."""
    network = PhotoNetwork(PhotoAgerConfig(32, widths=(8, 8))).eval().requires_grad_(False)
    return PhotoAger(network, growth, editor.model.config.alignment)


class TestReading:
    def test_what_is_in_it(self, made: Made, journal: Any):
        found, source, _ = journal
        assert (source.width, source.height) == (WIDTH, HEIGHT)
        rows = found.read_frames(0, FRAMES + 5)
        times = [source.seconds(int(pts)) for pts in rows["pts"]]
        assert np.allclose(times, np.array(made.stamps) / 1000)
        assert rows["shot"].tolist() == [0] * CUT + [1] * (FRAMES - CUT)

    def test_people_are_followed_over_cuts_and_told_apart(self, journal: Any):
        _, _, tracks = journal
        assert [t.number for t in tracks] == [1, 2]
        first, second = tracks
        assert [(r.start, r.stop) for r in first.runs] == [(0, CUT), (CUT, FRAMES)]
        assert [(r.comes, r.goes) for r in first.runs] == [(False, False)] * 2
        assert [(r.start, r.stop) for r in second.runs] == [(ENTERS, LEAVES)]
        assert (second.runs[0].comes, second.runs[0].goes) == (True, True)

    def test_smoothed_points_follow_the_known_motion_without_lag(self, made: Made, journal: Any):
        found, source, tracks = journal
        for run in tracks[0].runs:
            motion = load_motion(found, source, run, run.start, run.stop)
            part = slice(run.start, run.stop)
            centres, scales = made.centres[part], made.scales[part]

            def still(points: np.ndarray) -> np.ndarray:
                """The points as they lie in the portrait itself."""
                return (points - centres[:, None]) / scales[:, None, None]  # noqa: B023

            smooth, raw = still(motion.points[:, :5]), still(motion.raw)
            eyes = np.hypot(*(smooth[:, 1] - smooth[:, 0]).mean(0))
            wander = np.sqrt(np.square(smooth - smooth.mean(0)).sum(-1).mean())
            assert wander < 0.02 * eyes
            assert landmark_jitter(smooth) < 0.75 * landmark_jitter(raw)
            # Along a straight motion, a lag of one frame would be 2 px.
            x = motion.points[:, :5, 0].mean(1) - motion.raw[..., 0].mean(1)
            assert abs(x.mean()) < 0.15

    def test_parts_of_a_run_give_the_same_points(self, journal: Any):
        found, source, tracks = journal
        run = tracks[0].runs[1]
        whole = load_motion(found, source, run, run.start, run.stop)
        part = load_motion(found, source, run, run.start + 3, run.start + 6)
        assert np.array_equal(part.points, whole.points[3:6])
        assert np.array_equal(part.weight, whole.weight[3:6])

    def test_listing(self, made: Made, small_editor: Editor):
        listed = list_tracks(small_editor, made.path)
        assert [one.track.number for one in listed] == [1, 2]
        assert listed[1].seconds == ((0.4, pytest.approx(0.9)),)
        assert listed[0].key.view.age_crop.image.shape == (128, 128, 3)
        nothing = replace(small_editor, ager=None)  # that ages: people can be listed all the same
        again = list_tracks(nothing, made.path)
        assert [one.key.view.reading for one in again] == [one.key.view.reading for one in listed]


class TestEdit:
    def test_pictures_times_and_sound(self, made: Made, edited: VideoResult):
        before, times_before = decoded(made.path)
        after, times = decoded(edited.path)
        assert times == times_before  # one step is longer than the others
        assert np.diff([float(t) for t in times]).max() == pytest.approx(0.2)
        assert after[0].shape == (HEIGHT, WIDTH, 3)
        assert sound(edited.path) == sound(made.path)
        changed = [np.abs(a.astype(int) - b).mean(2) for a, b in zip(before, after, strict=True)]
        x, y = (int(v) for v in made.centres[15])
        still = changed[15][:, :60].mean()  # encoded anew, that is all
        assert still < 1.5
        assert changed[15][y - 20 : y + 20, x - 20 : x + 20].mean() > 2 * still
        assert changed[6][100:150, 270:310].mean() > 2 * still  # the second person
        assert changed[10][100:150, 270:310].mean() < 2 * still  # has gone

    def test_figures(self, edited: VideoResult):
        m = edited.metrics
        assert m.frames == FRAMES
        assert FRAMES <= m.edited <= FRAMES + LEAVES - ENTERS
        assert m.flicker_out < m.flicker_in + 2
        assert m.jitter_out < m.jitter_in
        assert m.seconds_a_frame > 0 and m.memory > 50
        assert abs(m.drift) < 0.2
        assert len(m.lines) == 4

    def test_the_edit_lies_still_in_the_known_motion(self, made: Made, edited: VideoResult):
        """The output, cut along the portrait's own motion, flickers hardly more than the input."""
        shots = []
        for path in (made.path, edited.path):
            frames, _ = decoded(path)
            half = 55.0
            corners = np.array([[-half, -half], [-half, half], [half, half], [half, -half]])
            cut = [
                sample_luma(frames[i][..., 1], made.centres[i] + corners * made.scales[i], 48)
                for i in range(CUT, FRAMES)
            ]
            shots.append(flicker(np.stack(cut)))
        assert shots[1] < shots[0] + 1.0

    def test_nothing_else_is_left(self, edited: VideoResult):
        assert [file.name for file in edited.path.parent.iterdir()] == ["out.mp4"]
        import av

        with av.open(str(edited.path)) as container:
            assert container.metadata["comment"] == "made by a test"
            assert DIGITAL_SOURCE_TYPE.encode() in edited.path.read_bytes()
            assert container.streams.video[0].codec_context.name == "h264"
            assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"

    @pytest.mark.parametrize(
        ("stage", "done"), [("faces", 6), pytest.param("frames", 15, marks=pytest.mark.slow)]
    )
    def test_a_killed_run_goes_on_to_the_same_result(
        self,
        made: Made,
        edited: VideoResult,
        small_editor: Editor,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        stage: str,
        done: int,
    ):
        monkeypatch.setattr(render, "SEGMENT", 0.6)
        monkeypatch.setattr(scan, "SAVE_EVERY", 0.0)
        seen: list[Progress] = []

        def kill(progress: Progress) -> None:
            if progress.stage == stage and progress.done >= done:
                raise STOP

        output = tmp_path / "out.mp4"
        with pytest.raises(RuntimeError, match="killed"):
            edit_video(
                small_editor, made.path, output, BOTH, mark="made by a test", on_progress=kill
            )
        assert not output.exists()
        assert work_folder(output).is_dir()
        edit_video(
            small_editor, made.path, output, BOTH, mark="made by a test", on_progress=seen.append
        )
        first = next(p.done for p in seen if p.stage == stage)
        assert first > 3  # what was done is not done again
        assert output.read_bytes() == edited.path.read_bytes()
        assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]

    def test_an_encoder_an_ager_and_subtitles(
        self, made: Made, subtitled: Path, small_editor: Editor, tmp_path: Path
    ):
        import torch

        config = small_editor.model.config.generator
        torch.manual_seed(0)
        network = Ager(AgerConfig(config.num_ws, config.w_dim, hidden=8)).eval()
        stored = StoredAger(network, small_editor.model.generator_hash)
        space = replace(small_editor.latents)  # a copy that knows no encoder yet
        editor = replace(small_editor, ager=stored.on_codes(space), load_latents=lambda: space)
        shape = EncoderConfig(config.num_ws, config.w_dim, 32, 4, (8, 8), (1, 1), 16)
        vars(editor.latents)["encoder"] = Encoder(shape).eval()
        result = edit_video(
            editor, subtitled, tmp_path / "o.mkv", VideoConfig(to=60, preview=Preview(0.8, 0.2))
        )
        pictures, times = decoded(result.path)
        assert 6 <= len(pictures) <= 8
        assert float(times[0]) == pytest.approx(0, abs=0.01)
        assert result.edits[0].own.age > 0
        kept = sound(result.path)
        assert 0 < len(kept) < len(sound(made.path)) / 2
        import av

        with av.open(str(result.path)) as container:
            lines = [p for p in container.demux(subtitles=0) if p.size]
            assert [bytes(p) for p in lines] == [b"Hello"]
            assert float(lines[0].pts * lines[0].time_base) == pytest.approx(0.1, abs=0.01)

    def test_a_photo_ager_looks_at_every_frame(
        self,
        made: Made,
        small_editor: Editor,
        journal: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """With one that makes faces lighter by a known amount, they are, in all frames alike."""
        import torch

        ager = photo_ager(small_editor)
        ager.network.out.bias += 1.0
        editor = replace(small_editor, ager=ager, load_latents=None)  # no codes of faces
        reached = Reached(3.0, 80.0, 80.0, None)  # who knows what age light has
        monkeypatch.setattr(track_edit, "reach_age", lambda *_: reached)
        result = edit_video(editor, made.path, tmp_path / "o.mp4", VideoConfig(to={1: 80.0}))
        (edit,) = result.edits
        assert edit.codes is None
        face = face_at(edit.own.age, torch.zeros(1, 3, 32, 32))
        ages = torch.tensor([edit.own.age + 10 * edit.reached.strength])
        middle = ager.change(face, ages).added[..., 16, 16]
        wanted = float(luma(middle[..., None, None])) * 127.5
        assert wanted > 5
        before, after = decoded(made.path)[0], decoded(result.path)[0]
        found, source, tracks = journal
        for run in tracks[0].runs:
            motion = load_motion(found, source, run, run.start, run.stop)
            for frame in range(run.start, run.stop):
                x, y = motion.points[motion.at(frame)][2].astype(int)  # the nose: no eyes near
                patch = (slice(y - 6, y + 6), slice(x - 6, x + 6))
                change = after[frame][patch].astype(float) - before[frame][patch]
                light = float((change @ np.array(LUMA)).mean())  # in the colour of the skin around
                assert light == pytest.approx(wanted, abs=2.5), frame

    def test_frames_are_bent_as_the_face_grows(
        self,
        made: Made,
        small_editor: Editor,
        journal: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """With a photo ager that changes nothing, a growth moves the nose down, and nobody else."""
        import torch

        alignment = small_editor.model.config.alignment
        growth = Growth(GrowthConfig((10.0, 90.0), side=16)).requires_grad_(False)
        growth.shapes[1, 1, 4:12, 4:12] = 0.15
        ager = photo_ager(small_editor, growth)
        editor = replace(small_editor, ager=ager)
        monkeypatch.setattr(track_edit, "reach_age", lambda *_: Reached(5.0, 80.0, 80.0, None))
        result = edit_video(editor, made.path, tmp_path / "o.mp4", VideoConfig(to={1: 80.0}))
        (edit,) = result.edits
        before, after = decoded(made.path)[0], decoded(result.path)[0]
        found, source, tracks = journal
        run = tracks[0].runs[0]
        motion = load_motion(found, source, run, run.start, run.stop)
        face = face_at(edit.own.age, torch.zeros(1, 3, 32, 32))
        warp = ager.change(face, torch.tensor([edit.own.age + 50])).warp
        assert warp is not None
        frame = run.start + 8  # faded in
        points = motion.points[motion.at(frame)]
        quad = face_quad(points[:5], alignment.scale, alignment.shift)
        down = round(float(warp.moves[0, 1, 8, 8]) * quad_side(quad))
        assert down >= 4
        x, y = points[2].astype(int)
        nose = before[frame][y - 8 : y + 8, x - 8 : x + 8].astype(float)
        there, here = (
            np.abs(after[frame][y - 8 + d : y + 8 + d, x - 8 : x + 8] - nose).mean()
            for d in (down, 0)
        )
        assert there < 0.5 * here
        last = motion.points[motion.at(frame), :5].max(0)[0] + quad_side(quad)
        beyond = np.s_[:, int(last) :]
        assert np.abs(after[frame][beyond].astype(float) - before[frame][beyond]).mean() < 2

    def test_rotated_pictures_come_out_upright(
        self, people: Any, small_editor: Editor, tmp_path: Path
    ):
        frames = [np.rot90(draw(i, *people), -1) for i in range(CUT, CUT + 4)]
        stamps = [100 * i for i in range(4)]
        path = write(tmp_path / "turned.mp4", frames, stamps, audio=False, turn=90)
        source = VideoSource.open(path)
        assert (source.width, source.height) == (WIDTH, HEIGHT)
        shown = next(source.frames())
        assert np.abs(shown.rgb().astype(int) - draw(CUT, *people)).mean() < 4
        result = edit_video(small_editor, path, tmp_path / "o.mp4", VideoConfig(to=60))
        pictures, _ = decoded(result.path)
        assert pictures[0].shape == (HEIGHT, WIDTH, 3)
        assert np.abs(pictures[0].astype(int) - draw(CUT, *people))[:, :60].mean() < 4
        assert next(VideoSource.open(result.path).frames()).raw.rotation == 0

    def test_odd_sizes_and_full_range(self, people: Any, small_editor: Editor, tmp_path: Path):
        frames = [draw(i, *people)[:-1, :-1] for i in range(CUT, CUT + 3)]
        path = write(tmp_path / "odd.mkv", frames, [0, 100, 200], format="yuvj444p", codec="mjpeg")
        result = edit_video(small_editor, path, tmp_path / "o.mkv", VideoConfig(to=60), mark="made")
        assert DIGITAL_SOURCE_TYPE.encode() in result.path.read_bytes()
        pictures, _ = decoded(result.path)
        assert pictures[0].shape == (HEIGHT, WIDTH, 3)  # made even
        assert np.abs(pictures[0][:-1, :-1].astype(int) - frames[0])[:, :60].mean() < 4


class TestErrors:
    def refused(
        self,
        editor: Editor,
        path: Path,
        output: Path,
        error: type[Exception],
        words: str,
        **kw: Any,
    ) -> None:
        before = sorted(output.parent.iterdir()) if output.parent.is_dir() else []
        with pytest.raises(error, match=words) as caught:
            edit_video(editor, path, output, VideoConfig(to=kw.pop("to", 60)), **kw)
        assert "\n" not in str(caught.value)
        assert (sorted(output.parent.iterdir()) if output.parent.is_dir() else []) == before

    def test_what_cannot_be_read(self, made: Made, small_editor: Editor, tmp_path: Path):
        text, empty = tmp_path / "a.mp4", tmp_path / "empty.mp4"
        text.write_text("no video" * 99)
        empty.write_bytes(b"")
        cut = tmp_path / "cut.mp4"
        cut.write_bytes(made.path.read_bytes()[:3000])
        out = tmp_path / "o.mp4"
        for path in (text, empty, cut):
            self.refused(small_editor, path, out, ImageError, "not a video that FFmpeg can read")
        Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
        said = r"photo\.png is a picture: use reage edit$"
        self.refused(small_editor, tmp_path / "photo.png", out, ImageError, said)
        self.refused(small_editor, tmp_path / "absent.mp4", out, ImageError, "does not exist")
        self.refused(small_editor, tmp_path, out, ImageError, "is no file")

    def test_a_file_without_video(self, small_editor: Editor, tmp_path: Path):
        import av

        path = tmp_path / "tone.wav"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("pcm_s16le", rate=8000)
            part = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
            part.sample_rate = 8000
            out.mux(stream.encode(part))
        self.refused(small_editor, path, tmp_path / "o.mkv", ImageError, "no video in it")

    def test_nobody_in_it(self, small_editor: Editor, tmp_path: Path):
        frames = [np.full((96, 128, 3), 60 + i, np.uint8) for i in range(4)]
        path = write(tmp_path / "a.mp4", frames, [0, 100, 200, 300], audio=False)
        self.refused(small_editor, path, tmp_path / "o.mp4", FaceError, "no face found")

    def test_where_nothing_may_be_written(self, made: Made, small_editor: Editor, tmp_path: Path):
        out = tmp_path / "o.mp4"
        out.write_bytes(b"earlier")
        e = small_editor
        self.refused(e, made.path, out, ImageError, "exists already")
        self.refused(e, made.path, made.path, UsageError, "is the input")
        self.refused(e, made.path, tmp_path / "no" / "o.mp4", ImageError, "does not exist")
        self.refused(e, made.path, tmp_path / "o.avi", UsageError, "no suffix of a video")
        self.refused(e, made.path, tmp_path / "o2.mp4", FaceError, "no person 3", to={3: 40})
        assert out.read_bytes() == b"earlier"

    def test_a_sound_that_does_not_fit(self, people: Any, small_editor: Editor, tmp_path: Path):
        import av

        path = tmp_path / "a.mkv"
        with av.open(str(path), "w") as out:
            video = out.add_stream("mjpeg", rate=RATE)
            video.width, video.height, video.pix_fmt = 64, 48, "yuvj420p"
            tone = out.add_stream("tta", rate=44100)
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            out.mux(video.encode(frame))
            out.mux(video.encode())
            part = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.int16), "s16", "mono")
            part.sample_rate = 44100
            out.mux(tone.encode(part))
            out.mux(tone.encode())
        self.refused(
            small_editor, path, tmp_path / "o.m4v", ImageError, "cannot hold .*write o.mkv"
        )

    def test_a_full_disk_keeps_what_is_done(
        self, made: Made, small_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("reage.files.os.replace", full)
        with pytest.raises(ImageError, match=r"No space left.*run the same command again"):
            edit_video(small_editor, made.path, tmp_path / "o.mp4", BOTH)
        assert not (tmp_path / "o.mp4").exists()

    def test_a_name_with_a_colon(
        self, made: Made, small_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """A screen recorder's name was taken for a protocol, and so was the output's."""
        monkeypatch.chdir(tmp_path)
        shutil.copy(made.path, "2024-05-01T12:30:00.mp4")
        preview = VideoConfig(to=60, preview=Preview(0.3))
        edit_video(small_editor, "2024-05-01T12:30:00.mp4", "out12:30.mov", preview)
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "2024-05-01T12:30:00.mp4", "out12:30.mov",
        ]  # fmt: skip

    def test_without_pyav(self, made: Made, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setitem(sys.modules, "av", None)
        with pytest.raises(UsageError, match=r'pip install "\.\[video\]"'):
            VideoSource.open(made.path)


class TestCommand:
    def run(self, capsys: Any, *arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    def test_edit_and_list(self, made: Made, small_folder: Path, tmp_path: Path, capsys: Any):
        out = tmp_path / "o.mp4"
        status, text, _ = self.run(
            capsys, "video", made.path, "--to", "1=60", "2=30", "--preview", "0.8s", "-o", out,
            "--model", small_folder, "--precision", "float32",
        )  # fmt: skip
        assert status == 0
        assert "person 1:" in text and "flicker" in text and "drift" in text and "s a frame" in text
        assert len(decoded(out)[0]) == 7  # a step was left out
        picture = tmp_path / "people.png"
        status, text, _ = self.run(
            capsys, "video", made.path, "--list", "-o", picture, "--model", small_folder
        )
        assert status == 0 and "person 2:" in text and picture.is_file()
        status, _, said = self.run(
            capsys, "video", made.path, "--list", "-o", picture, "--model", small_folder
        )
        assert status == 1 and "exists already" in said

    @pytest.mark.parametrize(
        ("more", "status"),
        [([], 2), (["--to", "20", "30"], 2), (["--to", "old"], 2), (["--list", "--to", "9"], 2),
         (["--to", "9", "--preview", "x"], 2), (["--to", "9", "--face", "x"], 2)],
    )  # fmt: skip
    def test_wrong_use(self, made: Made, capsys: Any, more: list[str], status: int):
        found, _, err = self.run(capsys, "video", made.path, *more)
        assert found == status
        assert len(err.strip().splitlines()) == 1 and "Traceback" not in err

    def test_no_video(self, tmp_path: Path, capsys: Any):
        (tmp_path / "a.mp4").write_text("no")
        status, _, err = self.run(capsys, "video", tmp_path / "a.mp4", "--to", 60)
        assert status == 1 and len(err.strip().splitlines()) == 1
