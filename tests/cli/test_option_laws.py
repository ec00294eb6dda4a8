"""Laws of texts from the command line: what is understood is what was meant, all else one line."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from made import Command
from reage.cli.edit.photos import edit
from reage.cli.edit.task import _distinct_names
from reage.cli.main import cli
from reage.cli.research.models import parse_alignment
from reage.cli.shared.parsing import (
    MAX_AGES,
    parse_ages,
    parse_face,
    parse_levels,
    parse_range,
    parse_targets,
)
from reage.compositing.hair.colours import HAIR_COLOURS
from reage.errors import UsageError
from reage.faces.face import parse_points
from reage.inputs import OLDEST, as_targets
from reage.outputs.poster.dates import parse_date
from reage.video.config import parse_preview

pytestmark = pytest.mark.quick

YEARS = st.integers(0, 1200).map(lambda tenths: tenths / 10)
WORDS = st.text("0123456789.,:;=-+@seinfax² ", max_size=24) | st.text(max_size=12)
PARSERS: list[Callable[[str], object]] = [
    parse_ages,
    parse_face,
    parse_levels,
    parse_preview,
    parse_points,
    parse_alignment,
    lambda text: parse_targets([text], None),
    lambda text: parse_range(text, "--strength"),
    lambda text: parse_date(text, "born"),
]


@pytest.mark.parametrize("parser", PARSERS)
@given(text=WORDS)
@example(text="0:1e308:1e-308")
@example(text="1:2:nan")
def test_any_text_is_understood_or_refused_in_one_line(parser: Callable[[str], object], text: str):
    try:
        found, said = parser(text), ""
    except UsageError as error:
        found, said = None, str(error)
    assert (found is None) == bool(said)
    assert "\n" not in said


@pytest.mark.parametrize("name", ["edit", "strip", "animate", "mix", "sheet"])
def test_whatever_writes_words_into_pictures_takes_their_language(name: str):
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    (option,) = (p for p in command.params if "--language" in p.opts)
    assert isinstance(option, click.Option)
    name, told = option.get_help_record(click.Context(command)) or ("", "")
    assert name == "--language [en|ar|es|zh]"
    assert told == "Language of the words in the picture.  [default: en]"


@given(st.lists(YEARS, min_size=1, max_size=6))
def test_ages_are_those_that_were_given_in_order(ages: list[float]):
    targets = parse_targets([f"{age:g}" for age in ages], None)
    assert targets == ages
    assert as_targets(targets) == ages


@given(st.dictionaries(st.integers(1, 99), YEARS, min_size=1, max_size=6))
def test_every_face_gets_its_age(ages: dict[int, float]):
    assert parse_targets([f"{face}={age:g}" for face, age in ages.items()], None) == [ages]


@given(st.floats(allow_nan=True).filter(lambda age: not 0 <= age <= OLDEST))
def test_no_age_out_of_range_is_taken(age: float):
    with pytest.raises(UsageError, match="not between 0 and 120"):
        as_targets(age)


@given(YEARS, YEARS, st.integers(1, 400).map(lambda tenths: tenths / 10))
def test_a_range_has_even_steps_within_its_ends(low: float, high: float, step: float):
    if abs(high - low) / step > MAX_AGES - 1.01:
        with pytest.raises(UsageError, match="200 are possible"):
            parse_ages(f"{low:g}:{high:g}:{step:g}")
        return
    ages = parse_ages(f"{low:g}:{high:g}:{step:g}")
    assert ages[0] == low
    assert all(min(low, high) <= age <= max(low, high) for age in ages)
    steps = [abs(b - a) for a, b in pairwise(ages)]
    assert steps == pytest.approx([step] * (len(ages) - 1))
    assert abs(high - ages[-1]) < step  # one more would be too many


@given(st.sets(st.integers(0, 99), min_size=1))
def test_levels_are_read_however_they_are_grouped(levels: set[int]):
    assert parse_levels(",".join(str(level) for level in levels)) == tuple(sorted(levels))
    low, high = min(levels), max(levels)
    assert parse_levels(f"{low}-{high}") == tuple(range(low, high + 1))


STEMS = st.sampled_from(["a", "b", "a-jpg", "a.b", "ä"])
PHOTOS = st.builds(
    lambda folder, stem, suffix: Path(folder) / f"{stem}{suffix}",
    st.sampled_from(["x", "y"]),
    STEMS,
    st.sampled_from([".jpg", ".png", ".PNG", ""]),
)


@given(st.lists(PHOTOS, min_size=1, max_size=8, unique=True), st.booleans())
def test_no_two_results_share_a_place(photos: list[Path], apart: bool):
    stems = [photo.stem for photo in photos]
    try:
        names = _distinct_names(photos, apart=apart)
    except UsageError:
        assert len(set(stems)) < len(stems)
        return
    assert names.keys() == set(photos)
    places = [(photo.parent if apart else None, name) for photo, name in names.items()]
    assert len(set(places)) == len(photos)
    assert all(name.startswith(photo.stem) for photo, name in names.items())


def test_the_hair_colours_offered_are_those_that_are_known():
    """They are repeated, since the command line starts without numpy."""
    (option,) = (each for each in edit.params if each.name == "hair_color")
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == list(HAIR_COLOURS)


@pytest.mark.parametrize("name", ["edit", "video", "sheet", "strip"])
def test_no_option_takes_the_name_of_another_as_its_value(name: str, reage_command: Command):
    """`--layers --overwrite` wrote into a folder of this name."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    required = any(p.required and "-o" in p.opts for p in command.params)
    needed = ("-o", "x.png") if required else ()
    for option in command.params:
        if isinstance(option, click.Option) and not option.is_flag:
            status, _, err = reage_command(name, "photo.jpg", *needed, option.opts[0], "--quiet")
            assert (status, len(err.splitlines())) == (2, 1)
            assert option.opts[0] in err and "--quiet" in err
