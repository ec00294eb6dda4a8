"""Latent codes in damaged and hostile files."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Iterator

import numpy as np
import torch
from ground import Ground
from parts import (
    HUGE,
    LONG,
    ODD,
    edit_of,
    file_case,
    latent_of,
    metadata_case,
    npy_header,
    npy_of,
    zip_of,
)
from runner import Case
from safetensors.torch import save

from reage.models.checkpoints import load_model

__all__ = ["cases"]


def cases(ground: Ground) -> Iterator[Case]:
    yield from _arrays(ground)
    yield from _shapes(ground)


def _shapes(ground: Ground) -> Iterator[Case]:
    """Codes, tunings and origins that fit no generator, or are more than memory holds."""
    model = load_model(ground.model)
    many = [
        lambda: npy_of(np.zeros((1_500_000, 1, 32), np.uint8)),
        lambda: npy_of(np.zeros((11_000_000, 1, 32), np.uint8)),
    ]
    for number, data in enumerate(many):
        yield file_case("codes", f"many {number}", "c.npy", data, *latent_of(ground, "c.npy"))
    known = {"kind": "reage-tuning", "generator_hash": model.generator_hash}
    code, bias = torch.zeros(1, 8, 32), "synthesis.b32.torgb.bias"
    tunings = [
        *({"pivot": torch.zeros(1, *shape)} for shape in ((7, 32), (8, 31), (1, 32), (0, 32))),
        {"pivot": code.to(torch.complex64) * 1e30},
        {"pivot": code, bias: torch.full((3,), float("nan"))},
        {"pivot": code, "x\n\x1b[31m": torch.zeros(3)},
        {"pivot": code, bias: torch.zeros(4)},
    ]
    for number, tensors in enumerate(tunings):
        data = save(tensors, known)
        argv = edit_of(ground, "--paste=replace", "--tuned=t.safetensors")
        yield file_case("codes", f"tuning {number}", "t.safetensors", data, *argv)
    for number, shape in enumerate(((31,), (1, 31), (0,), (5, 5, 5), (), (7, 32))):
        yield metadata_case(
            "directions",
            f"origin {number}",
            ground,
            ground.direction,
            "direction",
            "d.direction.safetensors",
            lambda known: known,
            tensors=lambda held, s=shape: held | {"origin": torch.zeros(s)},
        )


def _arrays(ground: Ground) -> Iterator[Case]:
    start = "{'descr': '<f8', 'fortran_order': False, 'shape': "
    headers = [
        start + "(0xFFFFFFFFFFFFFFFFFF,)}",
        start + f"({LONG},)}}",
        start + "(" * 200 + ")" * 200 + "}",
        "",
        "{",
        "None",
        start + "(-1,)}",
        start + "(1e400,)}",
        start + "(True,)}",
        start + "(99999999999999,)}",
        start + "()}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<U999999999', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': 1, 'shape': (1,)}",
        "{'descr': 5, 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}",
        "__import__('os').system('touch ../canary')",
        "{'descr': '" + "f8," * 3000 + "', 'fortran_order': False, 'shape': (1,)}",
        "[" * 5000,
        "{" + "0:" * 3000,
        "{'descr': '<c16', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}",
        start + "(2**63,)}",
        start + "(1,) * 99}",
        start + "('1',)}",
        "{'descr': '<f8', 'shape': (1,)}",
        "\x00" * 50,
    ]
    for number, text in enumerate(headers):
        data = npy_header((), text or " ") + bytes(16)
        yield file_case("codes", f"npy {number}", "c.npy", data, *latent_of(ground, "c.npy"))
        if number % 2:
            yield file_case(
                "directions",
                f"header {number}",
                "c.npy",
                data,
                *edit_of(ground, "--direction=c.npy"),
            )
        if number % 3 == 0:
            inner = zip_of({"w.npy": data})
            yield file_case("codes", f"npz {number}", "c.npz", inner, *latent_of(ground, "c.npz"))
    code = npy_of(np.zeros((8, 32), np.float32))
    archives = [
        b"",
        b"PK\x05\x06" + bytes(18),
        zip_of({}),
        zip_of({"w.npy": b""}),
        zip_of({"w": code}),
        zip_of({"w.npy": code})[:-30],
        _encrypted_npz(code),
        zip_of({"w.npy": code}, zipfile.ZIP_LZMA)[:60] + bytes(40),
        _odd_method(code),
        zip_of({"w.npy": npy_of(np.zeros(6 * 10**6))}, zipfile.ZIP_DEFLATED),
        zip_of({"../w.npy": code, "w.npy": code}),
        _bad_lzma(code),
        zip_of({"w.npy": npy_of(np.zeros(10**8, np.int8))}, zipfile.ZIP_BZIP2),
        zip_of({"z.npy": code}),
        zip_of({f"{n}.npy": code for n in range(2000)}),
        zip_of({"w.npy": code}).replace(b"w.npy", b"\xff.npy"),
    ]
    for number, data in enumerate(archives):
        yield file_case(
            "codes",
            f"archive {number}",
            "c.npz",
            data,
            *latent_of(ground, "c.npz"),
            expect="any" if number in (4, 10, 15) else "refused",
        )
    for number, value in enumerate(ODD):
        known = {"kind": "reage-latents", "format": 1, "generator_hash": value, "provenance": {}}
        for name, facts in (
            ("hash", known),
            ("provenance", known | {"generator_hash": None, "provenance": value}),
            ("all", value),
        ):
            if name != "hash" and number % 2:
                continue
            fine = (name == "hash" and value is None) or (name != "hash" and value == {})
            data = save({"ws": torch.zeros(1, 8, 32)}, {"latents": json.dumps(facts)})
            yield file_case(
                "codes",
                f"{name} {number}",
                "c.safetensors",
                data,
                *latent_of(ground, "c.safetensors"),
                expect="any" if fine else "refused",
            )
    for number, value in enumerate((float("nan"), float("inf"), 1e38, -1e30)):
        data = npy_of(np.full((8, 32), value, np.float32))
        yield file_case("codes", f"value {number}", "c.npy", data, *latent_of(ground, "c.npy"))
        tuned = {
            "kind": "reage-tuning",
            "generator_hash": json.loads((ground.model / "config.json").read_text())["name"],
        }
        data = save({"pivot": torch.full((1, 8, 32), value)}, tuned)
        yield file_case(
            "codes",
            f"tuned {number}",
            "t.safetensors",
            data,
            *edit_of(ground, "--paste=replace", "--tuned=t.safetensors"),
        )
    for number, value in enumerate(
        [HUGE, {"w": HUGE}, {"w": [HUGE]}, "x", {1: 2}, [[[]]], {"latent": None}, b"abc", 1.5]
    ):
        yield file_case(
            "codes", f"pickle {number}", "c.pkl", pickle.dumps(value), *latent_of(ground, "c.pkl")
        )


def _encrypted_npz(code: bytes) -> bytes:
    data = bytearray(zip_of({"w.npy": code}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def _odd_method(code: bytes) -> bytes:
    data = bytearray(zip_of({"w.npy": code}))
    data[8] = 99
    data[data.index(b"PK\x01\x02") + 10] = 99
    return bytes(data)


def _bad_lzma(code: bytes) -> bytes:
    data = bytearray(zip_of({"w.npy": code * 3}, zipfile.ZIP_LZMA))
    for place in range(50, 70):
        data[place] ^= 0xFF
    return bytes(data)
