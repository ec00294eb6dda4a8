"""Where and how precisely to compute, chosen at run time."""

from __future__ import annotations

import re

import torch

from reage.errors import UsageError

__all__ = ["choose_device", "choose_dtype"]

KINDS = ("cuda", "mps", "xpu")  # beside the CPU
UNUSABLE = (RuntimeError, AssertionError, ImportError, NotImplementedError)
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """Return the device of a name; auto is the first GPU, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(f"({'|'.join(KINDS)})(:[0-9]{{1,3}})?|cpu(:0)?", name):
        known = ", ".join(KINDS)
        raise UsageError(f"the device {name!r:.60} is not known; give auto, cpu, {known} or cuda:1")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except UNUSABLE as error:
        reason = str(error).splitlines()[0][:160]
        raise UsageError(f"the device {name!r} cannot be used: {reason}") from error
    return device


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the convolutions' precision; auto is bfloat16 where the machine multiplies it fast."""
    if precision == "auto":
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            # Twice as fast with AVX512-BF16, many times with AMX (docs/reference/performance.md);
            # both come together, as AMX was added later. Emulated, bfloat16 would be slower than
            # float32.
            has_bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
            fast = device.type == "cpu" and has_bfloat16()
        return torch.bfloat16 if fast else torch.float32
    if precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise UsageError(f"precision {precision!r} is not known; choose auto, {known}")
    return PRECISIONS[precision]
