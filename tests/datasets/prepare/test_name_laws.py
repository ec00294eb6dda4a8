"""Laws of file names of the field's data sets: what a name says is read, in any folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reage.datasets.prepare.names import (
    CONVENTIONS,
    PICTURE_SUFFIXES,
    compile_pattern,
    find_convention,
)

pytestmark = pytest.mark.quick

AGES = st.integers(0, 116)
SUFFIXES = st.sampled_from(PICTURE_SUFFIXES) | st.sampled_from([".JPG", ".jpg.chip.jpg"])
FOLDERS = st.sampled_from(["", "part1/", "20/53_Somebody_0001.jpg/", "a b/ä/"])
PEOPLE = st.from_regex(r"[A-Z][a-z]{1,8}", fullmatch=True)


@given(FOLDERS, AGES, st.sampled_from("01"), st.integers(10**16, 10**17 - 1), SUFFIXES)
def test_utkface_says_age_and_gender(folder: str, age: int, gender: str, when: int, suffix: str):
    labels = CONVENTIONS["utkface"].read(f"{folder}{age}_{gender}_2_{when}{suffix}")
    assert labels is not None
    assert (labels.age, labels.gender) == (age, ("male", "female")[int(gender)])


@given(FOLDERS, st.integers(1, 999), st.integers(0, 99), SUFFIXES)
def test_fgnet_says_age_and_person(folder: str, person: int, age: int, suffix: str):
    labels = CONVENTIONS["fgnet"].read(f"{folder}{person:03}A{age:02}{suffix}")
    assert labels is not None
    assert (labels.age, labels.person) == (age, f"fgnet-{person:03}")


@given(FOLDERS, st.integers(0, 99999), PEOPLE, AGES, st.sampled_from("mf"), SUFFIXES)
def test_agedb_says_age_and_person(
    folder: str, number: int, person: str, age: int, gender: str, suffix: str
):
    labels = CONVENTIONS["agedb"].read(f"{folder}{number}_{person}_{age}_{gender}{suffix}")
    assert labels is not None
    assert (labels.age, labels.person) == (age, person)


@given(st.text(max_size=40))
def test_any_name_is_read_or_left_alone(name: str):
    for convention in CONVENTIONS.values():
        labels = convention.read(name)
        assert labels is None or labels.age is None or 0 <= labels.age <= 130


@given(st.lists(AGES, min_size=1, max_size=9), SUFFIXES)
def test_a_folder_s_convention_is_found_by_its_names(ages: list[int], suffix: str):
    names = [f"{i}_Somebody_{age}_f{suffix}" for i, age in enumerate(ages)]
    assert find_convention("auto", None, names) is CONVENTIONS["agedb"]
    assert find_convention("none", None, names) is None
    pattern = find_convention("auto", r"_(?P<age>\d+)_f", names)
    assert pattern is not None
    assert [labels.age for name in names if (labels := pattern.read(name))] == ages


def test_a_pattern_without_an_age_is_refused():
    from reage.errors import UsageError

    with pytest.raises(UsageError, match="no group"):
        compile_pattern(r"\d+")
