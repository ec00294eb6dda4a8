"""The documents: their links, their commands, the files they name, and the notebooks."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import reage

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CARD = Path(reage.__file__).parent / "assets" / "faces128" / "README.md"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), CARD])
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
GENERATED = {DOCS / "notebooks" / f"{path.stem}.md" for path in NOTEBOOKS}
HISTORY = DOCS / "history"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="no documents here")


def links(page: Path) -> list[str]:
    """Targets of a page's links and pictures that lead to files."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as GitHub and MkDocs make them."""
    heads = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.M)
    plain = [re.sub(r"[^\w\s-]", "", head).strip().lower() for head in heads]
    return {re.sub(r"[\s-]+", "-", head) for head in plain}


def test_links_lead_somewhere():
    wrong = []
    for page in PAGES:
        for link in links(page):
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            if target in GENERATED:
                continue
            if not target.exists() or (anchor and anchor not in anchors(target)):
                wrong.append(f"{page.relative_to(ROOT)}: {link}")
    assert not wrong


def test_documents_that_the_code_names_exist():
    wrong = []
    folders = ("src", "benchmarks", "tests")
    files = [p for name in folders for p in (ROOT / name).rglob("*.py")]
    for path in [*files, ROOT / "Makefile", *ROOT.glob("src/reage/assets/*/README.md")]:
        for named in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8")):
            if not (ROOT / named).is_file():
                wrong.append(f"{path.relative_to(ROOT)}: {named}")
    assert not wrong


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every `reage` command in a page's shell blocks."""
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                while words and "=" in words[0]:  # of the environment
                    words = words[1:]
                if words and Path(words[0]).name == "reage":
                    yield words[1:]


def options_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words call, and the options that they give."""
    from reage.cli.main import cli

    command: click.Command = cli
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"there is no command {name}"
        command = found
    return command, [word for word in words if re.match(r"--?[a-z]", word)]


def test_commands_in_the_documents_exist():
    """What the guides tell a reader to type is known to the command line."""
    seen, wrong = set(), []
    for page in PAGES:
        if page.name == "CHANGELOG.md" or HISTORY in page.parents:
            continue  # these say what was typed then
        for words in commands(page):
            command, given = options_of(words)
            seen.add(command.name)
            known = {name for parameter in command.params for name in parameter.opts}
            known |= {name for parameter in command.params for name in parameter.secondary_opts}
            wrong += [
                f"{page.relative_to(ROOT)}: {command.name} {o}"
                for o in given
                if o.partition("=")[0] not in known
            ]
    assert not wrong
    assert {"edit", "batch", "video", "serve", "project", "photo-ager", "evaluate"} <= seen


def test_every_command_has_an_example():
    from reage.cli.main import COMMANDS

    shown = {words[0] for page in PAGES for words in commands(page) if words}
    assert shown >= set(COMMANDS)


def test_notebooks_are_stripped_and_small():
    assert len(NOTEBOOKS) == 2
    for path in NOTEBOOKS:
        assert path.stat().st_size < 50_000
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            assert not cell.get("outputs") and cell.get("execution_count") is None, path.name
    assert all(len(page.read_text(encoding="utf-8")) > 200 for page in PAGES)


def cells(path: Path) -> list[str]:
    """The code cells of a notebook."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]


def execute(path: Path, small: dict[str, str]) -> dict[str, object]:
    """Run a notebook's cells, with settings replaced by smaller ones; return its names."""
    names: dict[str, object] = {}
    for cell in cells(path):
        for name, value in small.items():
            cell = re.sub(rf"^{name} = .*$", f"{name} = {value}", cell, flags=re.M)
        exec(compile(cell, path.name, "exec"), names)
    return names


@pytest.mark.slow
def test_a_reader_looks_inside():
    pytest.importorskip("skimage")
    names = execute(DOCS / "notebooks" / "look-inside.ipynb", {})
    ages = [edit.faces[0].after.age for edit in names["curve"].edits]  # type: ignore[attr-defined]
    assert ages == sorted(ages) and ages[-1] - ages[0] > 40
    assert 0.01 < names["touched"].mean() < 0.5  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_reader_trains_a_tiny_ager():
    path = DOCS / "notebooks" / "train-a-tiny-ager.ipynb"
    names = execute(path, {"PEOPLE": "4", "STEPS": "60"})
    assert names["ager_error"] < names["idle_error"] - 1.0  # type: ignore[operator]
