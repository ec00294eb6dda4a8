"""Damaged and hostile model files of other programs."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from ground import FAMILIES, Ground
from parts import (
    HUGE,
    LONG,
    file_case,
    torch_of,
    zip_of,
)
from runner import CANARY, Case

__all__ = ["cases"]


def cases(ground: Ground) -> Iterator[Case]:
    yield from _flipped(ground)
    yield from _pickles(ground)
    yield from _torch_files(ground)


def _flipped(ground: Ground) -> Iterator[Case]:
    """Cut and damaged files of each family."""
    for family, suffix in FAMILIES.items():
        sound = ground.data(ground.foreign(family))
        rng = random.Random(family)
        yield file_case("model files", f"{family} sound", f"a{suffix}", sound, expect="fine")
        for number in range(12):
            data = bytearray(sound)
            for _ in range(1 + number % 3):
                data[rng.randrange(min(len(data), 4000) if number % 2 else len(data))] ^= (
                    1 << rng.randrange(8)
                )
            argv = (
                ("models", "inspect", f"a{suffix}")
                if number % 3
                else ("convert", f"a{suffix}", "out/m")
            )
            yield file_case(
                "model files",
                f"{family} flipped {number}",
                f"a{suffix}",
                bytes(data),
                *argv,
                expect="any",
            )
        for number, length in enumerate((0, 3, 60, len(sound) // 2, len(sound) - 1)):
            yield file_case("model files", f"{family} cut {number}", f"a{suffix}", sound[:length])


class Call:
    """Pickled as a call of any function."""

    def __init__(self, *call: Any):
        self.call = (call[0], tuple(call[1:]))

    def __reduce__(self) -> Any:
        return self.call


def _pickles(ground: Ground) -> Iterator[Case]:
    touch = f"touch ../{CANARY}"
    calls = [
        Call(os.system, touch),
        Call(eval, f"open('../{CANARY}','w')"),
        Call(Path.touch, Path(f"../{CANARY}")),
        Call(exec, f"open('../{CANARY}','w')"),
        Call(getattr, "x", "upper"),
    ]
    for number, call in enumerate(calls):
        for name, content in (
            ("bare", call),
            ("G_ema", {"G_ema": call}),
            ("g_ema", {"g_ema": call}),
        ):
            data = pickle.dumps(content, 2 + number % 3)
            yield file_case("model files", f"call {number} {name}", "a.pkl", data)
            yield file_case("model files", f"call {number} {name} torch", "a.pt", torch_of(content))
    numbers = [-1, 0, 2**31, 2**63, 2**70, HUGE, 1.5, None, "512", True, float("nan"), [], (1,), {}]
    for number, value in enumerate(numbers):
        for key in ("z_dim", "w_dim", "img_resolution", "img_channels"):
            if number % 2 == len(key) % 2:
                content = {"G_ema": _network(**{key: value})}
                yield file_case(
                    "model files",
                    f"nvidia {key} {number}",
                    "a.pkl",
                    lambda c=content: pickle.dumps(c),
                )
    for number, program in enumerate(PROGRAMS):
        yield file_case("model files", f"program {number}", "a.pkl", b"\x80\x04" + program)
        inside = io.BytesIO()
        with zipfile.ZipFile(inside, "w") as archive:
            archive.writestr("a/data.pkl", b"\x80\x02" + program)
            archive.writestr("a/version", "3")
        yield file_case("model files", f"program {number} in torch", "a.pt", inside.getvalue())


PROGRAMS = [
    b"I" + LONG.encode() + b"\n.",
    b"L" + LONG.encode() + b"L\n.",
    b"F" + b"1e999999\n.",
    b"\x8b" + struct.pack("<i", 2**31 - 1) + b"1.",
    b"\x8a\xff" + b"\xff" * 255 + b".",
    b"\x8b" + struct.pack("<i", 100_000) + b"\x7f" * 100_000 + b".",
    b"]" * 200_000 + b"a" * 200_000 + b".",
    b"N" + b"2\x86" * 80 + b".",
    b"Nr\xff\xff\xff\x7f.",
    b"X\xff\xff\xff\x7fabc.",
    b"cos\nsystem\n.",
    b"}X\x05\x00\x00\x00g_emaI" + LONG.encode() + b"\ns.",
    b"(" * 300_000 + b".",
    b"}" + b"N" + b"2\x86" * 80 + b"Ns.",
]


class Network:
    """Stands for NVIDIA's persistent network."""


def _network(**values: Any) -> Any:
    sizes = {
        "z_dim": 512,
        "c_dim": 0,
        "w_dim": 512,
        "img_resolution": 32,
        "img_channels": 3,
    } | values
    meta = {"type": "class", "version": 6, "module_src": "", "class_name": "Generator"}
    state = {
        "_init_args": (),
        "_init_kwargs": sizes,
        "_parameters": {},
        "_buffers": {},
        "_modules": {},
        **sizes,
    }
    return Call(OrderedDict, [("meta", meta), ("state", state)])


def _torch_files(ground: Ground) -> Iterator[Case]:
    weights = {"style.1.weight": torch.zeros(4, 4), "input.input": torch.zeros(1, 4, 4, 4)}
    odd: list[Any] = [
        torch.quantize_per_tensor(torch.zeros(4, 4), 0.1, 0, torch.qint8),
        torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
        torch.zeros(4, 4).to_sparse(),
        torch.zeros(4, 4, dtype=torch.complex64),
        torch.zeros(4, 4, dtype=torch.float8_e4m3fn),
        torch.full((4, 4), float("nan")),
        torch.zeros(0),
        torch.zeros(4, 4).to_sparse_csr(),
        torch.zeros((4, 4), dtype=torch.bool),
        torch.zeros(4, 4, device="meta"),
        torch.zeros(()),
        torch.zeros(1).expand(10**6, 10**6),
        HUGE,
        None,
        {"a": HUGE},
        [torch.zeros(3)] * 3,
        "x" * 10**6,
    ]
    for number, value in enumerate(odd):
        content = {"g_ema": weights | {"style.1.weight": value}}
        yield file_case("model files", f"tensor {number}", "a.pt", lambda c=content: torch_of(c))
        options = ("edit", str(ground.photo), "--to=60", "-o", "out", f"--model={ground.model}")
        yield file_case(
            "directions",
            f"tensor {number}",
            "d.pt",
            lambda v=value: torch_of(v),
            *options,
            "--direction=d.pt",
        )
    for number, value in enumerate([HUGE, -1, "x", None, 1e308, [], {}, True, 2**63, float("nan")]):
        for key in ("output_size", "n_iters_per_batch", "input_nc", "encoder_type"):
            state = {f"decoder.{k}": v for k, v in weights.items()}
            state |= {"encoder.input_layer.0.weight": torch.zeros(64, 3, 3, 3)}
            content = {"state_dict": state, "latent_avg": torch.zeros(8, 4), "opts": {key: value}}
            if number % 2 == len(key) % 2:
                yield file_case(
                    "model files", f"psp {key} {number}", "a.pt", lambda c=content: torch_of(c)
                )
    for number, change in enumerate(
        [_deflated, _encrypted, _nested_zip, _many_entries, _bomb, _no_text]
    ):
        yield file_case("model files", f"zip {number}", "a.pt", change)


def _deflated() -> bytes:
    return zip_of({"a/data.pkl": b"\x80\x02}.", "a/data/0": bytes(10**6)}, zipfile.ZIP_DEFLATED)


def _encrypted() -> bytes:
    data = bytearray(zip_of({"a/data.pkl": b"\x80\x02}."}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def _nested_zip() -> bytes:
    return zip_of({"a/data.pkl": zip_of({"a/data.pkl": b"\x80\x02}."})})


def _many_entries() -> bytes:
    return zip_of({f"a/data/{n}": b"" for n in range(60_000)} | {"a/data.pkl": b"\x80\x02}."})


def _bomb() -> bytes:
    return zip_of({"a/data.pkl": b"\x80\x02" + b"N0" * 10**6 + b"N."}, zipfile.ZIP_LZMA)


def _no_text() -> bytes:
    return zip_of({"aa/data.pkl": b"\x80\x02}."}).replace(b"aa/", b"\xff\xfe/")
