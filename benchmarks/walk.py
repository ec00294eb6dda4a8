"""Count what one command passes through: files, functions, and borders between files.

    python benchmarks/walk.py edit portrait.jpg --to 70 -o out --overwrite

It runs the command in this process and notes each call of a function of the package: how many
files and functions were entered, and how many different pairs of a caller's and a callee's file.
"""

from __future__ import annotations

import inspect
import sys
import threading
from pathlib import Path
from types import FrameType

import reage
from reage.cli import main as command

ROOT = str(Path(reage.__file__).parent)


class Walk:
    """Notes calls; a profiler of this process."""

    def __init__(self) -> None:
        self.functions: dict[tuple[str, str], None] = {}
        self.borders: set[tuple[str, str]] = set()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        inside = code.co_filename.startswith(ROOT) and code.co_flags & inspect.CO_OPTIMIZED
        if event != "call" or not inside or code.co_name == "<genexpr>":  # no module, no class body
            return
        self.functions[code.co_filename, code.co_qualname] = None
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(ROOT):
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename != code.co_filename:
            self.borders.add((caller.f_code.co_filename, code.co_filename))


def main() -> None:
    walk = Walk()
    threading.setprofile(walk)
    sys.setprofile(walk)
    try:
        command(sys.argv[1:])
    except SystemExit as done:
        sys.setprofile(None)
        if done.code:
            raise
    files: dict[str, int] = {}
    for file, _ in walk.functions:
        name = file.removeprefix(ROOT).lstrip("/")
        files[name] = files.get(name, 0) + 1
    for name, count in files.items():
        print(f"{count:4}  {name}")
    print(f"{len(files)} files, {len(walk.functions)} functions, {len(walk.borders)} borders")


if __name__ == "__main__":
    main()
