"""What the benchmarks share: turns, ratios, the count of convolutions."""

from __future__ import annotations

import importlib
import io
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def timing(monkeypatch: pytest.MonkeyPatch):
    """The module; benchmarks are programs, found from their own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setitem(sys.modules, "timing", None)
    del sys.modules["timing"]
    import timing  # pyright: ignore[reportMissingImports]

    return timing


def test_works_take_turns_and_the_first_turn_does_not_count(timing):
    order = []

    def work(name: str, seconds: list[float]):
        def run() -> float:
            order.append(name)
            return seconds.pop(0)

        return run

    works = {"a": work("a", [9, 1, 2, 3]), "b": work("b", [9, 4, 4, 7])}
    medians, turns = timing.in_turns(works, 3, 60)
    assert "".join(order) == "abababab"
    assert medians == {"a": 2, "b": 4}
    assert turns == 3


def test_a_long_first_turn_counts_and_two_are_taken_whatever_the_budget(timing):
    spent = iter([30.0, 10.0, 99.0])
    medians, turns = timing.in_turns({"a": lambda: next(spent)}, 5, 0)
    assert (medians, turns) == ({"a": 20.0}, 2)


def test_ratios_are_to_the_first(timing):
    row = timing.Row("a picture", {"reage": 0.5, "other": 2.0}, 1)
    assert row.ratios == {"reage": 1.0, "other": 4.0}


def test_convolutions_are_noted_with_the_shape_of_their_input(timing):
    network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, padding=1), nn.Conv2d(8, 8, 5, groups=8))
    found = timing.convolutions(network, lambda: network(torch.zeros(1, 3, 16, 16)))
    first = timing.Convolution(3, 8, 16, 3, 2, 1)
    assert found == [first, timing.Convolution(8, 8, 8, 5, 1, 8)]
    assert timing.bare_seconds(found, torch.float32) > 0


def test_a_recording_ends_with_the_last_picture(monkeypatch: pytest.MonkeyPatch):
    """Chromium sends none while nothing changes."""
    pytest.importorskip("playwright.sync_api")
    monkeypatch.syspath_prepend(str(FOLDER))
    page = importlib.import_module("page")
    seen = []
    for second, shade in ((0.0, 10), (1.0, 120), (1.1, 240)):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (shade,) * 3).save(file, "JPEG")
        seen.append((second, file.getvalue()))
    shades = [round(float(frame.mean())) for frame in page.frames_of(seen)]
    assert shades[0] == 10 and shades[-1] == 240 and shades.count(240) > page.FPS
