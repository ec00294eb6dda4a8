"""Train the second of the two age readers: labelled faces on EfficientNet-Lite0's features.

    python training/fit_age_features.py FACES HEADS.csv src/reage/assets/age/features.safetensors

FACES is a prepared folder (`reage prepare`) with `age_bin`, HEADS.csv a table of sharp heads with
`age`; every fourth head and the split `val` are kept out, and printed. Half an hour on one core,
nearly all of it for the features. It was run once; assets/age/README.md names what came out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.compositing.view import age_square
from reage.datasets.face_dataset import open_dataset
from reage.fitting.heads import read_heads, read_pictures
from reage.images import to_tensor
from reage.models.checkpoints import Alignment
from reage.models.files import save_tensors
from reage.models.pretrained import load_efficientnet
from reage.networks.judges.age_features import LAST_AGE, AgeFeatures, pool_features

FACES, HEADS = Alignment(scale=0.70, shift=0.22), Alignment()
BATCH, STEPS, RATE, DECAY, DROPOUT = 512, 1000, 2e-3, 0.05, 0.4
SOFT, SMOOTH, OUTSIDE = 1.5, 3.0, 0.05  # years; weights of the losses
AVERAGE = 0.004  # of the moving average of the weights, a step
UNKNOWN = 2.0  # years by which a head's age may be off
# Mean readings of the labelled bins, and those of the first network: one scale for both.
READ_AT = (0.0, 5.0, 11.0, 21.0, 56.0, 63.0, 70.0, 78.0)
TRUE_AT = (0.0, 3.0, 10.0, 21.0, 56.0, 67.0, 77.0, 88.0)

Rows = list[tuple[Tensor, float, float]]  # features [992], and the ends of the age in years


def vary(squares: Tensor, rng: np.random.Generator) -> Tensor:
    """Turn, shift, blur, tint and mirror age squares `[N, 3, 128, 128]`."""
    count = len(squares)

    def draw(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, count)).float()

    size, angle = draw(0.92, 1.1), draw(-0.08, 0.08)
    rows = [size * angle.cos(), -size * angle.sin(), draw(-0.05, 0.05)]
    columns = [size * angle.sin(), size * angle.cos(), draw(-0.05, 0.05)]
    theta = torch.stack([torch.stack(rows, 1), torch.stack(columns, 1)], 1)
    grid = F.affine_grid(theta, list(squares.shape), align_corners=False)
    out = F.grid_sample(squares, grid, padding_mode="reflection", align_corners=False)
    small = F.interpolate(out, scale_factor=float(rng.choice([1, 0.75, 0.5, 0.4])), mode="area")
    out = (F.interpolate(small, size=squares.shape[-2:], mode="bicubic").clamp(-1, 1) + 1) / 2
    grey = out.mean(1, keepdim=True)
    out = torch.where((draw(0, 1) < 0.3)[:, None, None, None], grey, out)
    gamma = torch.exp(0.2 * torch.from_numpy(rng.normal(size=(count, 1, 1, 1)))).float()
    tint = torch.exp(0.08 * torch.from_numpy(rng.normal(size=(count, 3, 1, 1)))).float()
    out = (out.clamp(1e-4, 1) ** gamma * tint).clamp(0, 1) * 2 - 1
    return out.flip(-1) if rng.random() < 0.5 else out


@torch.no_grad()
def features_of(
    pictures: Iterable[tuple[np.ndarray, float, float]], square: Alignment, varied: bool
) -> Iterator[tuple[Tensor, float, float]]:
    """Yield the pooled features of pictures, and the ends of their ages, in batches of 16."""
    network, rng, batch = load_efficientnet(), np.random.default_rng(0), []
    for picture in [*pictures, None]:
        if picture is not None:
            batch.append(picture)
        if batch and (picture is None or len(batch) == 16):
            squares = torch.cat([age_square(to_tensor(image), square) for image, *_ in batch])
            squares = vary(squares, rng) if varied else squares
            for pooled, (_, low, high) in zip(pool_features(network(squares)), batch, strict=True):
                yield pooled, low, high
            batch = []


def faces_of(folder: Path, split: str) -> Iterator[tuple[np.ndarray, float, float]]:
    dataset = open_dataset(folder)
    for row in dataset.rows:
        if row.split == split and row.age_range is not None:
            yield dataset.read(row), row.age_range[0], min(row.age_range[1], 92.0)


def heads_of(table: Path, *, held_out: bool) -> Iterator[tuple[np.ndarray, float, float]]:
    rows = [row for i, row in enumerate(read_heads(table)) if (i % 4 == 0) == held_out]
    for row, picture in read_pictures(table, rows):
        if np.isfinite(row.age) and "SA" not in row.licence:  # share-alike stays out
            yield picture, row.age - UNKNOWN, row.age + UNKNOWN


def loss_of(logs: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return the loss `[N]` of log-probabilities `[N, 96]` for ages between two ends."""
    ages = torch.arange(LAST_AGE + 1.0)
    inside = torch.sigmoid((ages - low[:, None] + 0.5) / SOFT)
    inside = inside * torch.sigmoid((high[:, None] + 0.5 - ages) / SOFT)
    likely = -torch.logsumexp(logs + torch.log(inside + 1e-6), 1)
    expected = logs.exp() @ ages
    outside = F.relu(low - expected) + F.relu(expected - high)
    rough = (logs[:, 2:] - 2 * logs[:, 1:-1] + logs[:, :-2]).square().mean(1)
    return likely + OUTSIDE * outside + SMOOTH * rough


def fit(rows: Rows) -> AgeFeatures:
    """Train the network; rare ages count more."""
    pooled = torch.stack([row[0] for row in rows])
    low, high = (torch.tensor([row[i] for row in rows]) for i in (1, 2))
    bins = ((low + high) / 20).long().clamp(0, 8)
    weights = torch.bincount(bins, minlength=9).float().rsqrt()[bins]
    network = AgeFeatures(len(READ_AT))
    network.mean.copy_(pooled.mean(0))
    network.deviation.copy_(pooled.std(0) + 1e-3)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(1 - AVERAGE)
    )
    for _ in range(STEPS):
        chosen = torch.randint(len(pooled), (BATCH,))
        losses = loss_of(network(pooled[chosen], DROPOUT), low[chosen], high[chosen])
        optimiser.zero_grad()
        (losses * weights[chosen]).mean().div(weights.mean()).backward()
        optimiser.step()
        schedule.step()
        average.update_parameters(network)
    fitted = average.module.eval()
    fitted.read_at.copy_(torch.tensor(READ_AT))
    fitted.true_at.copy_(torch.tensor(TRUE_AT))
    return fitted


@torch.no_grad()
def report(network: AgeFeatures, name: str, rows: Rows) -> None:
    ages = network.read(torch.stack([row[0] for row in rows])).numpy()
    middles = np.array([(low + high) / 2 for _, low, high in rows])
    print(f"{name}: {len(rows)} faces, mean error {np.abs(ages - middles).mean():.2f} years")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("heads", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    learn = list(features_of(faces_of(options.faces, "train"), FACES, True))
    for _ in range(4):
        learn += features_of(heads_of(options.heads, held_out=False), HEADS, True)
    network = fit(learn)
    report(network, "val", list(features_of(faces_of(options.faces, "val"), FACES, False)))
    heads = features_of(heads_of(options.heads, held_out=True), HEADS, False)
    report(network, "heads", list(heads))
    tensors = {key: value.half() for key, value in network.state_dict().items()}
    save_tensors(options.output, tensors, {"format": "reage.age_features"})


if __name__ == "__main__":
    main()
