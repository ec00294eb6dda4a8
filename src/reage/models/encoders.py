"""The encoder of a model, from its folder or from the foreign checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import partial
from typing import Any

from torch import Tensor

from reage.errors import ModelError
from reage.models.checkpoints import ENCODER_FILE, Model
from reage.models.files import load_tensors
from reage.models.loading import build_empty, check_names, load_strictly
from reage.networks.encoders.encoder import Encoder, EncoderConfig
from reage.networks.encoders.irse import BackboneConfig
from reage.networks.encoders.style_encoder import StyleEncoder, StyleEncoderConfig
from reage.networks.generators import AnyGenerator, AnyGeneratorConfig
from reage.numbers import is_whole

__all__ = ["IR_SE", "check_encoder", "describe_encoder", "load_encoder", "make_style_encoder"]

RESIDUAL = "residual"  # reage's own kind; the other one is that of pSp and its successors
IR_SE = "ir-se"
MAX_SIZE = 8192  # of any number in an encoder's config: no sensible one comes near
MAX_PASSES = 100


def load_encoder(model: Model) -> Encoder | StyleEncoder | None:
    """Load a model's encoder, strict and frozen; None if it has none."""
    settings = model.config.encoder
    if model.encoder is not None:
        source = f"{model.config.name}: its encoder"
        part = model.encoder
        return make_style_encoder(part.settings, part.tensors, model.generator, source)
    if settings is None or model.folder is None:
        return None
    file = model.folder / ENCODER_FILE
    tensors, _ = load_tensors(file, sha256=model.config.sha256[ENCODER_FILE])
    tensors = {name: t.float() for name, t in tensors.items()}
    if settings.get("kind") == IR_SE:
        return make_style_encoder(settings, tensors, model.generator, str(file))
    config = _residual_config(settings, model.config.generator, f"{model.folder}: its encoder")
    encoder = build_empty(partial(Encoder, config), source=str(file), held=tensors)
    load_strictly(encoder, tensors, source=str(file))
    return encoder.eval().requires_grad_(False)


def make_style_encoder(
    settings: dict[str, Any], tensors: Mapping[str, Tensor], generator: AnyGenerator, source: str
) -> StyleEncoder:
    """Build a pSp-like encoder for a generator from float32 tensors; strict and frozen."""
    config = style_encoder_config(settings, f"{source} (its settings)")
    _check_fit(config.num_ws, config.w_dim, generator.config, source)
    encoder = build_empty(partial(StyleEncoder, config), source=source, held=tensors)
    load_strictly(encoder, tensors, source=source)
    return encoder.eval().requires_grad_(False)


def describe_encoder(config: EncoderConfig | StyleEncoderConfig) -> dict[str, Any]:
    """Describe an encoder for `ModelConfig.encoder`."""
    sizes = asdict(config)
    kind = RESIDUAL
    if isinstance(config, StyleEncoderConfig):
        kind = IR_SE
        sizes = {**sizes.pop("backbone"), **sizes}
    return {"kind": kind} | {k: list(v) if isinstance(v, tuple) else v for k, v in sizes.items()}


def style_encoder_config(settings: dict[str, Any], where: str) -> StyleEncoderConfig:
    """Read the settings of a pSp-like encoder; ModelError if they make no sense."""
    if settings.get("kind") != IR_SE:
        raise ModelError(f"{where}: kind {settings.get('kind')!r:.60} is not {IR_SE}")
    usual = describe_encoder(StyleEncoderConfig(18))
    check_names(usual, settings, where)
    values: dict[str, Any] = {k: v for k, v in settings.items() if k != "kind"}
    for name, value in values.items():
        plain = isinstance(value, bool | str) or _is_positive(value)
        if type(value) is not type(usual[name]) or not plain:
            raise ModelError(f"{where}: {name} is {value!r:.60}, such as {usual[name]!r} is needed")
    if values["iterations"] > MAX_PASSES or sum(values["units"]) > MAX_PASSES:
        raise ModelError(f"{where}: more than {MAX_PASSES} passes or blocks make no sense")
    values |= {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
    names = {field.name for field in fields(BackboneConfig)}
    try:
        backbone = BackboneConfig(**{k: v for k, v in values.items() if k in names})
        rest: dict[str, Any] = {k: v for k, v in values.items() if k not in names}
        return StyleEncoderConfig(backbone=backbone, **rest)
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from error


def _is_positive(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return all(is_whole(n, 1, MAX_SIZE) for n in numbers)


def check_encoder(settings: dict[str, Any], generator: AnyGeneratorConfig, where: str) -> None:
    """Raise ModelError unless settings describe an encoder for a generator."""
    if settings.get("kind") == IR_SE:
        style_encoder_config(settings, where)
    else:
        _residual_config(settings, generator, where)


def _residual_config(
    settings: dict[str, Any], generator: AnyGeneratorConfig, where: str
) -> EncoderConfig:
    if settings.get("kind") != RESIDUAL:
        found = f"{settings.get('kind')!r:.60}"
        raise ModelError(f"{where} is {found}; this version knows {RESIDUAL!r} and {IR_SE!r}")
    wanted = describe_encoder(EncoderConfig(generator.num_ws, generator.w_dim))
    check_names(wanted, settings, where)
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if name == "kind":
            continue
        if isinstance(value, list) != isinstance(wanted[name], list) or not _is_positive(value):
            raise ModelError(f"{where} has {name} {value!r:.60}; whole numbers above 0 are needed")
        values[name] = tuple(value) if isinstance(value, list) else value
    _check_fit(values["num_ws"], values["w_dim"], generator, where)
    try:
        return EncoderConfig(**values)
    except ValueError as error:
        raise ModelError(f"{where} does not fit together: {error}") from error


def _check_fit(num_ws: int, w_dim: int, generator: AnyGeneratorConfig, where: str) -> None:
    for name, made, own in (
        ("num_ws", num_ws, generator.num_ws),
        ("w_dim", w_dim, generator.w_dim),
    ):
        if made != own:
            raise ModelError(f"{where} makes {name} {made}, its generator takes {own}")
