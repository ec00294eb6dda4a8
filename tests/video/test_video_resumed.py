"""A video that was begun with one ager is not finished with another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

from made_video import write

from made import editor_with, made_ager
from reage.models.checkpoints import Model
from reage.video import render, scan
from reage.video.config import Progress, VideoConfig, work_folder
from reage.video.run import edit_video

STOP = RuntimeError("killed")
TO = VideoConfig(to=60)


@pytest.mark.slow
@pytest.mark.usefixtures("any_likeness")
def test_another_ager_begins_anew(
    small_model: Model,
    small_folder: Path,
    astronaut: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(render, "SEGMENT", 0.2)
    monkeypatch.setattr(scan, "SAVE_EVERY", 0.0)
    frames = [np.roll(astronaut, step, axis=1) for step in range(8)]
    clip = write(tmp_path / "clip.mp4", frames, [100 * i for i in range(8)], audio=False)
    stored = made_ager(small_model)
    assert stored.photo is not None
    first = editor_with(stored, small_folder)
    whole = edit_video(first, clip, tmp_path / "first.mp4", TO).path.read_bytes()

    def kill(progress: Progress) -> None:
        if progress.stage == "frames" and progress.done >= 5:
            raise STOP

    output, seen = tmp_path / "out.mp4", []
    with pytest.raises(RuntimeError, match="killed"):
        edit_video(first, clip, output, TO, on_progress=kill)
    job = json.loads((work_folder(output) / "job.json").read_text())
    assert job["fingerprint"] == first.fingerprint()
    next(iter(stored.photo.parameters())).mul_(1.05)
    other = editor_with(stored, small_folder)
    assert other.fingerprint() != job["fingerprint"]
    edit_video(other, clip, output, TO, on_progress=seen.append)
    assert next(p.done for p in seen if p.stage == "faces") < 8  # nothing was taken over
    assert next(p.done for p in seen if p.stage == "frames") == 1
    alone = edit_video(other, clip, tmp_path / "other.mp4", TO).path.read_bytes()
    assert output.read_bytes() == alone != whole
