"""Read a pickle without running it.

A pickle is a program for a small stack machine. This interpreter builds its plain data (numbers,
strings, lists, dicts) and only *records* what it would import, call or restore: no class is
imported and nothing that the file names is called. `Rules` says what a few harmless names mean.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from reage.errors import ModelError

__all__ = ["Global", "Interpreter", "Record", "Rules"]

MAX_STEPS = 500_000  # opcodes; a file with three 1024-px networks has some 40 thousand
Scalar = (str, int, float, bytes, type(None))


@dataclass(eq=False, repr=False, frozen=True)
class Global:
    """A name in the pickle that was not imported."""

    name: str  # module.qualified_name


@dataclass(eq=False, repr=False)
class Record:
    """A call that was recorded, not made, with what the pickle did to its result."""

    function: object
    args: tuple[Any, ...]
    state: object = None  # what BUILD would have restored
    items: dict[Any, Any] = field(default_factory=dict)
    passed_to: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)  # later calls

    @property
    def name(self) -> str:
        """The name of the class or function; "" if it is not a plain name."""
        return self.function.name if isinstance(self.function, Global) else ""


Rules = Mapping[str, Callable[..., Any]]  # name -> what to do with the arguments of a call

PLAIN_RULES: Rules = {
    "collections.OrderedDict": lambda *args: _pairs(args),
    # Bytes, before protocol 3.
    "_codecs.encode": lambda text, _="latin1": text.encode("latin1"),
    "builtins.tuple": lambda *args: tuple(args[0]) if args and isinstance(args[0], tuple) else (),
    "builtins.set": lambda *args: list(args[0]) if args and isinstance(args[0], list) else [],
}


def _pairs(args: tuple[Any, ...]) -> dict[Any, Any]:
    pairs = args[0] if args and isinstance(args[0], list) else []
    return {key: value for key, value in pairs if isinstance(key, Scalar)}


@dataclass
class Interpreter:
    """Interprets any number of pickles, within one budget of steps."""

    source: str  # named in the errors
    steps: int = MAX_STEPS
    names: set[str] = field(default_factory=set)  # all that the pickles named

    def run(
        self, stream: BinaryIO, rules: Rules, persistent: Callable[[Any], Any] | None = None
    ) -> Any:
        """Interpret one pickle from `stream`, which is left right behind it.

        `persistent` resolves persistent ids. Raises ModelError when the pickle is damaged.
        """
        machine = _Machine({**PLAIN_RULES, **rules}, persistent, self.names)
        try:
            for opcode, argument, _ in pickletools.genops(stream):
                self.steps -= 1
                if self.steps < 0:
                    raise ModelError(f"{self.source} is not a model: its pickle has too many steps")
                if opcode.name == "STOP":
                    return machine.stack.pop()
                machine.step(opcode.name, argument)
        except DAMAGED as error:
            reason = (str(error).splitlines() or [""])[0][:120]
            raise ModelError(f"{self.source} is a damaged pickle: {reason}") from error
        raise ModelError(f"{self.source} is a damaged pickle: it has no end")


DAMAGED = (
    *(ValueError, IndexError, KeyError, TypeError, AttributeError, EOFError, OverflowError),
    *(struct.error, MemoryError, NotImplementedError),
)


class _Machine:
    """The stack machine. Only `_call` interprets names."""

    def __init__(
        self, rules: Rules, persistent: Callable[[Any], Any] | None, names: set[str]
    ) -> None:
        self.rules = rules
        self.persistent = persistent
        self.names = names
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in PUSHES:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in OPERATIONS:
            OPERATIONS[name](self, argument)
        elif name not in IGNORED:
            raise NotImplementedError(f"opcode {name}")

    def _pop(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise IndexError("the stack is empty")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def _pop_to_mark(self) -> list[Any]:
        return self._pop(len(self.stack) - self.marks.pop())

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def pop(self, _: Any) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self._pop(1)

    def pop_mark(self, _: Any) -> None:
        self._pop_to_mark()

    def duplicate(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def put(self, index: Any) -> None:
        self.memo[len(self.memo) if index is None else int(index)] = self.stack[-1]

    def get(self, index: Any) -> None:
        self.stack.append(self.memo[int(index)])

    def tuple_of(self, count: int) -> None:
        self.stack.append(tuple(self._pop(count)))

    def collect(self, kind: Callable[[list[Any]], Any]) -> None:
        self.stack.append(kind(self._pop_to_mark()))

    def append(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def set_items(self, flat: list[Any]) -> None:
        target = self.stack[-1]
        items = target.items if isinstance(target, Record) else target
        if isinstance(items, dict):
            items.update(_dict(flat))

    def name_global(self, name: str) -> None:
        self.names.add(name)
        self.stack.append(Global(name))

    def stack_global(self, _: Any) -> None:
        module, name = self._pop(2)
        if not (isinstance(module, str) and isinstance(name, str)):
            raise TypeError("a name that is not text")
        self.name_global(f"{module}.{name}")

    def instance(self, argument: str) -> None:
        args = tuple(self._pop_to_mark())
        self.name_global(argument.replace(" ", ".", 1))
        self._call(self.stack.pop(), args)

    def obj(self, _: Any) -> None:
        function, *args = self._pop_to_mark()
        self._call(function, tuple(args))

    def reduce(self, _: Any) -> None:
        function, args = self._pop(2)
        self._call(function, args)

    def new_with_keywords(self, _: Any) -> None:
        function, args, keywords = self._pop(3)
        self._call(function, args)
        if isinstance(self.stack[-1], Record) and isinstance(keywords, dict):
            self.stack[-1].items.update(keywords)

    def _call(self, function: Any, args: Any) -> None:
        if not isinstance(args, tuple):
            raise TypeError("arguments that are not a tuple")
        name = function.name if isinstance(function, Global) else ""
        if args and isinstance(args[0], Record):
            args[0].passed_to.append((name, args))
        rule = self.rules.get(name)
        self.stack.append(rule(*args) if rule else Record(function, args))

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Record):
            self.stack[-1].state = state

    def persistent_id(self, _: Any) -> None:
        if self.persistent is None:
            raise NotImplementedError("a persistent id")
        self.stack.append(self.persistent(self.stack.pop()))


def _dict(flat: list[Any]) -> dict[Any, Any]:
    if len(flat) % 2:
        raise ValueError("a key without a value")
    # Other keys are of no use here, and hashing nested tuples can be made to last for ever.
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {key: value for key, value in pairs if isinstance(key, Scalar)}


PUSHES = frozenset(
    (
        *("INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
        *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,  # sets are of no use here, and hashing is not free of risk
}
IGNORED = frozenset(("PROTO", "FRAME"))
OPERATIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.duplicate,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "TUPLE1": lambda m, _: m.tuple_of(1),
    "TUPLE2": lambda m, _: m.tuple_of(2),
    "TUPLE3": lambda m, _: m.tuple_of(3),
    "TUPLE": lambda m, _: m.collect(tuple),
    "LIST": lambda m, _: m.collect(list),
    "FROZENSET": lambda m, _: m.collect(list),
    "DICT": lambda m, _: m.collect(_dict),
    "APPEND": lambda m, _: m.append(m._pop(1)),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda m, _: m.append(m._pop_to_mark())),
    "SETITEM": lambda m, _: m.set_items(m._pop(2)),
    "SETITEMS": lambda m, _: m.set_items(m._pop_to_mark()),
    "GLOBAL": lambda m, argument: m.name_global(argument.replace(" ", ".", 1)),
    "STACK_GLOBAL": _Machine.stack_global,
    "INST": _Machine.instance,
    "OBJ": _Machine.obj,
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Machine.reduce),
    "NEWOBJ_EX": _Machine.new_with_keywords,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent_id,
}
