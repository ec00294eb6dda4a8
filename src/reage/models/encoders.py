"""The encoder of a model folder."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reage.errors import ModelError
from reage.models.checkpoints import ENCODER_FILE, Model, check_names, load_strictly
from reage.models.files import load_tensors
from reage.networks.encoder import Encoder, EncoderConfig

__all__ = ["describe_encoder", "load_encoder"]

KIND = "residual"
MAX_SIZE = 8192  # of any number in an encoder's config: no sensible one comes near


def load_encoder(model: Model) -> Encoder | None:
    """Load the encoder that belongs to a model; None when it has none. Strict, frozen."""
    settings = model.config.encoder
    if settings is None or model.folder is None:
        return None
    encoder = Encoder(_config(model, settings))
    file = model.folder / ENCODER_FILE
    tensors, _ = load_tensors(file, sha256=model.config.sha256[ENCODER_FILE])
    load_strictly(encoder, {name: t.float() for name, t in tensors.items()}, source=str(file))
    return encoder.eval().requires_grad_(False)


def describe_encoder(config: EncoderConfig) -> dict[str, Any]:
    """What `ModelConfig.encoder` says of an encoder."""
    numbers = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()}
    return {"kind": KIND} | numbers


def _config(model: Model, settings: dict[str, Any]) -> EncoderConfig:
    where = f"{model.folder}: its encoder"
    if settings.get("kind") != KIND:
        raise ModelError(f"{where} is {settings.get('kind')!r}; this version knows {KIND!r}")
    generator = model.config.generator
    wanted = describe_encoder(EncoderConfig(generator.num_ws, generator.w_dim))
    check_names(wanted, settings, where)
    values: dict[str, Any] = {}
    for name, value in settings.items():
        numbers = value if isinstance(value, list) else [value]
        if name == "kind":
            continue
        if isinstance(value, list) != isinstance(wanted[name], list) or not all(
            type(n) is int and 0 < n <= MAX_SIZE for n in numbers
        ):
            raise ModelError(f"{where} has {name} {value!r}; whole numbers above 0 are needed")
        values[name] = tuple(value) if isinstance(value, list) else value
    for name, own in (("num_ws", generator.num_ws), ("w_dim", generator.w_dim)):
        if values[name] != own:
            raise ModelError(f"{where} makes {name} {values[name]}, its generator takes {own}")
    try:
        return EncoderConfig(**values)
    except ValueError as error:
        raise ModelError(f"{where} does not fit together: {error}") from error
