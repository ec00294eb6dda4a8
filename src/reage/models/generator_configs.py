"""The kind and sizes of a generator in config.json, written and strictly read.

StyleGAN2 generators have no `kind`: their files are older than the second kind.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from reage.errors import ModelError
from reage.models.loading import check_names
from reage.networks.generators import AnyGeneratorConfig
from reage.networks.lucidrains.generator import BilinearConfig
from reage.networks.stylegan2.generator import GeneratorConfig
from reage.numbers import is_whole

__all__ = ["MAX_WIDTH", "describe_generator", "generator_config"]

MAX_WIDTH = 8192  # of a layer: no published generator comes near
MAX_MAPPING_LAYERS = 64
KIND = "kind"
KINDS: dict[str, type[AnyGeneratorConfig]] = {"bilinear": BilinearConfig}


def describe_generator(config: AnyGeneratorConfig) -> dict[str, Any]:
    """Describe the sizes of a generator, and its kind if it is not StyleGAN2."""
    for kind, made in KINDS.items():
        if isinstance(config, made):
            return {KIND: kind, **asdict(config)}
    return asdict(config)


def generator_config(data: dict[str, Any], where: str) -> AnyGeneratorConfig:
    """Read what `describe_generator` made; ModelError, which names `where`, if malformed."""
    made, values = GeneratorConfig, dict(data)
    if KIND in data:
        kind = values.pop(KIND)
        if not isinstance(kind, str) or kind not in KINDS:
            raise ModelError(
                f"{where} is of kind {kind!r:.60}; this reage knows {', '.join(KINDS)}"
            )
        made = KINDS[kind]
    check_names({f.name: None for f in fields(made)}, values, where)
    lists = {name: values[name] for name in ("channels", "attention") if name in values}
    switch = values.get("constant", True)
    numbers = [v for k, v in values.items() if k not in (*lists, "constant")]
    for given in lists.values():
        numbers += given if isinstance(given, list) else [None]
    if not all(is_whole(n, 1, MAX_WIDTH) for n in numbers):
        raise ModelError(f"{where} has values that are not whole numbers above 0")
    if type(switch) is not bool:
        raise ModelError(f"{where} has constant {switch!r:.60}; it must be true or false")
    if values["mapping_layers"] > MAX_MAPPING_LAYERS:
        raise ModelError(f"{where}: {values['mapping_layers']} mapping layers; 8 is usual")
    try:
        return made(**{**values, **{name: tuple(given) for name, given in lists.items()}})
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from error
