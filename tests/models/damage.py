"""Damage done to files, and what may come of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reage.errors import ModelError
from reage.models.families.table import read_foreign

__all__ = ["never_escapes"]


def never_escapes(path: Path, *, seed: int, changes: int) -> None:
    """Change the bytes of a sound file, which may be read or refused, and cut it: then refused."""
    sound, rng = path.read_bytes(), torch.Generator().manual_seed(seed)
    refused = 0
    for _ in range(changes):
        data = bytearray(sound)
        for at in torch.randint(0, min(len(data), 9000), (3,), generator=rng).tolist():
            data[at] = int(torch.randint(0, 256, (1,), generator=rng))
        path.write_bytes(data)
        try:
            read_foreign(path)
        except ModelError:
            refused += 1
    assert refused, "nothing was damaged that anybody reads"
    for length in (4, 30, 500, len(sound) // 2, len(sound) - 1):
        path.write_bytes(sound[:length])
        with pytest.raises(ModelError):
            read_foreign(path)
