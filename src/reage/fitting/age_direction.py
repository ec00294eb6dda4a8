"""Fit an age direction to codes with ages, and measure what else it changes.

Two estimators, both linear. `shift` regresses the codes on age and on the attributes that age
comes with (gender, pose, smile, brightness): the vector is how a code changes with a year when
the others stay, so it is made of real differences between people. `ridge` regresses age on the
codes and takes the attributes' own vectors out: it is the shorter way to another reading, but it
also follows what the codes hardly vary in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from reage.agers.direction import Direction
from reage.errors import LatentError

__all__ = ["CodeSet", "FitMethod", "fit_direction", "ridge"]

FitMethod = Literal["shift", "ridge"]

HELD_OUT = 0.2  # fraction of the codes that the figures are taken on
MIN_CODES = 20
SPAN_QUANTILES = (0.005, 0.995)  # of the faces' positions: where the generator has seen people
YEARS = 10.0  # how far one unit of strength goes, roughly


@dataclass(frozen=True, eq=False)
class CodeSet:
    """Codes of many faces and what is known of each."""

    ws: Tensor  # [N, num_ws, w_dim]
    ages: Tensor  # [N] years
    attributes: Mapping[str, Tensor]  # [N] each: gender, yaw, pitch, smile, brightness, ...
    images: Tensor  # [N, 3, R, R] in [-1, 1]
    source: str  # where the faces are from

    def __post_init__(self) -> None:
        count = len(self.ws)
        assert self.ages.shape == (count,), self.ages.shape
        assert all(values.shape == (count,) for values in self.attributes.values())

    def part(self, index: Tensor) -> CodeSet:
        """The faces of an index."""
        chosen = {name: values[index] for name, values in self.attributes.items()}
        return CodeSet(self.ws[index], self.ages[index], chosen, self.images[index], self.source)


def fit_direction(
    codes: CodeSet,
    *,
    generator_hash: str,
    method: FitMethod = "shift",
    components: int = 200,
    seed: int = 0,
) -> Direction:
    """Fit the direction "age" (positive is older); one unit of strength is about ten years.

    The codes' noise is cut off first: the vector is kept within their `components` strongest
    principal components. A fifth of the faces is held out, and the report's figures (R2 of the
    age along the direction, correlation with each attribute, before and after their effect was
    taken out) are taken there.
    """
    assert method in get_args(FitMethod), method
    if len(codes.ws) < MIN_CODES:
        raise LatentError(f"{len(codes.ws)} faces are too few to fit a direction; give {MIN_CODES}")
    order = torch.randperm(len(codes.ws), generator=torch.Generator().manual_seed(seed))
    cut = int(len(order) * HELD_OUT)
    kept, held = codes.part(order[cut:]), codes.part(order[:cut])
    origin = kept.ws.mean(0)
    basis = _principal(kept.ws - origin, components)  # [K, D]
    plain = _estimate(kept, origin, basis, method, condition=False)
    vector = _estimate(kept, origin, basis, method, condition=True)
    shape = codes.ws.shape[1:]
    direction = Direction(
        "age",
        (vector * YEARS).reshape(shape),
        sign="+ is older",
        generator_hash=generator_hash,
        origin=origin,
    )
    positions = direction.position(codes.ws)
    span = torch.quantile(positions, torch.tensor(SPAN_QUANTILES))
    report = {
        "method": method,
        "source": codes.source,
        "faces": len(codes.ws),
        "components": len(basis),
        "held_out": len(held.ws),
        "r2": _r2(held, direction.position(held.ws)),
        "r2_ridge": _ridge_r2(kept, held, origin, basis),
        "leakage": {
            name: {
                "before": _correlation(_positions(held, origin, plain), values),
                "after": _correlation(_positions(held, origin, vector), values),
                "age_itself": _correlation(held.ages, values),
            }
            for name, values in held.attributes.items()
        },
        "level_norms": [round(float(row.norm()), 4) for row in direction.vector],
    }
    return replace(direction, span=(float(span[0]), float(span[1])), report=report)


def ridge(features: Tensor, targets: Tensor, penalty: float) -> Tensor:
    """Weights `[K, M]` that map centred features `[N, K]` to targets `[N, M]` (Hoerl and Kennard
    1970), with `penalty` relative to the features' mean square."""
    gram = features.t() @ features
    scale = gram.diagonal().mean() * penalty
    eye = torch.eye(len(gram), dtype=gram.dtype)
    return torch.linalg.solve(gram + scale * eye, features.t() @ targets)


def _estimate(
    codes: CodeSet, origin: Tensor, basis: Tensor, method: FitMethod, *, condition: bool
) -> Tensor:
    """Change of the flat code per year, `[D]`."""
    scores = (codes.ws - origin).flatten(1) @ basis.t()  # [N, K]
    age = (codes.ages - codes.ages.mean())[:, None]
    others = _design(codes) if condition else age[:, :0]
    if method == "shift":
        # Codes on age and attributes together: the age's row is its effect at fixed attributes.
        weights = ridge(torch.cat([age, others], 1), scores, 1e-6)
        return weights[0] @ basis
    normals = ridge(scores, torch.cat([age, others], 1), 1e-2)  # [K, 1 + A]
    normal = normals[:, 0]
    if others.shape[1]:
        # Conditional manipulation (Shen et al., InterFaceGAN, 2020, section 3.2): the age's
        # normal less its projection on what the attributes' normals span.
        q = torch.linalg.qr(normals[:, 1:]).Q
        normal = normal - q @ (q.t() @ normal)
    spread = (scores @ normal).square().mean() / age.square().mean().clamp_min(1e-8)
    return (normal / normal.norm()) * (spread.sqrt() / normal.norm()) @ basis


def _design(codes: CodeSet) -> Tensor:
    columns = [values - values.mean() for values in codes.attributes.values()]
    spread = [(c, c.std()) for c in columns]
    kept = [c / s for c, s in spread if s > 1e-6]
    return torch.stack(kept, 1) if kept else codes.ages[:, None][:, :0]


def _principal(offsets: Tensor, components: int) -> Tensor:
    flat = offsets.flatten(1)
    count = min(components, len(flat) - 1)
    return torch.linalg.svd(flat, full_matrices=False).Vh[:count]


def _positions(codes: CodeSet, origin: Tensor, vector: Tensor) -> Tensor:
    return (codes.ws - origin).flatten(1) @ vector / vector.square().sum()


def _r2(codes: CodeSet, positions: Tensor) -> float:
    return round(_correlation(positions, codes.ages) ** 2, 4)


def _ridge_r2(kept: CodeSet, held: CodeSet, origin: Tensor, basis: Tensor) -> float:
    """Return how well a code predicts age: R2 of a ridge regression on held-out codes."""
    mean = kept.ages.mean()
    scores = (kept.ws - origin).flatten(1) @ basis.t()
    weights = ridge(scores, (kept.ages - mean)[:, None], 3e-2)
    read = ((held.ws - origin).flatten(1) @ basis.t() @ weights)[:, 0] + mean
    error = (held.ages - read).square().sum()
    return round(float(1 - error / (held.ages - held.ages.mean()).square().sum()), 4)


def _correlation(a: Tensor, b: Tensor) -> float:
    a, b = a - a.mean(), b - b.mean()
    return round(float((a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-8)), 4)
