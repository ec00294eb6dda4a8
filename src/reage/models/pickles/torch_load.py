"""What torch.save wrote, by torch's own unpickler of plain tensors."""

from __future__ import annotations

import argparse
import io
import pickle
import struct
import zipfile
from typing import Any

import torch

from reage.errors import ModelError
from reage.models.pickles.archives import ZIP, open_stored_zip

__all__ = ["load_torch"]

READ_ERRORS = (
    *(
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        RuntimeError,
        OSError,
        EOFError,
        ValueError,
        KeyError,
    ),
    *(IndexError, TypeError, AttributeError, ArithmeticError, MemoryError, AssertionError),
    *(ImportError, struct.error),
)


def load_torch(data: bytes, source: str) -> Any:
    """Tensors in plain containers; ModelError where the file asks for more."""
    try:
        if data[:4] == ZIP:
            open_stored_zip(io.BytesIO(data), len(data), source).close()
        # Training files hold their options as a Namespace, which is as harmless as a dict.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except READ_ERRORS as error:
        reason = next((x for x in str(error).splitlines() if "GLOBAL" in x), str(error))
        reason = (reason.strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{source} is not a torch file of plain tensors: {reason}") from error
