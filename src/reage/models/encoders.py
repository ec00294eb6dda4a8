"""The encoder of a model folder."""

from __future__ import annotations

from reage.errors import ModelError
from reage.models.checkpoints import ENCODER_FILE, Model, check_names
from reage.models.files import load_tensors
from reage.networks.encoder import Encoder, EncoderConfig

__all__ = ["load_encoder"]

KIND = "residual"


def load_encoder(model: Model) -> Encoder | None:
    """Load the encoder that belongs to a model; None when it has none. Strict, frozen."""
    settings = model.config.encoder
    if settings is None or model.folder is None:
        return None
    config = _config(model, settings)
    file = model.folder / ENCODER_FILE
    tensors, _ = load_tensors(file, sha256=model.config.sha256[ENCODER_FILE])
    encoder = Encoder(config)
    wanted = {name: tuple(t.shape) for name, t in encoder.state_dict().items()}
    check_names(wanted, tensors, str(file))
    for name, shape in wanted.items():
        if tuple(tensors[name].shape) != shape:
            raise ModelError(f"{file}: {name} is {list(tensors[name].shape)}, not {list(shape)}")
    floats = {name: tensor.float() for name, tensor in tensors.items()}
    encoder.load_state_dict(floats, assign=True)
    return encoder.eval().requires_grad_(False)


def _config(model: Model, settings: dict) -> EncoderConfig:
    generator = model.config.generator
    known = {"kind", "channels"}
    if settings.get("kind") != KIND or not set(settings) <= known or "channels" not in settings:
        raise ModelError(
            f"{model.folder}: its encoder is {settings.get('kind')!r} with {sorted(settings)}; "
            f"this version knows {KIND!r} with its channels"
        )
    try:
        channels = tuple(int(c) for c in settings["channels"])
        return EncoderConfig(generator.resolution, generator.num_ws, generator.w_dim, channels)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{model.folder}: its encoder's channels do not fit: {error}") from error
