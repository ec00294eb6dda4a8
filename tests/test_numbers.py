"""One reader of numbers: whatever Python or click would read besides is refused."""

from __future__ import annotations

import importlib
import math

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reage.cli.main import COMMANDS, cli
from reage.cli.shared.numbers import STRICT
from reage.numbers import LARGEST, is_real, is_whole, read_json, read_real, read_whole

pytestmark = pytest.mark.quick

NO_NUMBERS = [
    "",
    " ",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "1_0",
    "0x10",
    "\u0661",
    "\u00b2",
    "9" * 5000,
    "1,5",
    "True",
    "1e",
    "--1",
    "1e99999999",
    ".",
    "1\x00",
]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_texts_that_are_no_numbers(text: str):
    assert read_whole(text) is None
    assert read_real(text) is None


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_come_back(value: int):
    assert read_whole(str(value), -(2**63)) == value
    assert is_whole(value, -(2**63))


@given(st.floats(-LARGEST, LARGEST))
def test_real_numbers_come_back(value: float):
    assert read_real(repr(value)) == value
    assert is_real(value)


def test_ranges_hold():
    assert read_whole("5", 0, 4) is None and read_whole("-1") is None
    assert read_real("5", 0, 4.9) is None and read_real("0.5", 0, 1) == 0.5


@pytest.mark.parametrize("value", [True, None, "1", [], 10**400, math.nan, math.inf, 1j])
def test_values_that_are_no_numbers(value: object):
    assert not is_real(value)
    assert not is_whole(value)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1" * 5000, "", b"\xff"])
def test_json_without_end_is_a_value_error(text: str):
    with pytest.raises(ValueError, match=r"."):
        read_json(text)


def commands(command: click.Command) -> list[click.Command]:
    return [
        command,
        *(c for inner in getattr(command, "commands", {}).values() for c in commands(inner)),
    ]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_number_of_every_command_is_read_strictly(name: str):
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    assert importlib.import_module(COMMANDS[name][0])
    for command in commands(found):
        for parameter in command.params:
            assert type(parameter.type) not in STRICT, f"{command.name} {parameter.name}"
            if isinstance(parameter.type, tuple(STRICT.values())):
                for text in ("nan", "inf", "1_0", "9" * 5000, "\u0661"):
                    with pytest.raises(click.BadParameter):
                        parameter.type.convert(text, parameter, None)
