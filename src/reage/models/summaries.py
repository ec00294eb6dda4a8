"""Short descriptions of models: generator and encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reage.models.encoders import IR_SE
from reage.networks.generators import AnyGeneratorConfig
from reage.networks.lucidrains.generator import BilinearConfig

__all__ = [
    "SHOWN",
    "Inspection",
    "summarize_encoder",
    "summarize_generator",
    "summarize_names",
]

SHOWN = 5  # unknown keys that are named
READINGS = {
    "pyramid": "a head a level on three maps",
    "last": "a head a level on the last map",
    "w": "one code for all levels",
    "w+": "one layer for all levels",
}


@dataclass(frozen=True)
class Inspection:
    """The description of a file, line by line."""

    path: Path
    family: str  # "pSp", "SAM", "rosinality", "model folder", ...
    lines: tuple[tuple[str, str], ...]  # what, and what is known of it


def summarize_generator(config: AnyGeneratorConfig) -> str:
    """Describe the shapes of a generator."""
    widths = " ".join(str(width) for width in config.channels)
    text = (
        f"{config.resolution} px, channels {widths}, {config.num_ws} levels of {config.w_dim}, "
        f"{config.mapping_layers} mapping layers"
    )
    return f"{text}, {_differences(config)}" if isinstance(config, BilinearConfig) else text


def _differences(config: BilinearConfig) -> str:
    """What sets a network of lucidrains' apart from StyleGAN2, and from its others."""
    parts = ["lucidrains' network"]
    parts += [] if config.constant else ["no constant input"]
    places = " ".join(str(size) for size in config.attention)
    parts += [f"attention before {places} px"] if places else []
    return ", ".join(parts)


def summarize_encoder(settings: Mapping[str, Any] | None) -> str:
    """Describe the shapes of an encoder from a model folder's settings."""
    if settings is None:
        return "none"
    if settings["kind"] != IR_SE:  # a folder's may be anything
        return f"{settings['kind']}, {settings.get('resolution')} px"
    parts = [
        f"IR-SE of {sum(settings['units'])} blocks",
        f"{settings['input_channels']} channels of {settings['resolution']} px",
        READINGS[settings["reading"]],
    ]
    parts += ["offsets to the first"] if settings["progressive"] else []
    parts += [f"{settings['iterations']} passes"] if settings["iterations"] > 1 else []
    return ", ".join(parts)


def summarize_names(names: list[str]) -> str:
    """List the first few names."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(sorted(names)[:SHOWN]) + more if names else "none"
