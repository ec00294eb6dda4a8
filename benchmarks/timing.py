"""What the benchmarks share: turns and medians, rows of results, options, and the bound.

The bound of a piece of work is the time that its bare convolutions take here: each shape alone, as
one plain call of PyTorch, the best of several. It is what arithmetic costs on this machine in that
precision, without modulation, filters, noise, activations and losses.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # as the command line does

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.devices import choose_dtype
from reage.memory import keep_memory

NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
LONG_TURN = 20.0  # seconds of a first turn that counts: warming up is little beside it


@dataclass(frozen=True)
class Row:
    """One piece of work, and how long each implementation takes for it."""

    what: str
    seconds: dict[str, float]  # medians; the first is what the others are compared with
    turns: int  # that they are medians of
    bound: dict[str, float] = field(default_factory=dict)  # seconds, by precision
    psnr: float | None = None  # dB of our bfloat16 against our float32
    megabytes: dict[str, float] = field(default_factory=dict)  # most memory of a process

    @property
    def ratios(self) -> dict[str, float]:
        """How many times the first one's time each takes."""
        first = next(iter(self.seconds.values()), 1.0)
        return {name: value / first for name, value in self.seconds.items()}


@dataclass(frozen=True)
class Convolution:
    """The shape of one convolution of square maps; `side` is the input's."""

    inputs: int
    outputs: int
    side: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that all have."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--turns", type=int, default=5, help="measured turns at most")
    made.add_argument("--seconds", type=float, default=20, help="a row's turns end after this")
    made.add_argument("--threads", type=int, default=torch.get_num_threads())
    made.add_argument("--no-keep", action="store_true", help="memory is given back (glibc's way)")
    made.add_argument(
        "--precision",
        choices=["auto", "float32", "bfloat16"],
        default="auto",
        help="bfloat16 is measured beside float32; auto: where the machine multiplies it",
    )
    made.add_argument("--json", type=Path, help="write the rows there")
    return made


def checkouts(made: argparse.ArgumentParser) -> None:
    """Options that say where other implementations are."""
    made.add_argument("--rosinality", type=Path, help="rosinality/stylegan2-pytorch")
    made.add_argument("--nvidia", type=Path, help="NVlabs/stylegan2-ada-pytorch")
    made.add_argument("--paddlegan", type=Path, help="PaddlePaddle/PaddleGAN; needs paddlepaddle")


def prepare(options: argparse.Namespace) -> None:
    """Make the process as the command line makes it."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if not options.no_keep:
        keep_memory()


def precisions(choice: str) -> list[torch.dtype]:
    """float32 first, as all are compared with it."""
    chosen = choose_dtype(choice, torch.device("cpu"))
    return [torch.float32] if chosen == torch.float32 else [torch.float32, chosen]


def ours(dtype: torch.dtype) -> str:
    """The column of our own code in a precision."""
    return "reage" if dtype == torch.float32 else f"reage {NAMES[dtype]}"


def clocked(work: Callable[[], object]) -> Callable[[], float]:
    """The work as something that says how many seconds it took."""

    def run() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return run


def in_turns(
    works: dict[str, Callable[[], float]], turns: int, budget: float
) -> tuple[dict[str, float], int]:
    """Median seconds of each, taken A B C A B C ..., and of how many turns.

    The first turn warms up, unless it is long; at least two count.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    began, done = time.perf_counter(), 0
    warm = False
    while done < turns and (done < min(turns, 2) or time.perf_counter() - began < budget):
        turn = {name: work() for name, work in works.items()}
        if not warm and sum(turn.values()) < LONG_TURN:
            warm, began = True, time.perf_counter()
            continue
        warm, done = True, done + 1
        for name, spent in turn.items():
            times[name].append(spent)
    return {name: statistics.median(values) for name, values in times.items()}, done


def bare_seconds(shapes: Iterable[Convolution], dtype: torch.dtype, batch: int = 1) -> float:
    """Seconds that the convolutions alone take, one pass."""
    return sum(_bare_convolution(shape, dtype, batch) for shape in shapes)


@cache
def _bare_convolution(shape: Convolution, dtype: torch.dtype, batch: int) -> float:
    x = torch.randn(batch, shape.inputs, shape.side, shape.side).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    weight = torch.randn(shape.outputs, shape.inputs // shape.groups, shape.kernel, shape.kernel)
    weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
    best, spent, runs = float("inf"), 0.0, 0
    with torch.no_grad():
        while runs < 3 or (spent < 0.1 and runs < 50):
            began = time.perf_counter()
            F.conv2d(x, weight, None, shape.stride, shape.kernel // 2, 1, shape.groups)
            took = time.perf_counter() - began
            best, spent, runs = min(best, took), spent + took, runs + 1
    return best


def convolutions(network: nn.Module, run: Callable[[], object]) -> list[Convolution]:
    """The convolutions that a network of `Conv2d` does in a run, in order."""
    found: list[Convolution] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, nn.Conv2d)
        channels, side = inputs[0].shape[1:3]
        kernel, stride = module.kernel_size[0], module.stride[0]
        found.append(
            Convolution(channels, module.out_channels, side, kernel, stride, module.groups)
        )

    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    handles = [layer.register_forward_pre_hook(note) for layer in layers]
    with torch.no_grad():
        run()
    for handle in handles:
        handle.remove()
    return found


def peak_megabytes() -> float:
    """Most memory that this process has had so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # not what the process that started this one had
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    import resource

    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def psnr(images: Tensor, wanted: Tensor, peak: float) -> float:
    """dB of the mean squared difference."""
    return float(10 * torch.log10(peak**2 / (images - wanted).square().mean()))


def line(row: Row) -> str:
    """A row of Markdown: seconds, and how many times the first one's."""
    cells = [row.what]
    for name, value in row.seconds.items():
        compared = "reage" in row.seconds and name != "reage"
        times = f" ({row.ratios[name]:.2f} x)" if compared else ""
        cells.append(f"{name} {value:.3f} s{times}")
    cells += [f"bound {name} {value:.3f} s" for name, value in row.bound.items()]
    cells += [f"{name} {value:.0f} MB" for name, value in row.megabytes.items()]
    if row.psnr is not None:
        cells.append(f"bfloat16 {row.psnr:.1f} dB")
    return f"| {' | '.join(cells)} |"


def save(rows: list[Row], path: Path | None) -> None:
    """Write the rows, with what they were measured on."""
    if path is None:
        return
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }
    found = [asdict(row) | {"ratios": row.ratios} for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine, "rows": found}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _processor() -> str:
    """The processor's name, where the system says it."""
    information = Path("/proc/cpuinfo")
    if not information.is_file():
        return platform.processor()
    lines = information.read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
