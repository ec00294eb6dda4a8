"""Files of pSp's kind that are damaged, odd or made to harm: one clear line, and nothing is run."""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made_checkpoints import published
from torch import Tensor

from reage.errors import ModelError
from reage.models.families.converted import ConvertedGenerator
from reage.models.families.table import read_foreign
from reage.models.inspecting import inspect_model

Content = dict[str, Any]


@pytest.fixture
def content() -> Content:
    return published("psp")


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., ConvertedGenerator]:
    def read(content: Any, *, legacy: bool = False) -> ConvertedGenerator:
        torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)
        return read_foreign(tmp_path / "x.pt")

    return read


@pytest.fixture
def refused(read: Callable[..., ConvertedGenerator], tmp_path: Path) -> Callable[[Any, str], None]:
    def refused(content: Any, message: str) -> None:
        with pytest.raises(ModelError, match=message) as caught:
            read(content)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400
        assert [path.name for path in tmp_path.iterdir()] == ["x.pt"], "the file was run"

    return refused


Read = Callable[..., ConvertedGenerator]


@pytest.mark.parametrize("legacy", [False, True])
def test_both_formats_of_torch_are_read_alike(read: Read, content: Content, legacy: bool):
    found = read(content, legacy=legacy)
    assert found.encoder is not None
    for name, tensor in found.encoder.tensors.items():
        assert torch.equal(tensor, content["state_dict"][f"encoder.{name}"]), name


def test_options_may_be_a_namespace_and_hold_anything_harmless(read: Read, content: Content):
    opts = content["opts"] | {"encoder_type": "Encoder4Editing", "where": pathlib.Path("x")}
    found = read(content | {"opts": argparse.Namespace(**opts), "best_val_loss": torch.ones(1)})
    assert found.source_format == "e4e"
    assert found.encoder is not None
    assert found.encoder.settings["progressive"] is True


def test_half_precision_and_training_s_leftovers_are_read(read: Read, content: Content):
    halves = {k: v.half() if v.ndim > 1 else v for k, v in content["state_dict"].items()}
    rest = {"optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}}, "global_step": 3}
    found = read(content | {"state_dict": halves, "discriminator_state_dict": {}} | rest)
    assert found.encoder is not None
    assert all(tensor.dtype == torch.float32 for tensor in found.encoder.tensors.values())


def test_what_the_file_leaves_open_is_said(read: Read, content: Content):
    del content["opts"], content["latent_avg"]
    found = read(content)
    assert found.encoder is not None
    assert not found.encoder.settings["progressive"]
    assert found.notes == [
        "the file has no mean latent: computed from 4096 samples",
        "the file does not name its encoder: pSp's is assumed, not e4e's",
    ]


def test_an_encoder_may_not_count_from_the_average(read: Read, content: Content):
    opts = content["opts"] | {"start_from_latent_avg": False}
    found = read(content | {"opts": opts})
    assert found.encoder is not None
    assert found.encoder.settings["from_average"] is False


@pytest.mark.parametrize("first", ["conv1.weight", "body.0.conv1.weight", "relu.bias"])
def test_of_other_encoders_the_generator_is_used_alone(read: Read, content: Content, first: str):
    state = {k: v for k, v in content["state_dict"].items() if k.startswith("decoder.")}
    found = read(content | {"state_dict": state | {f"encoder.{first}": torch.ones(2)}})
    assert found.encoder is None
    assert "is not an IR-SE network" in found.notes[0]


def test_sketches_are_left_out_with_a_note(read: Read, content: Content):
    state = content["state_dict"]
    one = {"encoder.input_layer.0.weight": state["encoder.input_layer.0.weight"][:, :1]}
    assert (
        "takes 1 channels instead of a photo"
        in read(content | {"state_dict": state | one}).notes[0]
    )


def put(name: str, value: Tensor) -> Callable[[Content], object]:
    return lambda content: content["state_dict"].update({name: value})


def drop(name: str) -> Callable[[Content], object]:
    return lambda content: content["state_dict"].pop(name)


def option(name: str, value: object) -> Callable[[Content], object]:
    return lambda content: content["opts"].update({name: value})


CONV = "encoder.body.5.res_layer.1.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(CONV, torch.ones(24, 24, 3, 2)), "do not belong together"),
        (put(CONV, torch.ones(3)), "do not belong together"),
        (put(CONV, torch.full((24, 24, 3, 3), torch.inf)), "not finite"),
        (put(CONV, torch.ones(24, 24, 3, 3, dtype=torch.int32)), "int32"),
        (put(CONV, torch.ones(1).expand(10**6, 10**6, 3, 3)), "damaged|larger|sense|encoder"),
        (put("encoder.more.weight", torch.ones(1)), "unknown more.weight"),
        (put("decoder.more.weight", torch.ones(1)), "unknown more.weight"),
        (put("blender.0.weight", torch.ones(1)), r"MyTimeMachine with unknown blender\.\*"),
        (drop("encoder.latlayer1.bias"), "lacks latlayer1.bias"),
        (drop("encoder.body.7.shortcut_layer.1.running_var"), "lacks body.7.shortcut"),
        (drop("encoder.styles.0.linear.weight"), "lacks styles.0.linear.weight"),
        (drop("encoder.body.0.res_layer.5.fc1.weight"), "lacks body.0.res_layer.5.fc1.weight"),
        (drop("decoder.conv1.conv.weight"), "lacks conv1.conv.weight"),
        (
            option("encoder_type", "BackboneEncoder"),
            "may be of GradualStyleEncoder or Encoder",
        ),
        (option("encoder_type", "Unheard"), "'Unheard'"),
        (option("encoder_type", ["GradualStyleEncoder"]), "which its tensors are not"),
    ],
)
def test_what_does_not_fit_is_refused(
    refused: Callable[[Any, str], None],
    content: Content,
    change: Callable[[Content], object],
    message: str,
):
    change(content)
    refused(content, message)


@pytest.mark.parametrize("data", [None, "cars_encode"])
def test_encoders_of_anything_but_faces_are_refused(
    refused: Callable[[Any, str], None], content: Content, data: str | None
):
    """ReStyle's for cars, churches and animals stand on a ResNet; e4e's for cars do not."""
    if data is None:
        first = {k: v for k, v in content["state_dict"].items() if k.startswith("decoder.")}
        resnet = ("conv1.weight", "relu.weight", "body.0.conv1.weight")
        content["state_dict"] = first | {f"encoder.{name}": torch.ones(2) for name in resnet}
    else:
        content["opts"]["dataset_type"] = data
    refused(content, "is for cars, buildings or animals; only encoders for faces can be used")


def test_an_encoder_of_another_generator_is_refused(
    refused: Callable[[Any, str], None], content: Content
):
    state = content["state_dict"]
    fewer = {k: v for k, v in state.items() if not k.startswith("encoder.styles.7")}
    refused(
        content | {"state_dict": fewer}, r"makes codes \[7, 48\], its generator takes \[8, 48\]"
    )


class Harm:
    """Pickles as a call."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("place", ["opts", "top", "tensor", "option"])
@pytest.mark.parametrize("look", [read_foreign, inspect_model])
def test_a_file_that_would_run_code_is_refused_by_its_name(
    content: Content, place: str, look: Callable[[Path], object], tmp_path: Path
):
    harm = Harm(f"touch {tmp_path / 'canary'}")
    if place == "tensor":
        content["state_dict"]["encoder.x.weight"] = harm
    elif place == "option":
        content["opts"]["device"] = harm
    else:
        content |= {"opts": harm} if place == "opts" else {"extra": harm}
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ModelError, match=r"(posix|nt)\.system") as caught:
        look(tmp_path / "x.pt")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_truncated_files_are_refused(content: Content, share: float, legacy: bool, tmp_path: Path):
    file = tmp_path / "x.pt"
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    for look in (read_foreign, inspect_model):
        with pytest.raises(ModelError) as caught:
            look(file)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(20))
def test_changed_bytes_never_end_in_a_traceback(content: Content, seed: int, tmp_path: Path):
    file = tmp_path / "x.pt"
    torch.save(content, file, _use_new_zipfile_serialization=bool(seed % 2))
    data = bytearray(file.read_bytes())
    rng = torch.Generator().manual_seed(seed)
    # The structure, not the numbers: the first and the last part of the file.
    ends = [(0, 60_000), (len(data) - 60_000, len(data))]
    for low, high in ends if seed % 4 < 2 else ends[:1]:
        for place in torch.randint(low, high, (8,), generator=rng).tolist():
            data[place] = int(torch.randint(0, 256, (1,), generator=rng))
    file.write_bytes(data)
    with contextlib.suppress(ModelError):
        assert read_foreign(file).config.resolution == 32
