"""Laws of pictures, for any picture: what is written is read again, and depth and range return."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reage.images import Photo, decode_photo, encode_photo, to_array, to_depth, to_tensor

pytestmark = pytest.mark.quick

DEPTHS = st.sampled_from([np.uint8, np.uint16])


@st.composite
def photos(draw: st.DrawFn, depths: st.SearchStrategy[type] = DEPTHS) -> Photo:
    """Any small picture, in 8 or 16 bit, with transparency or without."""
    dtype = draw(depths)
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    pixels = draw(arrays(dtype, (height, width, 3)))
    alpha = draw(st.none() | arrays(dtype, (height, width)))
    return Photo(pixels, alpha)


def again(photo: Photo, kind: str, mark: str | None = None) -> Photo:
    data, notices = encode_photo(photo, kind, mark)
    assert notices == ()
    return decode_photo(data, f"x.{kind.lower()}")


def assert_same(found: Photo, photo: Photo) -> None:
    assert found.pixels.dtype == photo.pixels.dtype
    assert np.array_equal(found.pixels, photo.pixels)
    assert (found.alpha is None) == (photo.alpha is None)
    assert photo.alpha is None or np.array_equal(found.alpha, photo.alpha)


@given(photos(), st.sampled_from(["PNG", "TIFF"]))
def test_lossless_formats_give_back_every_sample(photo: Photo, kind: str):
    assert_same(again(photo, kind), photo)


@given(photos(), st.sampled_from(["PNG", "TIFF"]), st.text(max_size=80))
def test_a_mark_changes_no_sample(photo: Photo, kind: str, mark: str):
    assert_same(again(photo, kind, mark), photo)


@given(photos(st.just(np.uint8)))
def test_a_lossless_webp_gives_back_every_sample(photo: Photo):
    kept = Photo(photo.pixels, photo.alpha, format="WEBP", lossless=True)
    found = again(kept, "WEBP")
    # libwebp drops an alpha channel in which nothing is transparent.
    opaque = photo.alpha is not None and photo.alpha.min() == 255
    assert_same(found, Photo(photo.pixels, None if opaque else photo.alpha))


@given(arrays(np.uint8, st.tuples(*[st.integers(1, 9)] * 2, st.just(3))))
def test_deeper_and_back_is_the_same(pixels: np.ndarray):
    deep = to_depth(pixels, np.uint16)
    assert np.array_equal(to_depth(deep, np.uint8), pixels)
    assert np.array_equal(to_array(to_tensor(pixels))[0], pixels)


@given(arrays(np.uint16, 64))
def test_fewer_bits_round_to_the_nearest_level(samples: np.ndarray):
    wanted = np.floor(samples / 257 + 0.5)
    assert np.array_equal(to_depth(samples, np.uint8), wanted)


@given(arrays(np.float32, (1, 3, 2, 2), elements=st.floats(-9, 9, width=32)))
def test_levels_are_in_range_and_nearest(values: np.ndarray):
    found = to_array(torch.from_numpy(values))
    assert found.dtype == np.uint8
    shown = found.transpose(0, 3, 1, 2) / 127.5 - 1
    assert np.abs(shown - values.clip(-1, 1)).max() <= 1 / 255 + 1e-6
