"""FFmpeg opens what it is given by name, and nothing else; H.264 is written whole or not at all."""

from __future__ import annotations

import os
import socket
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reage.errors import ImageError
from reage.ffmpeg import H264, h264_file, open_input

av = pytest.importorskip("av")

SIDE = 64
HOW = H264(SIDE, SIDE, Fraction(10), crf=18)
# FFmpeg reads "a:b" as a protocol, % as a number, and a dash as an option.
NAMES = ["2024-05-01T12:30:00.mov", "http:x.mp4", "100%03d.mp4", "-o.mp4", "a\nb.mp4", "file:.mp4"]
if sys.platform == "linux":
    NAMES.append(os.fsdecode(b"\xe4\xff.mp4"))


def shade(number: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), 20 * number, np.uint8)


def film(path: Path, frames: int = 5) -> Path:
    with h264_file(path, HOW) as write:
        for number in range(frames):
            write(shade(number), number)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    film(Path(name))
    assert os.listdir(tmp_path) == [name]
    with open_input(Path(name)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == 5
    for number, picture in enumerate(shown):
        assert abs(picture.mean() - 20 * number) < 4


def test_no_other_file_is_opened(tmp_path: Path):
    """Playlists, lists, descriptions of sessions: each would be read from where it points."""
    film(tmp_path / "secret.mp4")
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        texts = {
            "local.m3u8": f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.mp4\n#EXT-X-ENDLIST\n",
            "remote.m3u8": f"#EXTM3U\n#EXTINF:1,\n{host}\n#EXT-X-ENDLIST\n",
            "list.mp4": f"ffconcat version 1.0\nfile '{tmp_path}/secret.mp4'\n",
            "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\n"
            "m=video 49170 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
            "a.mpd": f"<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>{host}</BaseURL></MPD>",
            "1.png": "no picture",
        }
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
            with (
                pytest.raises(ImageError, match=r"(?s)^[^\n]*not a video that FFmpeg can read"),
                open_input(tmp_path / name),
            ):
                pass
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, OSError])
def test_an_error_of_the_caller_passes_and_leaves_the_old_file(
    tmp_path: Path, error: type[BaseException]
):
    (tmp_path / "a.mp4").write_bytes(b"old")

    def fail() -> None:
        with h264_file(tmp_path / "a.mp4", HOW) as write:
            write(shade(1), 0)
            raise error

    with pytest.raises(error):
        fail()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.mp4", b"old")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.mp4").write_bytes(b"old")
    monkeypatch.setattr("reage.ffmpeg.local", lambda path: "file:/dev/full")
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)

    def fill() -> None:
        with h264_file(tmp_path / "a.mp4", HOW, kept="go on") as write:
            for number in range(500):
                write(noise, number)

    with pytest.raises(ImageError, match=r"^[^\n]*a.mp4 cannot be written \(No space.*\): go on$"):
        fill()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.mp4", b"old")]


def test_a_tail_is_appended(tmp_path: Path):
    with h264_file(tmp_path / "a.mp4", HOW, tail=b"\0\0\0\x0cfreetail") as write:
        write(shade(1), 0)
    assert (tmp_path / "a.mp4").read_bytes().endswith(b"freetail")
    with open_input(tmp_path / "a.mp4") as container:
        assert len(list(container.decode(video=0))) == 1
