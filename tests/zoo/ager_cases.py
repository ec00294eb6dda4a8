"""Directions and agers whose numbers and facts are odd."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from ground import Ground, save_onnx
from parts import (
    DEEP,
    HUGE,
    LONG,
    ODD,
    edit_of,
    file_case,
    metadata_case,
    npy_of,
    npz_of,
)
from runner import Case

__all__ = ["cases"]


def cases(ground: Ground) -> Iterator[Case]:
    yield from _directions(ground)
    yield from _agers(ground)
    yield from _graphs(ground)


def _directions(ground: Ground) -> Iterator[Case]:
    for number, value in enumerate(ODD):
        for key in (
            "span",
            "reach",
            "colour",
            "space",
            "name",
            "sign",
            "generator_hash",
            "report",
            "format",
            "kind",
        ):
            if (number + len(key)) % 2 == 0 or key in ("reach", "span"):
                fine = key in ("reach", "span", "generator_hash") and value is None
                fine |= key in ("name", "sign") and isinstance(value, str)
                fine |= key == "report" and isinstance(value, dict)
                fine |= (
                    key in ("reach", "colour") and type(value) in (int, float) and 0 <= value <= 1e9
                )
                yield metadata_case(
                    "directions",
                    f"{key} {number}",
                    ground,
                    ground.direction,
                    "direction",
                    "d.direction.safetensors",
                    lambda known, k=key, v=value: known | {k: v},
                    "any" if fine else "refused",
                )
    for number, text in enumerate([DEEP, "", "{}", "[]", '{"span":[' + LONG + ",1]}"]):
        yield metadata_case(
            "directions",
            f"text {number}",
            ground,
            ground.direction,
            "direction",
            "d.direction.safetensors",
            lambda known, t=text: t,
        )
    for number, value in enumerate((float("nan"), float("inf"), 0.0, 1e38, 1e-45)):
        yield metadata_case(
            "directions",
            f"vector {number}",
            ground,
            ground.direction,
            "direction",
            "d.direction.safetensors",
            lambda known: known,
            "refused" if value != 1e-45 else "any",
            lambda held, v=value: {k: torch.full_like(t, v) for k, t in held.items()},
        )
        data = np.full(32, value, np.float32)
        yield file_case(
            "directions",
            f"npy {number}",
            "d.npy",
            lambda d=data: npy_of(d),
            *edit_of(ground, "--direction=d.npy"),
            expect="refused" if value != 1e-45 else "any",
        )
    shapes = [(0,), (0, 32), (1, 1, 1, 32), (8, 31), (33,), (), (7, 32), (1, 0)]
    for number, shape in enumerate(shapes):
        data = np.ones(shape, np.float32)
        yield file_case(
            "directions",
            f"shape {number}",
            "d.npy",
            lambda d=data: npy_of(d),
            *edit_of(ground, "--direction=d.npy"),
        )
        yield metadata_case(
            "directions",
            f"own shape {number}",
            ground,
            ground.direction,
            "direction",
            "d.direction.safetensors",
            lambda known: known,
            "refused",
            lambda held, d=data: held | {"vector": torch.from_numpy(d)},
        )
    for number, choice in enumerate(["0", "nan", LONG, "-1", "x" * 3000, "0:0-" + LONG, "\u0661"]):
        pca = {
            "comp": np.ones((3, 1, 32), np.float32),
            "mean": np.zeros((1, 32), np.float32),
            "std": np.ones(3, np.float32),
        }
        argv = edit_of(ground, f"--direction=d.npz:{choice}")
        yield file_case(
            "directions",
            f"component {number}",
            "d.npz",
            lambda p=pca: npz_of(p),
            *argv,
            expect="any" if choice == "0" else "refused",
        )


def _agers(ground: Ground) -> Iterator[Case]:
    network = {"num_ws": 8, "w_dim": 32}
    for number, value in enumerate(ODD):
        for key in (
            "span",
            "colour",
            "network",
            "report",
            "name",
            "generator_hash",
            "kind",
            "format",
            "photo",
            "growth",
        ):
            if (number + len(key)) % 2 == 0:
                fine = (key == "colour" and type(value) in (int, float) and 0 <= value <= 1) or (
                    key == "report" and value == {}
                )
                fine |= key == "name" and isinstance(value, str)
                yield metadata_case(
                    "agers",
                    f"{key} {number}",
                    ground,
                    ground.ager,
                    "ager",
                    "d.ager.safetensors",
                    lambda known, k=key, v=value: known | {k: v},
                    "any" if fine else "refused",
                )
        for key in network:
            yield metadata_case(
                "agers",
                f"network {key} {number}",
                ground,
                ground.ager,
                "ager",
                "d.ager.safetensors",
                lambda known, k=key, v=value: known | {"network": known["network"] | {k: v}},
            )
    spans = [
        [1],
        [1, 2, 3],
        [80, 1],
        [5, 5],
        [float("nan"), 80],
        [0, HUGE],
        [-1e300, 1e300],
        ["a", "b"],
        [True, 80],
    ]
    for number, span in enumerate(spans):
        yield metadata_case(
            "agers",
            f"span of {number}",
            ground,
            ground.ager,
            "ager",
            "d.ager.safetensors",
            lambda known, s=span: known | {"span": s},
        )
    for number, text in enumerate([DEEP, "", "{}", '{"kind":' + LONG + "}"]):
        yield metadata_case(
            "agers",
            f"text {number}",
            ground,
            ground.ager,
            "ager",
            "d.ager.safetensors",
            lambda known, t=text: t,
        )
    for number, value in enumerate((float("nan"), float("inf"), -float("inf"))):
        yield metadata_case(
            "agers",
            f"weights {number}",
            ground,
            ground.ager,
            "ager",
            "d.ager.safetensors",
            lambda known: known,
            "refused",
            lambda held, v=value: {k: torch.full_like(t, v) for k, t in held.items()},
        )


def _graphs(ground: Ground) -> Iterator[Case]:
    """ONNX agers."""

    def of(weight: float) -> Callable[[Path], None]:
        return lambda folder: save_onnx(folder / "a.onnx", weight)

    argv = ("edit", str(ground.photo), "--to=60", "-o", "out", "--model=a.onnx")
    yield Case("agers", "onnx sound", argv, of(0.001), "any")
    for number, value in enumerate((float("nan"), float("inf"), 1e38)):
        yield Case("agers", f"onnx {number}", argv, of(value))
    sound = ground.data(ground.onnx)
    rng = random.Random("onnx")
    for number in range(20):
        data = bytearray(sound)
        for _ in range(1 + number % 2):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        yield file_case(
            "agers", f"onnx flipped {number}", "a.onnx", bytes(data), *argv, expect="any"
        )
    for number, length in enumerate((0, 1, 20, len(sound) // 2)):
        yield file_case("agers", f"onnx cut {number}", "a.onnx", sound[:length], *argv)
    yield Case("agers", "onnx loop", argv, lambda folder: _save_loop(folder / "a.onnx"))
    yield Case("agers", "onnx memory", argv, lambda folder: _save_large(folder / "a.onnx"))


def _save_loop(path: Path) -> None:
    """An ager that adds up without end."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["more_out"]),
            helper.make_node("Add", ["sum", "one"], ["sum_out"]),
        ],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("more", TensorProto.BOOL, []),
            value("sum", TensorProto.FLOAT, []),
        ],
        [value("more_out", TensorProto.BOOL, []), value("sum_out", TensorProto.FLOAT, [])],
    )
    parts = [
        numpy_helper.from_array(np.array(v), n)
        for n, v in (
            ("yes", True),
            ("zero", np.float32(0)),
            ("one", np.float32(1)),
            ("times", np.int64(2**62)),
        )
    ]
    weights = numpy_helper.from_array(np.zeros((3, 5, 1, 1), np.float32), "w")
    nodes = [
        helper.make_node("Loop", ["times", "yes", "zero"], ["end"], body=body),
        helper.make_node("Conv", ["input", "w"], ["flat"]),
        helper.make_node("Add", ["flat", "end"], ["output"]),
    ]
    takes, gives = (
        value(n, TensorProto.FLOAT, ["n", c, "h", "w"]) for n, c in (("input", 5), ("output", 3))
    )
    graph = helper.make_graph(nodes, "ager", [takes], [gives], [*parts, weights])
    save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(path),
    )


def _save_large(path: Path) -> None:
    """An ager that makes eight gigabytes of nothing."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    value = helper.make_tensor_value_info
    parts = [
        numpy_helper.from_array(np.array([2**31]), "size"),
        numpy_helper.from_array(np.zeros((3, 5, 1, 1), np.float32), "w"),
    ]
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["many"]),
        helper.make_node("ReduceSum", ["many"], ["end"], keepdims=0),
        helper.make_node("Conv", ["input", "w"], ["flat"]),
        helper.make_node("Add", ["flat", "end"], ["output"]),
    ]
    takes, gives = (
        value(n, TensorProto.FLOAT, ["n", c, "h", "w"]) for n, c in (("input", 5), ("output", 3))
    )
    graph = helper.make_graph(nodes, "ager", [takes], [gives], parts)
    save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(path),
    )
