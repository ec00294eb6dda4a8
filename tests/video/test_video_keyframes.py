"""Ages and strengths over time, and the part of a video in which a change shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av")

from made_video import CUT, draw, write

from reage.agers.photo import PhotoAger
from reage.cli.main import main
from reage.editor import Editor
from reage.errors import UsageError
from reage.networks.agers.photo_ager import PhotoAger as PhotoNetwork
from reage.networks.agers.photo_ager import PhotoAgerConfig
from reage.search.age_search import Reached
from reage.video import track_edit
from reage.video.config import VideoConfig
from reage.video.keyframes import KeyFrames, parse_keys, parse_seconds
from reage.video.run import edit_video
from reage.video.source import VideoSource

FRAMES = 11


def test_keys_are_read_and_joined_by_lines():
    keys = parse_keys("0s=40,3s=60", "--to")
    assert keys is not None
    assert [keys.at(second) for second in (-1, 0, 1.5, 3, 9)] == [40, 40, 50, 60, 60]
    assert parse_keys("70", "--to") is None and parse_keys("1=70", "--to") is None
    assert str(keys) == "40-60"


@pytest.mark.parametrize(
    "text", ["0s=40,0s=50", "3s=40,1s=50", "-1s=4", "0s=", "0s=nan", "1s=1e9", "0s=4,5", "s=4"]
)
def test_keys_that_are_none(text: str):
    with pytest.raises(UsageError, match=r"^--to [^\n]*$"):
        parse_keys(text, "--to")


@pytest.mark.parametrize("text", ["", "-1", "1e9", "nan", "inf", "9" * 5000, "1:30"])
def test_times_that_are_none(text: str):
    with pytest.raises(UsageError, match=r"--from"):
        parse_seconds(text, "--from")


def lightened(
    editor: Editor, people: Any, folder: Path, patch: pytest.MonkeyPatch, **config: Any
) -> np.ndarray:
    """How much lighter a face gets in each frame, by an ager whose light grows with strength."""
    network = PhotoNetwork(PhotoAgerConfig(32, widths=(8, 8))).eval().requires_grad_(False)
    network.out.bias += 1.0
    ager = PhotoAger(network, None, editor.model.config.alignment)
    path = folder / "a.mkv"
    frames = [draw(CUT, *people)] * FRAMES
    write(path, frames, [100 * i for i in range(FRAMES)], audio=False)
    patch.setattr(
        track_edit, "reach_age", lambda _look, _curve, age: Reached(age / 20, age, age, None)
    )
    changed = replace(editor, ager=ager, load_latents=None)
    edit_video(changed, path, folder / "o.mkv", VideoConfig(**config))
    pairs = zip(
        VideoSource.open(path).frames(), VideoSource.open(folder / "o.mkv").frames(), strict=True
    )
    part = np.s_[125:140, 250:262]
    return np.array([(b.rgb()[part].astype(float) - a.rgb()[part]).mean() for a, b in pairs])


def test_strength_over_time(
    people: Any, small_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ramp = KeyFrames(((0.0, 0.0), (1.0, 1.0)))
    seen = lightened(small_editor, people, tmp_path, monkeypatch, to=60.0, strength=ramp)
    assert abs(seen[0]) < 1 and seen[-1] > 8
    assert np.abs(seen - seen[-1] * np.arange(FRAMES) / 10).max() < 2


def test_a_change_shows_between_two_times_only(
    people: Any, small_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen = lightened(small_editor, people, tmp_path, monkeypatch, to=60.0, span=(0.3, 0.6))
    inside = np.zeros(FRAMES, bool)
    inside[3:7] = True
    assert (seen[inside] > 8).all() and (np.abs(seen[~inside]) < 1.5).all()


def test_ages_over_time_pass_through_the_ages_between(
    people: Any, small_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[float] = []
    change = PhotoAger.change

    def note(self: PhotoAger, face: Any, ages: Any) -> Any:
        asked.append(float(ages[0]) - face.own_age)
        return change(self, face, ages)

    monkeypatch.setattr(PhotoAger, "change", note)
    keys = KeyFrames(((0.0, 40.0), (1.0, 60.0)))
    lightened(small_editor, people, tmp_path, monkeypatch, to=keys)
    # Reached(age / 20): strengths 2 to 3, that is 20 to 30 years older.
    assert asked[-FRAMES:] == pytest.approx(list(np.linspace(20, 30, FRAMES)), abs=1e-3)


@pytest.mark.parametrize(
    "config",
    [
        {"to": 60.0, "strength": KeyFrames(((0.0, 1.5),))},
        {"to": 60.0, "strength": KeyFrames(((0.0, float("nan")),))},
        {"to": 60.0, "span": (2.0, 1.0)},
        {"to": KeyFrames(((0.0, 500.0),))},
    ],
)
def test_what_cannot_be(config: dict[str, Any], people: Any, small_editor: Editor, tmp_path: Path):
    with pytest.raises(UsageError):
        edit_video(small_editor, tmp_path / "a.mp4", tmp_path / "o.mp4", VideoConfig(**config))


@pytest.mark.parametrize(
    "more",
    [["--to", "0s=40,0s=50"], ["--to", "0s=40", "0s=50"], ["--to", "60", "--strength", "2s=x"],
     ["--to", "60", "--strength", "x"], ["--to", "60", "--from", "x"],
     ["--to", "60", "--until", "1:2"]],
)  # fmt: skip
def test_wrong_use(more: list[str], people: Any, tmp_path: Path, capsys: Any):
    path = write(tmp_path / "a.mp4", [draw(CUT, *people)], [0], audio=False)
    with pytest.raises(SystemExit) as caught:
        main(["video", str(path), *more])
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
