"""Who imports whom, what is public, and the README's examples."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import reage

SOURCE = Path(reage.__file__).parent
README = SOURCE.parent.parent / "README.md"
FILES = sorted(path for path in SOURCE.rglob("*.py"))

# A module imports its own part and parts of a lower number only.
RANKS = {
    "errors": 0,
    "devices": 1,
    "memory": 0,
    "workers": 1,
    "cluster": 2,
    "images": 1,
    "networks": 1,
    "faces": 2,
    "models": 2,
    "datasets": 2,
    "inputs": 2,
    "journals": 2,
    "preparing": 4,
    "latents": 3,
    "training": 4,
    "results": 4,
    "tracing": 5,
    "editor": 6,
    "outputs": 7,
    "batch": 7,
    "video": 7,
    "evaluation": 7,
    "synthesis": 8,
    "web": 8,
    "cli": 9,
    "__main__": 10,
}
FORBIDDEN = {
    "faces": {"torch", "torchvision", "safetensors", "click"},
    "networks": {"PIL", "numpy", "safetensors", "onnx", "click", "tqdm", "pathlib", "os", "io",
                 "json", "urllib"},
    "images": {"click", "tqdm", "safetensors"},
    "models": {"click", "tqdm", "PIL"},
    "preparing": {"click", "tqdm"},
    "latents": {"click", "tqdm"},
    "editor": {"click", "tqdm"},
    "outputs": {"click", "tqdm"},
    "batch": {"click", "tqdm"},
    "video": {"click", "tqdm"},
    "synthesis": {"click", "tqdm"},
}  # fmt: skip


def part_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Modules that a file imports anywhere, and whether that is for annotations only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in for_types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert [alias.name for alias in node.names] != ["*"], f"{path}: a star import"
            yield node.module or "", id(node) in for_types


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_lower_part_never_imports_an_upper_one(path: Path):
    part = part_of(path)
    if part == "__init__":
        return  # names what is public, lazily
    for module, _ in imports(path):
        top, _, rest = module.partition(".")
        if top == "reage" and rest:
            other = rest.split(".")[0]
            assert other == part or RANKS[other] < RANKS[part], f"{part} imports {module}"
        assert top != "reage" or rest or part in ("cli", "web"), f"{part} imports reage itself"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_what_a_part_has_no_use_for(path: Path):
    found = {module.split(".")[0] for module, for_types in imports(path) if not for_types}
    assert not found & FORBIDDEN.get(part_of(path), set())


def module_of(path: Path) -> ModuleType:
    names = path.relative_to(SOURCE.parent).with_suffix("").parts
    return importlib.import_module(".".join(n for n in names if n != "__init__"))


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.name != "__main__.py" and part_of(path) != "web"],
    ids=lambda path: str(path.relative_to(SOURCE)),
)
def test_all_is_what_there_is(path: Path):
    module = module_of(path)
    listed = getattr(module, "__all__", [])
    assert len(set(listed)) == len(listed)
    for name in listed:
        assert getattr(module, name) is not None
    if path.name != "__init__.py" and part_of(path) != "cli":  # a command's module is its command
        assert listed, f"{path.name} has no __all__"


def test_the_public_names():
    assert set(reage.__all__) == {
        "Editor", "FaceError", "ImageError", "LatentError", "ModelError", "ReageError", "Result",
        "UsageError", "load",
    }  # fmt: skip
    assert sorted(reage.__all__) == reage.__all__
    public = {
        name
        for name, value in vars(reage).items()
        if not name.startswith("_")
        and getattr(value, "__module__", "").startswith("reage.")
        and not isinstance(value, ModuleType)
    }
    assert public <= set(reage.__all__)
    for name in reage.__all__:
        assert getattr(reage, name).__name__ == name
    with pytest.raises(AttributeError, match=r"has no 'Editr'; it has Editor, .*load"):
        _ = reage.Editr  # type: ignore[attr-defined]


def test_the_errors_are_one_family():
    from reage import errors

    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.ReageError)


def readme_examples() -> list[str]:
    if not README.is_file():
        return []
    return re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.skipif(not readme_examples(), reason="no README with python examples here")
def test_the_readme_s_examples_run(
    astronaut: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from reage.editor import QUALITIES

    for name, config in QUALITIES.items():  # as in the README, but sooner done
        monkeypatch.setitem(QUALITIES, name, replace(config, step=2))  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    Image.fromarray(astronaut).save("portrait.jpg")
    Image.fromarray(np.concatenate([astronaut, astronaut[:, ::-1]], 1)).save("group.jpg")
    names: dict[str, object] = {}
    for example in readme_examples():
        exec(compile(example, "README.md", "exec"), names)
