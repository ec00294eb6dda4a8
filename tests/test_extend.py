"""The ager of docs/extend.md, exactly as it is printed there, through every front door."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import reage
from made import Command
from reage.agers.base import Ager
from reage.agers.finder import KINDS
from reage.images import read_photo, save_array

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="no documents here")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module that the page prints."""
    (text,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    monkeypatch.setattr("reage.agers.finder.KINDS", KINDS)
    module = ModuleType("exemplar")
    exec(compile(text, str(PAGE), "exec"), vars(module))
    yield module
    KINDS.pop("exemplar:")


@pytest.fixture
def portrait(tmp_path: Path, astronaut: np.ndarray) -> Path:
    return save_array(astronaut, tmp_path / "portrait.png").path


def changed(before: Path, after: Path) -> float:
    pixels = [read_photo(path).rgb8.astype(int) for path in (before, after)]
    return float((np.abs(pixels[0] - pixels[1]).max(2) > 3).mean())


def test_the_printed_ager_is_short_and_keeps_its_own_age(example: ModuleType, portrait: Path):
    assert (
        len(PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0].split("\n"))
        < 70
    )
    ager = example.ExemplarAger(portrait)
    assert isinstance(ager, Ager)
    editor = reage.load(ager=ager)
    photo = read_photo(portrait)
    (face,) = editor.prepare(photo, editor.choose_faces(photo))
    import torch

    ages = torch.tensor([face.own_age, 80.0])
    change = ager.change(face, ages)
    assert change.relief is not None
    assert not change.relief[0].any() and change.relief[1].abs().max() > 0.05
    assert "latents" not in vars(editor)  # no generator was loaded


def test_it_goes_through_edit(example: ModuleType, portrait: Path, reage_command: Command):
    code, _, err = reage_command(
        "edit",
        portrait,
        "--to",
        "70",
        "--ager",
        f"exemplar:{portrait}",
        "-o",
        portrait.parent / "o",
    )
    assert code == 0, err
    assert changed(portrait, portrait.parent / "o" / "portrait-age70.png") > 0.01
    report = json.loads((portrait.parent / "o" / "portrait-age70-reage.json").read_text())
    assert report["model"]["ager_fingerprint"] == example.ExemplarAger(portrait).fingerprint
    assert report["faces"][0]["inversion"] is None


def test_it_goes_through_a_batch(example: ModuleType, portrait: Path, reage_command: Command):
    photos, out = portrait.parent / "in", portrait.parent / "out"
    photos.mkdir()
    portrait.rename(photos / "portrait.png")
    portrait = photos / "portrait.png"
    code, _, err = reage_command(
        "batch", photos, out, "--to", "70", "--workers", "1", "--ager", f"exemplar:{portrait}"
    )
    assert code == 0, err
    (made,) = out.rglob("*age70.png")
    assert changed(portrait, made) > 0.01


def test_it_goes_through_a_video(example: ModuleType, portrait: Path, reage_command: Command):
    av = pytest.importorskip("av")
    clip, out = portrait.parent / "clip.mp4", portrait.parent / "out.mp4"
    pixels = np.repeat(np.repeat(read_photo(portrait).rgb8, 2, 0), 2, 1)
    with av.open(str(clip), "w") as file:
        stream = file.add_stream("libx264", rate=12, options={"crf": "12"})
        stream.height, stream.width, stream.pix_fmt = *pixels.shape[:2], "yuv420p"
        for _ in range(6):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())
    code, said, err = reage_command(
        "video", clip, "--to", "70", "--ager", f"exemplar:{portrait}", "-o", out
    )
    assert code == 0, err
    assert "person 1" in said
    with av.open(str(clip)) as before, av.open(str(out)) as after:
        pairs = zip(before.decode(video=0), after.decode(video=0), strict=True)
        apart = [np.abs(a.to_ndarray(format="gray").astype(int) - b.to_ndarray(format="gray"))
                 for a, b in pairs]  # fmt: skip
    assert len(apart) == 6 and all((one > 3).mean() > 0.01 for one in apart)


def test_it_goes_through_the_page(example: ModuleType, portrait: Path):
    pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    from reage.web.app import create_app
    from reage.web.settings import ServerSettings

    editor = reage.load(ager=f"exemplar:{portrait}")
    raw = {"content-type": "application/octet-stream"}
    with TestClient(create_app(editor, ServerSettings()), base_url="http://localhost") as client:
        photo = client.post("/api/v1/photos", content=portrait.read_bytes(), headers=raw).json()
        place = f"/api/v1/photos/{photo['id']}"
        before = client.get(f"{place}/view")
        after = client.get(f"{place}/edited", params={"ages": "1:70"})
        assert after.status_code == 200, after.text
        one, other = (np.asarray(Image.open(io.BytesIO(a.content)), int) for a in (before, after))
        assert (np.abs(one - other) > 8).mean() > 0.01
