"""Splits that stay, duplicates that are found, and what the filters measure."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from reage.datasets.prepare.examining import colourfulness, look_of, sharpness
from reage.datasets.prepare.options import PrepareOptions, model_square
from reage.datasets.prepare.selection import split_of, twins
from reage.errors import UsageError

pytestmark = pytest.mark.quick


def test_a_person_is_on_one_side_whatever_the_picture_and_the_spelling():
    sides = [split_of(f"person {i}", "any", 0.1) for i in range(2000)]
    assert 0.08 < sides.count("val") / len(sides) < 0.12
    assert sides == [split_of(f"PERSON_{i}", f"{i}", 0.1) for i in range(2000)]
    assert {split_of("", f"{i}", 0.5) for i in range(20)} == {"train", "val"}
    assert {split_of(p, "x", 0.0) for p in ("", "Ada")} == {"train"}
    assert {split_of(p, "x", 1.0) for p in ("", "Ada")} == {"val"}
    assert split_of("***", "a", 0.5) == split_of("***", "b", 0.5)


def test_more_validation_takes_nobody_out_of_it():
    people = [f"p{i}" for i in range(200)]
    few = {p for p in people if split_of(p, "", 0.1) == "val"}
    many = {p for p in people if split_of(p, "", 0.3) == "val"}
    assert few < many


def test_twins_are_those_that_differ_in_few_bits():
    rng = np.random.default_rng(0)
    looks = rng.integers(0, 256, (600, 32)).astype(np.uint8)
    looks[580] = looks[3]
    looks[590] = looks[3]
    looks[590, 0] ^= 0b111  # 3 bits
    texts = [look.tobytes().hex() for look in looks]
    assert list(twins(texts, 3)) == [(580, [3]), (590, [3, 580])]
    assert list(twins(texts, 2)) == [(580, [3])]


def test_a_copy_looks_the_same_and_another_does_not(people: dict[str, np.ndarray]):
    def bits(a: np.ndarray, b: np.ndarray) -> int:
        return (int(look_of(a), 16) ^ int(look_of(b), 16)).bit_count()

    plain = people["plain"]
    small = np.asarray(Image.fromarray(plain).resize((100, 100)))
    assert bits(plain, plain) == 0
    assert bits(plain, small) <= 24
    assert bits(plain, people["mirrored"]) > 48


def test_sharpness_is_the_laplacian_s_variance(astronaut: np.ndarray):
    checks = np.zeros((8, 8, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 255
    assert sharpness(checks) == pytest.approx((4 * 255) ** 2)
    blurred = np.asarray(Image.fromarray(astronaut).filter(ImageFilter.GaussianBlur(3)))
    assert sharpness(blurred) < sharpness(astronaut) / 10
    assert sharpness(np.full((8, 8, 3), 7, np.uint8)) == 0


def test_grey_has_no_colour(astronaut: np.ndarray):
    grey = np.asarray(Image.fromarray(astronaut).convert("L").convert("RGB"))
    assert colourfulness(grey) == 0
    assert colourfulness(astronaut) > 10


def test_options_out_of_their_limits():
    for name, value in {"size": 8, "val": 1.5, "max_padding": -0.1, "blurriest": 1.0,
                        "scale": float("nan"), "duplicates": 65, "shard": 0}.items():  # fmt: skip
        with pytest.raises(UsageError, match=rf"^{name} is [^\n]* from [^\n]*$"):
            PrepareOptions(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="known are auto, none, utkface, fgnet, agedb, cacd"):
        PrepareOptions(names="imdb")


def test_the_defaults_are_the_embedded_model_s():
    resolution, alignment = model_square("faces128")
    options = PrepareOptions()
    assert (options.size, options.scale, options.shift) == (
        resolution, alignment.scale, alignment.shift,
    )  # fmt: skip
    assert model_square("ffhq1024")[1].scale == 1.0
