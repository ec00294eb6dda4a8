"""All animals of the zoo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ager_cases
import code_cases
import damage_cases
import dataset_cases
import file_cases
import folder_cases
import option_cases
import place_cases
from ground import Ground
from runner import Case

__all__ = ["all_cases", "warm_up"]


def all_cases(folder: Path, seed: int = 0) -> Iterator[Case]:
    """Make the sound files in `folder` and yield the cases."""
    ground = Ground(folder).make()
    yield from option_cases.cases(ground)
    for module in (file_cases, folder_cases, ager_cases, code_cases, place_cases, dataset_cases):
        yield from module.cases(ground)
    yield from damage_cases.cases(ground, seed)


def warm_up() -> None:
    """Import what the forked processes share; nothing that starts threads."""
    import importlib

    import torch

    import reage.editor
    from reage.cli.main import COMMANDS

    assert reage.editor
    torch.set_num_threads(1)
    for module, _ in COMMANDS.values():
        importlib.import_module(module)
