"""Model folders that are no models, and files that take all memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ground import Ground, safetensors_with
from parts import (
    DEEP,
    HUGE,
    ODD,
    edit_of,
    file_case,
    latent_of,
    npy_header,
)
from runner import Case

__all__ = ["cases"]


def cases(ground: Ground) -> Iterator[Case]:
    yield from _safetensors(ground)
    yield from _folders(ground)


def _safetensors(ground: Ground) -> Iterator[Case]:
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    headers: list[Any] = [
        b"",
        b"{",
        DEEP.encode(),
        b'{"a":' * 50_000,
        b"[]",
        b"null",
        {"a": 1},
        {"a": []},
        {"a": tensor | {"shape": [-1]}},
        {"a": tensor | {"shape": [2**63]}},
        {"a": tensor | {"shape": [HUGE]}},
        {"a": tensor | {"shape": "x"}},
        {"a": tensor | {"data_offsets": [0, 2**62]}},
        {"a": tensor | {"data_offsets": [4, 0]}},
        {"a": tensor | {"dtype": "F8_E4M3"}},
        {"a": tensor | {"dtype": "XX"}},
        {"a": tensor, "b": tensor},
        {"__metadata__": {"a": 1}},
        {"__metadata__": {"ager": DEEP}},
        {"__metadata__": []},
        {"\ud800": tensor},
        b'{"a":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}',
        {"a": tensor | {"shape": [0] * 5000}},
        {"a" * 10**6: tensor},
    ]
    for number, header in enumerate(headers):
        data = safetensors_with(header, bytes(4))
        for file, options in (
            ("a.safetensors", ()),
            ("d.safetensors", ("--direction=d.safetensors",)),
            ("d.ager.safetensors", ("--direction=d.ager.safetensors",)),
        ):
            argv = edit_of(ground, *options) if options else ()
            yield file_case("safetensors", f"header {number} {file}", file, data, *argv)
        if number % 4 == 0:
            yield file_case(
                "safetensors",
                f"latent {number}",
                "c.safetensors",
                data,
                *latent_of(ground, "c.safetensors"),
            )
            yield file_case(
                "safetensors",
                f"tuned {number}",
                "t.safetensors",
                data,
                *edit_of(ground, "--paste=replace", "--tuned=t.safetensors"),
            )
    for number, length in enumerate((2**63, 2**32, 2**64 - 1, 100_000_000, 1)):
        data = safetensors_with({"a": tensor}, bytes(4), length)
        yield file_case("safetensors", f"length {number}", "a.safetensors", data)


def _folders(ground: Ground) -> Iterator[Case]:
    config = json.loads((ground.model / "config.json").read_text())
    for number, value in enumerate(ODD):
        for key in (
            "name",
            "format",
            "encoder",
            "metrics",
            "sha256",
            "alignment",
            "generator",
            "data",
        ):
            if (number + len(key)) % 3 == 0:
                wild = key in ("name", "data") and isinstance(value, str)
                wild |= (key, value) in (("encoder", None), ("metrics", {}), ("sha256", {}))
                yield _folder(
                    ground,
                    f"{key} {number}",
                    config | {key: value},
                    expect="any" if wild else "refused",
                    argv=() if key not in ("metrics",) else _edit_folder(ground),
                )
        for key in ("z_dim", "w_dim", "resolution", "channels", "mapping_layers", "img_channels"):
            if key in config["generator"] and (number + len(key)) % 2 == 0:
                sizes = config["generator"] | {key: value}
                yield _folder(ground, f"generator {key} {number}", config | {"generator": sizes})
        for key in ("scale", "shift"):
            square = config["alignment"] | {key: value}
            fine = key == "shift" and value in (-1, 0) and type(value) is int
            yield _folder(
                ground,
                f"{key} {number}",
                config | {"alignment": square},
                expect="any" if fine else "refused",
            )
    yield from _huge_folders(ground, config)
    texts = [
        DEEP,
        "",
        "{",
        "nul",
        '{"format":1' + "0" * 5000 + "}",
        "\x00",
        "[" * 10 + "]" * 10,
        '{"format": 1, "format": 2}',
        '{"a":' * 5000 + "1" + "}" * 5000,
        "\ufeff{}",
    ]
    for number, text in enumerate(texts):
        yield _folder(ground, f"text {number}", text)
    encoder = {"kind": "residual", "num_ws": 8, "w_dim": 32, "resolution": 32}
    for number, value in enumerate(
        [
            {},
            {"kind": 1},
            {"kind": HUGE},
            {"units": 5},
            encoder,
            {"resolution": 3},
            {"kind": "ir-se"},
            {"kind": None},
            {"kind": "ir-se", "units": HUGE},
        ]
    ):
        yield _folder(ground, f"encoder kind {number}", config | {"encoder": value})


def _edit_folder(ground: Ground) -> tuple[str, ...]:
    return ("edit", str(ground.photo), "--to=60", "-o", "out", "--model=m", "--quality=fast")


def _folder(
    ground: Ground, name: str, config: Any, expect: str = "refused", argv: tuple[str, ...] = ()
) -> Case:
    def make(folder: Path) -> None:
        place = folder / "m"
        place.mkdir()
        for file in ground.model.iterdir():
            os.link(file, place / file.name)
        (place / "config.json").unlink()
        text = config if isinstance(config, str) else json.dumps(config)
        (place / "config.json").write_text(text)

    return Case("model folders", name, argv or ("models", "inspect", "m"), make, expect)  # type: ignore[arg-type]


def _huge_folders(ground: Ground, config: Any) -> Iterator[Case]:
    """Configs that ask for gigabytes, with files that hold nothing or zeros without end."""
    sizes = [
        {"z_dim": 8192, "w_dim": 8192, "mapping_layers": 64},
        {"channels": [8192] * 4},
        {"w_dim": 8192},
        {"resolution": 8192, "channels": [8192] * 12},
        {"resolution": 4096, "channels": [8] * 11},
    ]
    for number, change in enumerate(sizes):
        asked = config | {"generator": config["generator"] | change}
        yield _folder(ground, f"huge {number}", asked, argv=_edit_folder(ground))
    for number, count in enumerate((2 << 30, 10 << 30, 100 << 30)):
        header = {
            "mapping.layers.0.weight": {
                "dtype": "F32",
                "shape": [count >> 2],
                "data_offsets": [0, count],
            }
        }
        start = safetensors_with(header)
        for file, argv in (
            ("m/generator.safetensors", _edit_folder(ground)),
            ("a.safetensors", ("models", "inspect", "a.safetensors")),
            ("d.safetensors", edit_of(ground, "--direction=d.safetensors")),
            ("d.ager.safetensors", edit_of(ground, "--direction=d.ager.safetensors")),
            ("a.pt", ("models", "inspect", "a.pt")),
            ("a.pkl", ("models", "inspect", "a.pkl")),
            ("d.npy", edit_of(ground, "--direction=d.npy")),
            ("a.onnx", edit_of(ground, "--direction=a.onnx")),
        ):
            yield Case(
                "model folders",
                f"sparse {number} {file}",
                argv,
                _sparse(ground, config, file, start, count),
            )


def _sparse(
    ground: Ground, config: Any, name: str, start: bytes, count: int
) -> Callable[[Path], None]:
    begin = {
        ".pt": b"PK\x03\x04",
        ".pkl": b"\x80\x02",
        ".npy": npy_header((count >> 3,)),
        ".onnx": b"\x08\x08",
    }

    def make(folder: Path) -> None:
        if name.startswith("m/"):
            _folder(ground, "", config).make(folder)
            (folder / name).unlink()
        with (folder / name).open("wb") as file:
            file.write(begin.get(Path(name).suffix, start))
            file.truncate(len(start) + count)

    return make
