"""Look at the sharp heads of a table once a run, and keep what was found in its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reage.errors import ModelError, UsageError
from reage.fitting.heads import HeadRow, read_heads, read_pictures
from reage.models.files import file_sha256, fingerprint_of, load_tensors, save_tensors

__all__ = ["MOST_TURNED", "kept_out", "look_at_heads"]

HEADS = "heads"  # in what is kept: of which table and recipe it is
MOST_TURNED = 22.0  # degrees; trainings that need a face that looks ahead leave others out
SHARE_ALIKE = "BY-SA"  # a licence that would bind the weights
SPLIT = 1  # seed of which heads are kept out, the same in every training

Looked = Mapping[str, Tensor]


def look_at_heads(
    table: Path,
    kept: Path | None,
    look: Callable[[HeadRow, np.ndarray], Looked | None],
    dims: Mapping[str, int],
    *,
    recipe: Sequence[str] = (),
    grey: bool = False,
) -> dict[str, Tensor]:
    """Stack what `look` finds in each head's picture `[H, W, 3]`, or read what was `kept`.

    `look` gives tensors by name, None for a head that is left out; `dims` says how many dimensions
    the stacked ones have. What was kept counts for the same table and `recipe` only. Heads under
    share-alike licences are left out, and black-and-white ones unless `grey`. Raises UsageError
    where the table cannot be read, ImageError where pictures cannot be, and ModelError where what
    was kept cannot be.
    """
    rows = [row for row in read_heads(table) if SHARE_ALIKE not in row.licence]
    rows = [row for row in rows if grey or not row.grey]
    heads_of = fingerprint_of(file_sha256(table), *recipe)
    if kept is not None and kept.is_file():
        found = _read(kept, heads_of, dims)
        if found is not None:
            return found
    heads = [found for row, rgb in read_pictures(table, rows) if (found := look(row, rgb))]
    if not heads:
        raise UsageError(f"{table}: none of {len(rows)} heads shows a face that looks ahead")
    stacked = {name: torch.stack([head[name] for head in heads]) for name in dims}
    if kept is not None:
        save_tensors(kept, stacked, {HEADS: heads_of})
    return stacked


def kept_out(heads: Sized, count: int) -> np.ndarray:
    """Return which heads are not learnt from, `[N]` bool; at most a fifth of all."""
    order = np.random.default_rng(SPLIT).permutation(len(heads))
    found = np.zeros(len(heads), bool)
    found[order[: min(count, len(heads) // 5)]] = True
    return found


def _read(file: Path, heads_of: str, dims: Mapping[str, int]) -> dict[str, Tensor] | None:
    """Read kept heads; None where they are of another table or recipe."""
    found, known = load_tensors(file)
    if {name: tensor.ndim for name, tensor in found.items()} != dims:
        raise ModelError(f"{file} does not hold this run's heads: delete it, and they are laid out")
    return found if known.get(HEADS) == heads_of else None
