"""What a model folder says of an encoder of pSp's kind: written, read again, refused if odd."""

from __future__ import annotations

from typing import Any

import pytest

from reage.errors import ModelError
from reage.models.encoders import describe_encoder, style_encoder_config
from reage.networks.encoders.resnet import ResNetConfig
from reage.networks.encoders.style_encoder import StyleEncoderConfig

CARS = StyleEncoderConfig(
    16,
    backbone=ResNetConfig(input_channels=6, widths=(64, 96, 128, 192)),
    reading="last",
    progressive=True,
    iterations=5,
    rows=192,
)


@pytest.mark.parametrize(
    "config", [CARS, StyleEncoderConfig(18, backbone=ResNetConfig()), StyleEncoderConfig(18)]
)
def test_settings_are_read_as_they_were_written(config: StyleEncoderConfig):
    assert style_encoder_config(describe_encoder(config), "x") == config


def test_a_resnet_is_a_kind_of_its_own_and_rows_are_said_where_they_count():
    assert describe_encoder(CARS)["kind"] == "resnet"
    assert describe_encoder(CARS)["rows"] == 192
    faces = describe_encoder(StyleEncoderConfig(18))
    assert faces["kind"] == "ir-se"
    assert "rows" not in faces  # as folders were that are older than it


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "vgg"}, "kind 'vgg' is none of ir-se, resnet"),
        ({"kind": ["resnet"]}, r"kind \['resnet'\] is none of"),
        ({"kind": "ir-se"}, "lacks squeeze"),
        ({"squeeze": 16}, "unknown squeeze"),
        ({"rows": 300}, "300 rows of pictures of 256"),
        ({"rows": 0}, "rows is 0"),
        ({"rows": True}, "rows is True"),
        ({"units": [3, 4, 6]}, "4 widths but 3 block counts"),
    ],
)
def test_odd_settings_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(ModelError, match=message):
        style_encoder_config(describe_encoder(CARS) | changes, "x")
