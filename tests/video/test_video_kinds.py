"""Videos of unusual kinds: depth, transparency, fields, HDR; what is not kept is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av")

import av
from made_video import CUT, draw

from reage.cli.main import main
from reage.editor import Editor
from reage.errors import FaceError, UsageError
from reage.video.config import VideoConfig
from reage.video.run import VideoResult, edit_video
from reage.video.samples import planes_of, to_frame
from reage.video.source import VideoSource
from reage.video.storage import choose_storage, frame_notices

MASTERING = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
HDR10 = {"x265-params": f"log-level=error:hdr10=1:{MASTERING}:max-cll=1000,400"}
Pictures = Callable[[int], np.ndarray]


def record(
    path: Path,
    people: Any,
    codec: str = "libx264",
    samples: str = "yuv420p",
    options: dict[str, str] | None = None,
    *,
    frames: int = 4,
    opacity: int | None = None,
    colours: tuple[int, int, int] | None = None,
) -> Path:
    """Write some frames of the made video in another kind of file."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=10, options=options or {})
        stream.height, stream.width = draw(CUT, *people).shape[:2]
        stream.pix_fmt = samples
        if opacity is not None:
            stream.metadata["alpha_mode"] = "1"
        for number in range(frames):
            pixels = draw(CUT + number, *people)
            if opacity is not None:
                pixels = np.dstack([pixels, np.full(pixels.shape[:2], opacity, np.uint8)])
            layout = "rgb24" if opacity is None else "rgba"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=layout)
            frame.pts = number
            if colours:
                context = stream.codec_context
                context.color_primaries, context.color_trc, context.colorspace = colours
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def edit(editor: Editor, path: Path, output: Path, **more: Any) -> tuple[VideoResult, Any, Any]:
    """Edit a video; return the result, and its stream and first frame."""
    result = edit_video(editor, path, output, VideoConfig(to=60, **more))
    with av.open(str(output)) as container:
        stream = container.streams.video[0]
        return result, stream.codec_context.name, next(container.decode(stream))


@pytest.mark.parametrize("samples", ["yuv420p", "yuv420p10le", "yuv422p10le", "yuva444p12le"])
def test_samples_pass_unchanged(samples: str):
    """What is not edited is the input's own to the last bit, at any depth."""
    noise = np.random.default_rng(0)
    frame = av.VideoFrame(34, 26, samples)
    kind = np.dtype(np.uint8 if samples == "yuv420p" else np.uint16)
    views = [np.frombuffer(p, kind).reshape(p.height, -1)[:, : p.width] for p in frame.planes]
    for view in views:
        view[...] = noise.integers(0, 1 << frame.format.components[0].bits, view.shape)
    chroma = {"0": (2, 2), "2": (2, 1), "4": (1, 1)}[samples.split("p")[0][-1]]
    deep, alpha = kind.itemsize == 2, "a" in samples
    planes = planes_of(frame, 1, False, deep=deep, subsampling=chroma, alpha=alpha)
    back = to_frame(planes, samples)
    for view, plane in zip(views, back.planes, strict=True):
        again = np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width]
        assert np.array_equal(view, again)


def test_an_opaque_picture_stays_opaque():
    frame = av.VideoFrame.from_ndarray(np.full((16, 16, 4), 255, np.uint8), format="rgba")
    planes = planes_of(frame, 1, False, deep=True, subsampling=(1, 1), alpha=True)
    written = to_frame(planes, "yuva444p10le").planes[3]
    assert np.frombuffer(written, np.uint16).max() == 1023


def test_ten_bits_stay_ten(people: Any, small_editor: Editor, tmp_path: Path):
    path = record(tmp_path / "a.mkv", people, samples="yuv420p10le")
    result, codec, frame = edit(small_editor, path, tmp_path / "o.mp4")
    assert (codec, frame.format.name, result.notices) == ("hevc", "yuv420p10le", ())
    assert tag(tmp_path / "o.mp4") == "hvc1", "others do not play on Apple's systems"
    result, codec, frame = edit(small_editor, path, tmp_path / "p.mp4", codec="h264")
    assert (codec, frame.format.name) == ("h264", "yuv420p")
    assert any("10 bits of a sample become 8" in line for line in result.notices)


def test_prores_stays_prores(people: Any, small_editor: Editor, tmp_path: Path):
    path = record(tmp_path / "a.mov", people, "prores_ks", "yuv422p10le", {"profile": "hq"})
    result, codec, frame = edit(small_editor, path, tmp_path / "o.mov")
    assert (codec, frame.format.name, result.notices) == ("prores", "yuv422p10le", ())
    assert tag(tmp_path / "o.mov") == "apch"


def tag(path: Path) -> str:
    """Return what the file calls its video's codec."""
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.codec_tag


@pytest.mark.parametrize("codec", ["libvpx-vp9", "ffv1"])
def test_transparency_is_kept_or_said(
    codec: str, people: Any, small_editor: Editor, tmp_path: Path
):
    path = record(tmp_path / "a.mkv", people, codec, "yuva420p", opacity=90)
    result, _, frame = edit(small_editor, path, tmp_path / "o.mov")
    alpha = frame.planes[3]
    seen = np.frombuffer(alpha, np.uint16).reshape(alpha.height, -1)[:, : alpha.width]
    bits = frame.format.components[3].bits
    assert np.abs(seen / (2**bits - 1) * 255 - 90).max() < 1.5
    assert not any("alpha" in line for line in result.notices)
    assert tag(tmp_path / "o.mov") == "ap4h"
    opaque, _, _ = edit(small_editor, path, tmp_path / "o.mp4")
    assert any("alpha" in line and "o.mov" in line for line in opaque.notices)


def test_fields_and_their_flag_are_kept(people: Any, small_editor: Editor, tmp_path: Path):
    path = record(tmp_path / "a.mp4", people, options={"x264-params": "bff=1"})
    result, _, frame = edit(small_editor, path, tmp_path / "o.mp4")
    assert frame.interlaced_frame
    assert any("bottom field first" in line for line in result.notices)
    assert VideoSource.open(tmp_path / "o.mp4").facts.fields == "bottom"


def test_hdr_metadata_is_kept_or_said(people: Any, small_editor: Editor, tmp_path: Path):
    path = record(tmp_path / "a.mp4", people, "libx265", "yuv420p10le", HDR10, colours=(9, 16, 9))
    result, _, frame = edit(small_editor, path, tmp_path / "o.mp4")
    before, after = VideoSource.open(path).facts, VideoSource.open(tmp_path / "o.mp4").facts
    assert before.display and (before.display, before.light) == (after.display, after.light)
    assert (frame.color_primaries, frame.color_trc, frame.colorspace) == (9, 16, 9)
    assert any("HDR (PQ)" in line for line in result.notices)
    lossy = choose_storage(VideoSource.open(path), tmp_path / "p.mov", "prores")
    assert any("mastering metadata is left out" in line for line in lossy.notices)


def test_streams_left_out_are_counted(people: Any, tmp_path: Path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("libx264", rate=10) for _ in range(2)]
        for stream in streams:
            stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        for stream in streams:
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            out.mux(stream.encode(picture))
            out.mux(stream.encode())
    storage = choose_storage(VideoSource.open(path), tmp_path / "o.mp4")
    assert storage.notices == ("left out: 1 more video stream",)


def test_colours_and_sides_that_change_are_said(people: Any, tmp_path: Path):
    frame = av.VideoFrame.from_ndarray(np.zeros((63, 65, 3), np.uint8), format="rgb24")
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = 63, 65, "yuv444p"
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    first, second = choose_storage(VideoSource.open(tmp_path / "a.mkv"), Path("o.mp4")).notices
    assert "4:4:4 become 4:2:0" in first and "65x63 becomes 66x64" in second


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path: Path):
    """They were painted in their own size and cut into the first one's."""
    data = b""
    for side in (64, 96):
        with av.open(str(tmp_path / "part.ts"), "w") as out:
            stream = out.add_stream("libx264", rate=10)
            stream.height, stream.width, stream.pix_fmt = side, side, "yuv420p"
            pixels = np.full((side, side, 3), 90, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            out.mux(stream.encode())
        data += (tmp_path / "part.ts").read_bytes()
    (tmp_path / "a.ts").write_bytes(data)
    source = VideoSource.open(tmp_path / "a.ts")
    frames = [frame.rgb() for frame in source.frames()]
    assert [frame.shape for frame in frames] == [(64, 64, 3)] * 2
    assert np.abs(np.diff(frames, axis=0).astype(float)).max() <= 2
    (line,) = frame_notices(source, 0, 2)
    assert line == "1 frame of another size is scaled to the first one's 64x64"


def test_prores_needs_a_file_that_holds_it(people: Any, tmp_path: Path):
    source = VideoSource.open(record(tmp_path / "a.mp4", people))
    with pytest.raises(UsageError, match=r"write o\.mov instead"):
        choose_storage(source, Path("o.mp4"), "prores")


def test_too_short_is_not_no_face(people: Any, small_editor: Editor, tmp_path: Path):
    path = record(tmp_path / "one.mp4", people, frames=1)
    with pytest.raises(FaceError, match=r"seen for less than 0\.25 s: too short"):
        edit_video(small_editor, path, tmp_path / "o.mp4", VideoConfig(to=60))
    assert [file.name for file in tmp_path.iterdir()] == ["one.mp4"]


def test_what_cannot_be_sought_is_read_from_the_start(
    people: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = VideoSource.open(record(tmp_path / "a.mp4", people))
    stamps = [frame.pts for frame in source.frames()]

    class Unseekable:
        """A container whose `seek` fails."""

        def __init__(self, container: Any):
            self.container = container

        def seek(self, *_: Any, **__: Any) -> None:
            raise av.error.PermissionError(1, "Operation not permitted")

        def __getattr__(self, name: str) -> Any:
            return getattr(self.container, name)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *error: object) -> None:
            self.container.close()

    monkeypatch.setattr(
        "reage.video.source.open_input", lambda path: Unseekable(av.open(str(path)))
    )
    assert [frame.pts for frame in source.frames(stamps[2])] == stamps[2:]


def test_a_dry_run_says_what_would_be_and_what_would_go_wrong(
    people: Any, tmp_path: Path, capsys: Any
):
    path = record(tmp_path / "a.mp4", people)

    def run(*more: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught:
            main(["video", str(path), "--dry-run", *more])
        told = capsys.readouterr()
        return int(caught.value.code or 0), told.out + told.err

    made = [str(tmp_path / name) for name in ("a-age60.mp4", "a-age60.mp4-reage.json")]
    status, told = run("--to", "60", "--json")
    assert status == 0 and json.loads(told)["files"] == made
    assert f"writes {made[0]}" in run("--to", "60")[1] and "exists already" not in told
    Path(made[0]).touch()
    assert run("--to", "60")[0] == run("--to", "60", "-o", str(path))[0] - 1 == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a-age60.mp4", "a.mp4"]


def test_the_report_and_stderr_say_the_same(
    people: Any, small_folder: Path, tmp_path: Path, capsys: Any
):
    path = record(tmp_path / "a.mp4", people, options={"x264-params": "tff=1"})
    with pytest.raises(SystemExit) as caught:
        main(["video", str(path), "--to", "60", "-o", str(tmp_path / "o.mp4"),
              "--model", str(small_folder)])  # fmt: skip
    assert not caught.value.code
    report = json.loads((tmp_path / "o.mp4-reage.json").read_text())
    said = [line.removeprefix("note: ") for line in capsys.readouterr().err.splitlines()]
    assert report["notices"] == [line for line in said if line] != []
    assert report["people"][0]["asked"] == 60
