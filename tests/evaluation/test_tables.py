"""The ageing's figures, of faces whose looks are made up."""

from __future__ import annotations

import numpy as np
import pytest

from reage.datasets.face_dataset import FaceRow
from reage.evaluation.ageing import Ageing, Subject
from reage.evaluation.looks import ATTRIBUTES, Look
from reage.evaluation.marks import marks
from reage.evaluation.tables import ageing_figures, cases_of, records
from reage.evaluation.words import number, percent, table

pytestmark = pytest.mark.quick

THRESHOLD = 0.6


def look(age: float, second: float | None = None, apart: float | None = 0.0, **seen: float) -> Look:
    descriptor = None if apart is None else np.array([apart, 0.0])
    return Look(age, second, descriptor, dict.fromkeys(ATTRIBUTES, 0.0) | seen)


def subject(aged: dict[float, Look], *, own: float = 30.0, **row: str) -> Subject:
    labels = {"gender": "female", "group": "Black"} | row
    return Subject(
        row=FaceRow("a.webp", "val", (30, 39), labels["gender"], labels["group"], {}),
        photo=look(own, own + 1),
        reconstruction=look(own + 2, own + 4, 0.5, smile=0.2),
        aged=aged,
        claimed={target: abs(found.age - target) < 2 for target, found in aged.items()},
        steps=[2.0, 4.0],
        outside=100.0,
        seconds=3.0,
    )


@pytest.fixture
def faces() -> Ageing:
    first = subject({20.0: look(21, 27, 0.3, smile=-0.1), 60.0: look(50, 69, 0.7, smile=0.3)})
    second = subject({20.0: look(26, 20, 0.1), 60.0: look(58, 67, 0.2)}, group="White", gender="")
    return Ageing([first, second], ["b.webp"], [])


def test_errors_and_shares(faces: Ageing):
    row = ageing_figures(faces, THRESHOLD)["by"]["all"]["aged"]["all"]
    assert row["pictures"] == 4
    assert row["mae"] == pytest.approx((1 + 10 + 6 + 2) / 4)
    assert row["mae_second"] == pytest.approx((7 + 9 + 0 + 7) / 4)
    assert row["near"] == 0.5  # 21 for 20 and 58 for 60
    assert row["reached"] == 0.25
    assert row["same_person"] == 0.75
    assert row["identity_distance"] == pytest.approx((0.3 + 0.7 + 0.1 + 0.2) / 4)
    assert row["all_at_once"] == 0.5


def test_doing_nothing_is_measured_against_the_same_targets(faces: Ageing):
    by = ageing_figures(faces, THRESHOLD)["by"]["target"]
    assert by["photo"]["20"]["mae"] == 10
    assert by["photo"]["60"]["mae"] == 30
    assert by["photo"]["60"]["identity_distance"] == 0
    assert by["reconstruction"]["60"]["mae"] == 28
    assert by["reconstruction"]["60"]["reached"] is None
    assert len(cases_of(faces.subjects, "photo")) == 4


def test_groups(faces: Ageing):
    by = ageing_figures(faces, THRESHOLD)["by"]
    assert list(by["group"]["aged"]) == ["Black", "White"]
    assert set(by["gender"]["aged"]) == {"female", "not labelled"}
    assert list(by["source"]["aged"]) == ["30-39"]
    assert by["group"]["aged"]["White"]["mae"] == 4
    assert list(by["target"]["aged"]) == ["20", "60"]


def test_leakage_is_the_change_from_the_photo_and_its_drift_by_decade():
    # Smile grows by 0.1 a decade away from the 30 years that are read; gender flips at 60.
    aged = {t: look(t, smile=(t - 30) / 100, gender=float(t == 60)) for t in (20.0, 40.0, 60.0)}
    found = ageing_figures(Ageing([subject(aged)], [], []), THRESHOLD)["leakage"]
    assert found["smile"]["drift"] == pytest.approx(0.1)
    assert found["smile"]["aged"] == pytest.approx((0.1 + 0.1 + 0.3) / 3)
    assert found["smile"]["reconstruction"] == pytest.approx(0.2)
    assert found["yaw"]["aged"] == 0
    assert found["gender"]["flipped"] == pytest.approx(1 / 3)


def test_what_was_not_seen_is_no_change():
    aged = {20.0: look(20, yaw=4.0), 40.0: look(40)}
    aged[40.0] = Look(40, None, None, dict(aged[40.0].attributes) | {"yaw": None})
    found = ageing_figures(Ageing([subject(aged)], [], []), THRESHOLD)["leakage"]["yaw"]
    assert found["aged"] == 4
    assert found["unseen"] == 0.5


def test_without_judges_their_figures_are_absent():
    aged = {t: look(t, None, None) for t in (20.0, 60.0)}
    row = ageing_figures(Ageing([subject(aged)], [], []), None)["by"]["all"]["aged"]["all"]
    assert row["mae"] == 0
    absent = ("mae_second", "identity_distance", "same_person", "all_at_once")
    assert [row[name] for name in absent] == [None] * 4


def test_smoothness():
    aged = {10.0 * i: look(age) for i, age in enumerate((10, 20, 18, 40, 50), 1)}
    found = ageing_figures(Ageing([subject(aged)], [], []), THRESHOLD)["smoothness"]
    assert found["age_roughness"] == pytest.approx(np.std([-12, 24, -12]))
    assert found["backwards"] == 0.25
    assert found["step_unevenness"] == pytest.approx(1 / 3)


def test_no_face_at_all():
    assert ageing_figures(Ageing([], ["a", "b"], []), THRESHOLD) == {"faces": 0, "missed": 2}


def test_the_photo_s_own_reading_is_held_against_its_label(faces: Ageing):
    labels = ageing_figures(faces, THRESHOLD)["labels"]
    assert labels["photo"] == {"mae": 4.5, "mae_second": 3.5, "faces": 2}  # 30 and 31 for 34.5


def test_records_hold_every_look(faces: Ageing):
    first = records(faces.subjects)[0]
    assert first["aged"]["20"]["second_age"] == 27
    assert first["aged"]["20"]["reached"]
    assert first["photo"]["identity_distance"] == 0


def test_marks(faces: Ageing):
    ways = {"100 steps": {"psnr": {"mean": 25.0}, "seconds": {"mean": 9.0}}}
    worst = {"mae_second": {"group": "male", "beyond": 1.6}, "same_person": None}
    sections = {
        "inversion": {"ways": ways},
        "ageing": ageing_figures(faces, THRESHOLD),
        "heads": {"worst": worst},
    }
    met = [mark.met for mark in marks(sections)]
    assert met == [None, True, False, True, True, False, False, None]
    assert [mark.met for mark in marks({})] == [None] * 8


def test_numbers_and_tables():
    assert number(None) == "-"
    assert number(0.123456) == "0.12"
    assert number(0.0123456) == "0.012"
    assert number({"mean": 1.0, "low": 0.5, "high": 2.0}) == "1.00 (0.50 to 2.00)"
    assert table(("a", "b"), [(1, 0.5)])[1:-1] == ["| a | b |", "| --- | --- |", "| 1 | 0.50 |"]
    assert (percent(0.256), percent(None)) == ("26%", "-")
