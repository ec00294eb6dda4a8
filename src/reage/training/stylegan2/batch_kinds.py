"""The kinds of pictures in a batch: reconstructions, mixtures of their codes, samples of z."""

from __future__ import annotations

import torch
from torch import Tensor

from reage.training.configs import GeneratorTraining
from reage.training.loop.data import FaceBatch
from reage.training.loop.draws import Draws

__all__ = ["PATTERN", "arrange", "count_kinds", "mix_codes"]

PATTERN = 16  # pictures after which the kinds of pictures in a batch repeat
NEIGHBOURS = 4  # faces that codes are mixed among


def count_kinds(config: GeneratorTraining, count: int) -> tuple[int, int]:
    """How many of `count` pictures are rebuilt, and how many show mixed codes."""
    rebuilt = _fours(count * config.encoder_share)
    if config.encoder_share:
        rebuilt = max(rebuilt, min(4, count))  # an encoder needs some, however small the batch
    return rebuilt, min(_fours(count * config.mixed_share), rebuilt, count - rebuilt)


def arrange(config: GeneratorTraining, batch: FaceBatch) -> FaceBatch:
    """Order the pictures: reconstructions, mixtures, samples.

    A picture's kind follows from its place within a pattern, so several processes have
    together what one would have.
    """
    period = min(PATTERN, config.batch)
    rebuilt, mixed = count_kinds(config, period)
    kinds = [sum(p % period >= end for end in (rebuilt, rebuilt + mixed)) for p in batch.places]
    order = sorted(range(len(kinds)), key=lambda i: (kinds[i], i))
    places = tuple(batch.places[i] for i in order)
    return FaceBatch(batch.images[order], batch.bins[order], places)


def mix_codes(w: Tensor, offsets: Tensor, draws: Draws) -> Tensor:
    """Mix codes of neighbouring faces: blend them, or join coarse and fine levels.

    What an edit moves a code through has to look like a face too, and so has a code without its
    offsets `[N, num_ws, w_dim]`: a part of them is left out.
    """
    ws = w + offsets * draws.uniform()[:, None, None]
    if not len(ws):
        return ws
    groups = ws.view(-1, min(NEIGHBOURS, len(ws)), *ws.shape[1:])
    others = groups.roll(1, 1).flatten(0, 1)
    share = draws.uniform()[:, None].expand(-1, ws.shape[1])
    levels = torch.arange(ws.shape[1], device=ws.device)
    crossed = (levels >= draws.integers(1, ws.shape[1])[:, None]).to(ws)
    blend = (draws.uniform() < 0.5)[:, None]
    return torch.lerp(ws, others, torch.where(blend, share, crossed)[:, :, None])


def _fours(count: float) -> int:
    """The nearest multiple of four, so that neighbours stay together."""
    return round(count / 4) * 4
