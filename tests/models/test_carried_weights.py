"""The weights of other makers that reage carries: what their READMEs say is what lies there."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from reage.errors import ModelError
from reage.faces import landmarker
from reage.models import pretrained

ASSETS = pretrained.ASSETS
FOLDERS = [ASSETS / name for name in ("age", "dlib", "efficientnet", "mediapipe")]
LARGEST = 60_000_000  # bytes of all assets, so of the wheel


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_file_is_the_one_that_its_readme_names(folder: Path):
    text = (folder / "README.md").read_text(encoding="utf-8")
    named = dict(re.findall(r"`([\w.-]+\.(?:tflite|safetensors))`.*`([0-9a-f]{64})`", text))
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "README.md"
    }
    assert named == found
    assert re.search(r"CC0|Apache", text)


def test_the_assets_stay_small():
    assert sum(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) < LARGEST


def test_a_missing_file_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pretrained, "ASSETS", tmp_path)
    monkeypatch.setattr(landmarker, "ASSETS", tmp_path)
    for load in (
        pretrained.load_age_network.__wrapped__,
        pretrained.load_efficientnet.__wrapped__,
        landmarker.FaceMesh,
    ):
        with pytest.raises(ModelError, match="cannot read") as caught:
            load()
        assert "\n" not in str(caught.value)
