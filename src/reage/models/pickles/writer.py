"""Write a pickle that calls functions of its reader, which cannot be imported here.

Python's own pickler writes by reference only what it can import itself.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "Named", "pickle_program"]

PROTOCOL = 4  # the first one with dotted names, such as Module.eval


@dataclass(frozen=True)
class Named:
    """A name that the reader imports."""

    module: str
    name: str


@dataclass(frozen=True, eq=False)
class Call:
    """A function that the reader calls once, wherever it occurs."""

    function: Named
    args: tuple[Any, ...]


def pickle_program(result: Any, effects: Sequence[Call]) -> bytes:
    """Write a pickle that makes the calls in `effects` and evaluates to `result`."""
    memo: dict[Call, int] = {}
    body = b"".join(_value(call, memo) + pickle.POP for call in effects)
    return pickle.PROTO + bytes([PROTOCOL]) + body + _value(result, memo) + pickle.STOP


def _value(value: Any, memo: dict[Call, int]) -> bytes:
    match value:
        case Call():
            return _call(value, memo)
        case Named(module, name):
            return _value(module, memo) + _value(name, memo) + pickle.STACK_GLOBAL
        case None | True | False:
            return {None: pickle.NONE, True: pickle.NEWTRUE, False: pickle.NEWFALSE}[value]
        case int():
            return pickle.BININT + struct.pack("<i", value)
        case str():
            data = value.encode()
            return pickle.BINUNICODE + struct.pack("<I", len(data)) + data
        case bytes():
            return pickle.BINBYTES8 + struct.pack("<Q", len(value)) + value
        case tuple():
            return pickle.MARK + b"".join(_value(item, memo) for item in value) + pickle.TUPLE
        case dict():
            flat = b"".join(_value(item, memo) for pair in value.items() for item in pair)
            return pickle.EMPTY_DICT + pickle.MARK + flat + pickle.SETITEMS
    raise TypeError(f"{type(value).__name__} cannot be written")


def _call(call: Call, memo: dict[Call, int]) -> bytes:
    if call in memo:
        return pickle.LONG_BINGET + struct.pack("<I", memo[call])
    data = _value(call.function, memo) + _value(call.args, memo) + pickle.REDUCE
    memo[call] = len(memo)
    return data + pickle.LONG_BINPUT + struct.pack("<I", memo[call])
