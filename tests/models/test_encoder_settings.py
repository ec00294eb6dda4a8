"""What a model folder says of an encoder of pSp's kind: written, read again, refused if odd."""

from __future__ import annotations

from typing import Any

import pytest

from reage.errors import ModelError
from reage.models.encoders import describe_encoder, style_encoder_config
from reage.networks.encoders.irse import BackboneConfig
from reage.networks.encoders.style_encoder import StyleEncoderConfig

pytestmark = pytest.mark.quick

RESTYLE = StyleEncoderConfig(
    16,
    backbone=BackboneConfig(input_channels=6, widths=(64, 96, 128, 192)),
    reading="last",
    progressive=True,
    iterations=5,
)


@pytest.mark.parametrize("config", [RESTYLE, StyleEncoderConfig(18)])
def test_settings_are_read_as_they_were_written(config: StyleEncoderConfig):
    assert describe_encoder(config)["kind"] == "ir-se"
    assert style_encoder_config(describe_encoder(config), "x") == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "vgg"}, "kind 'vgg' is not ir-se"),
        ({"kind": ["ir-se"]}, r"kind \['ir-se'\] is not"),
        ({"kind": "resnet"}, "kind 'resnet' is not ir-se"),
        ({"rows": 192}, "unknown rows"),
        ({"squeeze": 0}, "squeeze is 0"),
        ({"stem": True}, "stem is True"),
        ({"units": [3, 4, 6]}, "4 widths but 3 block counts"),
    ],
)
def test_odd_settings_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(ModelError, match=message):
        style_encoder_config(describe_encoder(RESTYLE) | changes, "x")
