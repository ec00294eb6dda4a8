"""Exported graphs, run by onnxruntime or OpenVINO on the CPU."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from reage.errors import ModelError, UsageError
from reage.extras import how_to_install

__all__ = [
    "FILES",
    "Graph",
    "GraphFormat",
    "graph_files",
    "import_onnx",
    "import_onnxruntime",
    "import_openvino",
    "open_graph",
]

Graph = Callable[..., Tensor]
GraphFormat = Literal["onnx", "openvino"]
MOST_MEMORY = 3 << 30  # bytes of what a graph computes
SECONDS = 120.0  # of one run
SILENT = 4  # its log says again, in many lines, what its errors say
FILES = {"onnx": ".onnx", "openvino": ".xml"}


def open_graph(path: Path, layout: GraphFormat) -> Graph:
    """Load a graph; it takes and gives float32 tensors of the CPU, and computes in float32."""
    if not path.is_file():
        raise ModelError(
            f"{path} does not exist; create it with: reage export MODEL --{layout} FOLDER"
        )
    open_one = _open_onnx if layout == "onnx" else _open_openvino
    return open_one(path)


def graph_files(path: Path) -> list[Path]:
    """All files of a graph."""
    return [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]


def import_onnx() -> Any:
    """The package, which PyTorch exports with, or a UsageError that says how to get it."""
    try:
        import onnx
    except ImportError as error:
        raise UsageError(f"onnx is missing: {how_to_install('onnx')}") from error
    return onnx


def import_openvino() -> Any:
    """The package, or a UsageError that says how to get it; without what tells its maker of use."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # as if missing
    try:
        import openvino
    except ImportError as error:
        raise UsageError(f"OpenVINO is missing: {how_to_install('openvino')}") from error
    return openvino


@cache
def import_onnxruntime() -> Any:
    """The package, whose graphs cannot take any amount of memory, or a UsageError.

    It looks up its maker's host for telemetry; only the environment, before the import, stops it.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError(f"onnxruntime is missing: {how_to_install('onnx')}") from error
    onnxruntime.set_default_logger_severity(SILENT)
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    arena = onnxruntime.OrtArenaCfg({"max_mem": MOST_MEMORY})
    onnxruntime.create_and_register_allocator(place, arena)
    return onnxruntime


def _open_onnx(path: Path) -> Graph:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its errors have no narrower class in common
        raise ModelError(f"{path} cannot be run: {str(error).splitlines()[0][:160]}") from error
    names = [item.name for item in session.get_inputs()]

    def run(*inputs: Tensor, seconds: float = SECONDS) -> Tensor:
        arrays = [value.detach().cpu().contiguous().numpy() for value in inputs]
        limit = onnxruntime.RunOptions()
        limit.log_severity_level = SILENT
        timer = threading.Timer(seconds, lambda: setattr(limit, "terminate", True))
        timer.daemon = True
        timer.start()
        try:
            found = session.run(None, dict(zip(names, arrays, strict=True)), limit)[0]
        except Exception as error:  # its errors have no narrower class in common
            if limit.terminate:
                raise ModelError(
                    f"{path} takes more than {seconds:g} s; it may never end"
                ) from error
            raise
        finally:
            timer.cancel()
        return torch.from_numpy(found)

    return run


def _open_openvino(path: Path) -> Graph:
    openvino = import_openvino()
    settings = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    try:
        compiled = openvino.Core().compile_model(path, "CPU", settings)
    except RuntimeError as error:
        raise ModelError(f"{path} cannot be run: {str(error).splitlines()[0][:160]}") from error

    lock = threading.Lock()  # a compiled graph refuses a second call while it runs

    def run(*inputs: Tensor) -> Tensor:
        arrays = [value.detach().cpu().contiguous().numpy() for value in inputs]
        with lock:
            return torch.from_numpy(compiled(arrays)[0].copy())

    return run
