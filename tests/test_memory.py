"""The bytes that objects hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image

from reage.memory import held_bytes

MB = 1_000_000


@dataclass
class Holder:
    what: object


def near(found: int, expected: float) -> bool:
    return abs(found - expected * MB) < 0.02 * MB


def test_memory_counts_once_whoever_looks_at_it():
    array, tensor = np.zeros(MB, np.uint8), torch.zeros(MB // 4)
    views = {
        "views": [array, array[5:], array.reshape(1000, 1000).T],
        "tensors": (tensor, tensor[3:]),
    }
    assert near(held_bytes(views), 2)
    assert near(held_bytes(Holder(array[:10])), 1)  # a small view keeps all of it
    assert near(held_bytes({"text": "x" * MB, "bytes": b"x" * MB}), 2)
    assert near(held_bytes([Image.new("RGB", (1000, 1000))]), 3)


def test_functions_hold_what_they_close_over():
    array = np.zeros(MB, np.uint8)
    assert near(held_bytes(lambda: array), 1)
    assert near(held_bytes(partial(print, Holder(array))), 1)
    assert near(held_bytes(array.tobytes), 0)


def test_what_others_own_is_not_counted():
    shared, own = Holder(np.zeros(MB, np.uint8)), bytes(MB)
    assert near(held_bytes([shared, own], [shared]), 1)
    assert near(held_bytes([torch.nn.Linear(1000, 1000), own, np]), 1)
