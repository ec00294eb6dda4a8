"""Neural agers: what they are, their files, and how the editor moves a face with one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reage.errors import LatentError
from reage.models.checkpoints import check_names, load_strictly
from reage.models.files import load_tensors, save_tensors
from reage.networks.ager import Ager, AgerConfig

__all__ = ["NeuralAger", "load_ager", "save_ager"]

KIND = "reage-ager"
FORMAT = 1
MAX_SIZE = 8192
BEYOND = 10.0  # years past the trained ages that may be asked of the network


@dataclass(frozen=True, eq=False)
class NeuralAger:
    """An ager of one generator; it moves a code by decades from the face's own age."""

    network: Ager  # frozen
    generator_hash: str
    name: str = "age"
    colour: float = 1.0  # share of the change's colour that is pasted; its light always is
    span: tuple[float, float] = (1.0, 82.0)  # years that it was trained for
    report: dict[str, Any] = field(default_factory=dict)  # how it was made, how good it is

    def check(self, generator_hash: str, num_ws: int, w_dim: int) -> None:
        """Raise LatentError unless it belongs to that generator."""
        config = self.network.config
        if (config.num_ws, config.w_dim) != (num_ws, w_dim):
            raise LatentError(
                f"the ager {self.name} takes codes {[config.num_ws, config.w_dim]}, this model's "
                f"are {[num_ws, w_dim]}; choose the model it was made for"
            )
        if self.generator_hash != generator_hash:
            raise LatentError(
                f"the ager {self.name} belongs to the generator {self.generator_hash[:12]}, this "
                f"one is {generator_hash[:12]}; train a new one with: reage train ager"
            )

    def allowed(self, ws: Tensor, own: float) -> tuple[float, float]:
        """Lowest and highest strength for a face of `own` years; a little past the training."""
        low = min(self.span[0] - BEYOND - own, 0.0)
        return low / 10, max(self.span[1] + BEYOND - own, 0.0) / 10

    @torch.no_grad()
    def moved(self, ws: Tensor, strengths: Tensor, own: float) -> Tensor:
        """Codes `[1, num_ws, w_dim]` moved by strengths `[N]`, decades from the own age."""
        strengths = strengths.to(ws)
        ages = torch.full_like(strengths, own)
        codes = ws.expand(len(strengths), -1, -1)
        return codes + self.network(codes, ages, ages + 10 * strengths)


def save_ager(ager: NeuralAger, path: Path) -> Path:
    """Write an ager as safetensors (float16) with all that is known of it; atomic."""
    tensors = {k: v.half().contiguous() for k, v in ager.network.state_dict().items()}
    known = {
        "kind": KIND,
        "format": FORMAT,
        "name": ager.name,
        "generator_hash": ager.generator_hash,
        "colour": ager.colour,
        "span": ager.span,
        "network": asdict(ager.network.config),
        "report": ager.report,
    }
    save_tensors(path, tensors, {"ager": json.dumps(known, sort_keys=True)})
    return path


def load_ager(path: Path) -> NeuralAger:
    """Read an ager; LatentError where the file is none."""
    tensors, metadata = load_tensors(path)
    try:
        known = json.loads(metadata["ager"])
        if (known["kind"], known["format"]) != (KIND, FORMAT):
            raise LatentError(f"{path} is of another kind or format; update reage")
        config = AgerConfig(**_sizes(known["network"], path))
        low, high = (float(age) for age in known["span"])
        labels = (str(known["generator_hash"]), str(known["name"]), float(known["colour"]))
        report = dict(known["report"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise LatentError(f"{path} is not an ager's file: {error}") from error
    network = Ager(config)
    load_strictly(network, {n: t.float() for n, t in tensors.items()}, source=str(path))
    network.eval().requires_grad_(False)
    return NeuralAger(network, *labels, span=(low, high), report=report)


def _sizes(settings: dict[str, Any], path: Path) -> dict[str, int]:
    check_names(asdict(AgerConfig(1)), settings, f"{path}: network")
    if not all(type(n) is int and 0 < n <= MAX_SIZE for n in settings.values()):
        raise LatentError(f"{path}: its network has sizes that are not whole numbers above 0")
    return settings
