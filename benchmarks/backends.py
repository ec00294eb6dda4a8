"""Time of one synthesis by PyTorch, onnxruntime and OpenVINO, side by side.

    python benchmarks/backends.py [MODEL] [--rounds 15] [--threads 2]

The runtimes take turns, A B C A B C ..., in one process, so that other work on the machine hits all
of them alike; medians and the ratio to PyTorch in float32 are printed, of the wall clock and of the
processor's time (which with `--threads 1` says most on a machine that has other work).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from reage.devices import choose_dtype
from reage.models.backends import BACKENDS, open_graphs
from reage.models.registry import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="faces128")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load(options.model)
    ws = model.generator.map(torch.randn(1, model.config.generator.z_dim)).contiguous()
    runs: dict[str, Callable[[Tensor], Tensor]] = {
        "torch float32": lambda ws: model.generator.synthesize(ws),
        "torch bfloat16": lambda ws: model.generator.synthesize(ws, dtype=torch.bfloat16),
    }
    for name in BACKENDS:
        graphs = open_graphs(model, None, name)
        assert graphs is not None
        runs[f"{name} float32"] = graphs.synthesis
    if choose_dtype("auto", torch.device("cpu")) == torch.bfloat16:
        graphs = open_graphs(model, None, "openvino", bfloat16=True)
        assert graphs is not None
        runs["openvino bfloat16"] = graphs.synthesis
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    with torch.no_grad():
        for index in range(options.rounds + 2):
            for name, run in runs.items():
                began = time.perf_counter(), time.process_time()
                run(ws)
                if index >= 2:  # the first ones warm up
                    ended = time.perf_counter(), time.process_time()
                    spent[name].append((ended[0] - began[0], ended[1] - began[1]))
    base = [median(column) for column in zip(*spent["torch float32"], strict=True)]
    for name, pairs in spent.items():
        wall, cpu = (median(column) for column in zip(*pairs, strict=True))
        print(
            f"{name:<20} {1000 * wall:8.1f} ms ({base[0] / wall:5.2f} times)"
            f"   {1000 * cpu:8.1f} ms of the processor ({base[1] / cpu:5.2f} times)"
        )


if __name__ == "__main__":
    main()
