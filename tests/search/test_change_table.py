"""Changes kept for a slider: between two of them, and as exact as the eye can tell."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from reage.compositing.change import Amounts, Change
from reage.compositing.warp import Warp
from reage.editor import Editor
from reage.inputs import as_photo
from reage.outputs.live import LiveFaces, look_along
from reage.search.change_table import ChangeTable


@pytest.fixture(scope="module")
def live(editor: Editor, astronaut: np.ndarray) -> LiveFaces:
    photo = as_photo(astronaut)
    return look_along(editor, photo, editor.prepare(photo, editor.choose_faces(photo)))


def changes(values: list[float]) -> Change:
    added = torch.tensor(values)[:, None, None, None].expand(-1, 3, 8, 8)
    return Change(added, Warp(added[:, :2] * 0.1, 0.2), detail=added[:, 0, 0, 0])


def test_between_two_changes_all_parts_are_interpolated():
    table = ChangeTable()
    table.add(torch.tensor([0.0, 0.8]), changes([0.0, 0.4]), torch.tensor([30.0, 38.0]))
    found = table.at(0.2)
    assert found is not None
    change, age = found
    assert age == pytest.approx(32.0)
    assert change.warp is not None and change.detail is not None
    assert change.added[0, 1, 3, 3] == pytest.approx(0.1, abs=1e-3)
    assert change.warp.moves[0, 0, 3, 3] == pytest.approx(0.01, abs=1e-4)
    assert change.detail[0] == pytest.approx(0.1, abs=1e-3)


def test_what_is_not_known_well_enough_is_not_guessed():
    table = ChangeTable()
    table.add(torch.tensor([0.0, 2.0]), changes([0.0, 0.4]), torch.tensor([30.0, 50.0]))
    assert table.at(2.0) is not None and table.at(1.0) is not None
    assert table.at(2.1) is None and table.at(-0.1) is None
    table.add(torch.tensor([4.1]), changes([0.8]), torch.tensor([70.0]))
    assert table.at(3.0) is None
    large = Change(torch.zeros(1, 3, 512, 512))
    table.add(torch.tensor([6.5]), large, torch.tensor([40.0]))
    assert table.at(6.5) is None


def test_a_drag_shows_about_what_an_edit_computes_at_half_the_size(live: LiveFaces):
    live.at({1: 50.0})  # the first age is searched
    # Near the end of the reach, at 13 years, ages hardly tell strengths apart.
    for age in (18.0, 43.0, 61.0, 74.0):
        exact, read = live.at({1: age})
        shown, told = live.at({1: age}, halvings=1)
        off = np.abs(shown.astype(int) - np.asarray(Image.fromarray(exact).reduce(2)))
        assert off.mean() < 0.8 and np.percentile(off, 99.9) <= 24
        assert read[1].exact and not told[1].exact and not told[1].rough
        assert told[1].reading.age == pytest.approx(read[1].reading.age, abs=1.5)
        assert told[1].reading.spread == pytest.approx(read[1].reading.spread, abs=0.3)


def reads(live: LiveFaces) -> int:
    return len(live.curves[1].curve.strengths)


def test_an_age_takes_one_read_at_most_and_a_known_part_none(
    editor: Editor, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    photo = as_photo(astronaut)
    live = look_along(editor, photo, editor.prepare(photo, editor.choose_faces(photo)))
    live.at({1: 50.0})
    first = reads(live)
    for age in np.random.default_rng(0).permutation(np.arange(15.0, 75.0)):
        before = reads(live)
        live.learn({1: float(age)})
        assert reads(live) <= before + 1
    assert first < reads(live) < first + 24
    monkeypatch.setattr(type(live.traced.search.ager), "change", None)
    monkeypatch.setattr(type(live.traced.search.age_network), "read_each", None)
    pixels, _ = live.at({1: 66.5}, halvings=1)
    less, _ = live.at({1: 20.5}, halvings=1)
    assert np.abs(pixels.astype(int) - less).max() > 20


def test_an_age_is_shown_the_same_again_and_an_older_one_older(live: LiveFaces):
    curve, ages = live.curves[1], [30.0, 60.0, 45.0, 44.0, 70.0, 46.0, 61.0, 20.0]
    found = {age: curve.strength(age) for age in ages}
    assert {age: curve.strength(age) for age in reversed(ages)} == found
    assert [found[age] for age in sorted(found)] == sorted(found.values())


def test_a_rough_age_takes_no_read_and_is_not_remembered(
    editor: Editor, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    photo = as_photo(astronaut)
    live = look_along(editor, photo, editor.prepare(photo, editor.choose_faces(photo)))
    live.at({1: 50.0})
    guesses = {}
    with monkeypatch.context() as patched:
        patched.setattr(type(live.traced.search.ager), "change", None)
        patched.setattr(type(live.traced.search.age_network), "read_each", None)
        for age in (30.0, 60.0, 20.0, 70.0):
            guesses[age] = live.curves[1].guess(age)
            told = live.at({1: age}, halvings=1)[1][1]
            assert told.rough != live.knows({1: age})
    assert any(not live.knows({1: age}) for age in guesses)
    assert list(guesses.values()) == [live.curves[1].guess(age) for age in guesses]
    for age, guess in guesses.items():
        assert live.curves[1].strength(age) == pytest.approx(guess, abs=0.5)  # decades
        assert not live.at({1: age}, halvings=1)[1][1].rough
    assert sorted(live.curves[1].asked) == [20.0, 30.0, 50.0, 60.0, 70.0]


def test_less_of_a_part_is_read_in_what_is_shown(live: LiveFaces):
    (whole,) = live.at({1: 70.0})[1].values()
    (less,) = live.showing(Amounts(skin=0.3, shape=0.3)).at({1: 70.0})[1].values()
    assert less.reading.age < whole.reading.age - 3
