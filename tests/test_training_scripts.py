"""The scripts of `training/`, which no test runs to the end, call what the package has."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

TRAINING = Path(__file__).parents[1] / "training"
SCRIPTS = sorted(TRAINING.rglob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=[str(s.relative_to(TRAINING)) for s in SCRIPTS])
def test_what_a_script_imports_is_there(script: Path):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("reage"):
            continue
        module = importlib.import_module(str(node.module))
        missing = [name.name for name in node.names if not hasattr(module, name.name)]
        missing = [m for m in missing if not _is_module(f"{node.module}.{m}")]
        assert not missing, f"{script.name} line {node.lineno}"


def _is_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
