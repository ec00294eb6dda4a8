"""Who imports whom, what is public, and the README's examples."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import reage

pytestmark = pytest.mark.quick

SOURCE = Path(reage.__file__).parent
README = SOURCE.parent.parent / "README.md"
FILES = sorted(path for path in SOURCE.rglob("*.py"))
assert len(FILES) > 100, f"{SOURCE} is not the package"

# A module imports its own part and parts of a lower number only. A folder of a part may have a
# number of its own.
RANKS = {
    "errors": -1,
    "parts": -1,
    "extras": 0,
    "files": 0,
    "memory": 0,
    "notices": 0,
    "numbers": 0,
    "tables": 1,
    "terminal": 0,
    "threads": 0,
    "devices": 1,
    "ffmpeg": 1,
    "images": 1,
    "networks": 1,
    "jobs": 2,
    "faces": 2,
    "models": 2,
    "inputs": 2,
    "datasets": 3,
    "compositing": 4,
    "inversion": 3,
    "agers": 5,
    "search": 6,
    "fitting": 6,
    "types": 6,
    "search.photo_search": 7,
    "training": 7,
    "datasets.prepare": 7,
    "editor": 8,
    "outputs": 9,
    "jobs.batch": 9,
    "video": 9,
    "evaluation": 9,
    "datasets.made_people": 10,
    "web": 10,
    "cli": 11,
    "__main__": 12,
}
FORBIDDEN = {
    "faces": {"torch", "torchvision", "safetensors", "click"},
    "networks": {"PIL", "numpy", "safetensors", "onnx", "click", "tqdm", "pathlib", "os", "io",
                 "json", "urllib"},
    "images": {"click", "tqdm", "safetensors"},
    "models": {"click", "tqdm", "PIL"},
    "compositing": {"click", "tqdm", "safetensors"},
    "inversion": {"click", "tqdm"},
    "agers": {"click", "tqdm"},
    "search": {"click", "tqdm"},
    "fitting": {"click", "tqdm"},
    "jobs": {"click", "tqdm"},
    "datasets": {"click", "tqdm"},
    "editor": {"click", "tqdm"},
    "outputs": {"click", "tqdm"},
    "video": {"click", "tqdm"},
}  # fmt: skip


def part_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def rank_of(module: str) -> int:
    """The number of a module, named without the package: that of its longest known prefix."""
    parts = module.split(".")
    names = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next(RANKS[name] for name in names if name in RANKS)


def room_of(module: str) -> str:
    """What a module may import freely: the longest prefix that has a number of its own."""
    parts = module.split(".")
    names = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next(name for name in names if name in RANKS)


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


def test_a_lower_part_never_imports_an_upper_one():
    wrong = []
    for path in FILES:
        own = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        if own == "__init__":
            continue  # names what is public, lazily
        for module, _ in imports(path):
            top, _, rest = module.partition(".")
            if top != "reage":
                continue
            if not rest:
                if part_of(path) not in ("cli", "web"):
                    wrong.append(f"{own} imports reage itself")
            elif room_of(rest) != room_of(own) and rank_of(rest) >= rank_of(own):
                wrong.append(f"{own} imports {rest}")
    assert not wrong


def test_what_a_part_has_no_use_for():
    wrong = []
    for path in FILES:
        found = {module.split(".")[0] for module, for_types in imports(path) if not for_types}
        wrong += [(str(path), name) for name in found & FORBIDDEN.get(part_of(path), set())]
    assert not wrong


def module_of(path: Path) -> ModuleType:
    names = path.relative_to(SOURCE.parent).with_suffix("").parts
    return importlib.import_module(".".join(n for n in names if n != "__init__"))


def test_all_is_what_there_is():
    for path in FILES:
        if path.name == "__main__.py" or part_of(path) == "web":
            continue
        module = module_of(path)
        listed = getattr(module, "__all__", [])
        assert len(set(listed)) == len(listed), path
        for name in listed:
            assert getattr(module, name) is not None, (path, name)
        # A command's module is its command.
        assert listed or path.name == "__init__.py" or part_of(path) == "cli", f"{path}: __all__"


def test_the_tests_lie_in_the_rooms_that_they_look_at():
    here = Path(__file__).parent
    folders = {path.parent.relative_to(here) for path in here.rglob("test_*.py")}
    folders.discard(Path("zoo"))  # odd inputs of all rooms
    assert [str(folder) for folder in folders if not (SOURCE / folder).is_dir()] == []


def test_no_test_sets_the_clock_of_the_whole_process():
    """A server's event loop in another thread slept for hours by it, and did not end."""
    root = Path(__file__).parent
    for path in root.rglob("test_*.py"):
        assert not re.search(r'setattr\([^)]*\.time\.\w+"', path.read_text("utf-8")), path


def test_the_public_names():
    assert set(reage.__all__) == {
        "Edit", "Editor", "FaceError", "ImageError", "LatentError", "ModelError", "ReageError",
        "Result", "UsageError", "animate", "grid", "load", "sheet", "strip",
    }  # fmt: skip
    assert sorted(reage.__all__) == reage.__all__
    assert set(reage.__all__) < set(dir(reage))
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
    with pytest.raises(AttributeError, match=r"has no 'Editr'; it has Edit, Editor, .*load"):
        _ = reage.Editr  # type: ignore[attr-defined]


def test_the_errors_are_one_family():
    from reage import errors

    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.ReageError)


def readme_examples() -> list[str]:
    if not README.is_file():  # installed without its repository
        return []
    return re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.skipif(not README.is_file(), reason="no README here")
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
    examples = readme_examples()
    assert examples, "the README lost its examples"
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)


@pytest.mark.skipif(not README.is_file(), reason="the package alone is here")
def test_nobody_is_sent_to_an_index_that_has_no_reage():
    """Messages, help and guides install from the clone; each extra that they name exists."""
    root = README.parent
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    texts = [*FILES, *root.glob("*.md"), *root.glob("docs/**/*.md"), root / "Makefile"]
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"install[^\n]*\breage(\[|$|\s*&&)", text, re.M), path
        named = re.findall(r"[\"\']\.\[([\w,]+)\][\"\']", text) + re.findall(
            r"how_to_install\([\"'](\w+)[\"']\)", text
        )
        names = {name for names in named for name in names.split(",")}
        assert names - {"NAME"} <= extras.keys(), path
