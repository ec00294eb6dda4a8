"""`reage prepare`: what it says, and its exit codes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from made import Command
from reage.datasets.face_dataset import open_dataset

Reage = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def prepare(reage_command: Command) -> Reage:
    """Run the command: exit status, output, lines of complaint."""

    def run(*arguments: object) -> tuple[int, str, list[str]]:
        status, out, err = reage_command("prepare", *arguments)
        return status, out, err.splitlines()

    return run


def test_the_summary(prepare: Reage, photos: Path, tmp_path: Path):
    some = tmp_path / "some"
    some.mkdir()
    shutil.copy(photos / "a.png", some / "030A36.png")
    shutil.copy(photos / "r-nobody.png", some / "031A02.png")
    shutil.copy(photos / "t-page.jpg", some / "031A05.jpg")
    status, out, err = prepare(
        some, "-o", tmp_path / "faces", "--processes", 1, "--val", 0, "--licence", "CC0 1.0",
        "--model", "faces128",
    )  # fmt: skip
    assert status == 0
    assert [line.split() for line in out.splitlines()[:4]] == [
        ["3", "pictures"],
        ["labels", "from", "the", "file", "names", "of", "some,", "read", "as", "fgnet"],
        ["1", "faces", "kept:", "train", "1"],
        ["1", "unreadable"],
    ]
    assert out.splitlines()[-1] == str(tmp_path / "faces")
    assert err == [
        "reage: some/031A02.png: no face, none was found",
        "reage: some/031A05.jpg is a web page: reage reads JPEG, PNG, WebP, HEIC, AVIF, TIFF, "
        "BMP and GIF pictures",
    ]
    (row,) = open_dataset(tmp_path / "faces").rows
    assert (row.age_range, row.person) == ((36.0, 36.0), "fgnet-030")
    assert "CC0 1.0" in (tmp_path / "faces" / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("none", "-o", "x"), 1, "none does not exist"),
        (("-o", "x"), 2, "Missing argument 'INPUTS...'"),
        ((".",), 2, "Missing option '-o' / '--output'"),
        ((".", "-o", "x", "--val", "2"), 2, "val is 2"),
        ((".", "-o", "x", "--names", "imdb"), 2, "'imdb' is not one of"),
        ((".", "-o", "x", "--age-pattern", "x"), 2, "no group"),
        ((".", "-o", "x", "--model", "nomodel"), 1, "no model 'nomodel'"),
        ((".", "-o", "x", "--model", "ffhq1024"), 2, "add --size"),
        ((".", "-o", "x", "--labels", "none.csv"), 1, "none.csv cannot be read"),
        ((".", "-o", "x"), 1, "no pictures in ."),
    ],
)
def test_one_line_for_each_mistake(
    prepare: Reage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    status: int,
    message: str,
):
    if "--labels" in arguments:
        (tmp_path / "a.jpg").write_text("")
    monkeypatch.chdir(tmp_path)
    code, _, err = prepare(*arguments)
    assert code == status
    assert len(err) == 1 and err[0].startswith("reage: ") and message in err[0]
    assert not (tmp_path / "x").exists()
