"""Files and folders are written whole or not at all, and lie on the disk before they are named."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reage import files, parts
from reage.errors import ImageError, ModelError
from reage.files import (
    absence,
    check_folder,
    check_place,
    name_errors,
    new_file,
    new_folder,
    open_file,
    place_for_files,
    publish,
    read_file,
    sweep,
    write_file,
    write_together,
)

pytestmark = pytest.mark.quick


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def fill(folder: Path, text: str) -> None:
    for name in ("a", "deep/b"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


KILLED = """
import os, sys
from pathlib import Path
from reage.files import new_file, new_folder
with new_file(Path("file")) as part, new_folder(Path("folder")) as folder:
    part.write_text("half")
    (folder / "a").write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_a_kill_leaves_the_old_ones_and_what_can_be_swept(tmp_path: Path):
    write_file(tmp_path / "file", b"old")
    fill(tmp_path / "folder", "old")
    before = tree(tmp_path)
    ended = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path)
    assert ended.returncode == -9
    assert len(tree(tmp_path)) > len(before)
    sweep(tmp_path)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("system_exchanges", [True, False])
def test_a_folder_takes_the_place_of_an_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system_exchanges: bool
):
    if not system_exchanges:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    fill(tmp_path / "model", "old")
    (tmp_path / "model" / "more").write_text("old")
    with new_folder(tmp_path / "model") as made:
        fill(made, "new")
        assert tree(tmp_path / "model").keys() == {"a", "deep/b", "more"}
    assert tree(tmp_path) == {"model/a": b"new", "model/deep/b": b"new"}


@pytest.mark.skipif(sys.platform != "linux", reason="two renames elsewhere")
def test_there_is_a_folder_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Removing the old folder first, or renaming it away, leaves a moment without any."""
    fill(tmp_path / "model", "old")

    def refused(*_: object) -> None:
        raise AssertionError("the old folder is moved away")

    with new_folder(tmp_path / "model") as made:
        fill(made, "new")
        monkeypatch.setattr(os, "rename", refused)
    assert tree(tmp_path / "model")["a"] == b"new"


def test_a_swap_that_fails_half_way_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fill(tmp_path / "model", "old")
    before, rename, names = tree(tmp_path), os.rename, []

    def second_fails(source: Path, target: Path) -> None:
        names.append(source)
        if len(names) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(files, "_exchange", lambda *_: False)
    monkeypatch.setattr(os, "rename", second_fails)

    def renew(folder: Path) -> None:
        with name_errors(folder, ModelError), new_folder(folder) as made:
            fill(made, "new")

    with pytest.raises(ModelError, match=r"^[^\n]*model cannot be written \(No space left"):
        renew(tmp_path / "model")
    assert tree(tmp_path) == before


def test_errors_in_a_new_folder_name_the_folder_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A model whose weights met a full disk was called by a name that is not there any more."""

    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", fill)
    folder = tmp_path / "model"
    with (
        pytest.raises(ModelError, match=r"model cannot be written \(No space left") as caught,
        name_errors(folder, ModelError),
        new_folder(folder) as made,
    ):
        write_file(made / "weights", b"new")
    assert ".part" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_places_that_may_not_be_written_are_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    check_place(tmp_path / "file", overwrite=False)
    check_folder(tmp_path / "a" / "b")
    monkeypatch.setattr(os, "access", lambda place, mode: place != tmp_path)
    with pytest.raises(ImageError, match="file may not be written: choose another folder"):
        check_place(tmp_path / "file", overwrite=False)
    with pytest.raises(ImageError, match="b may not be written: choose another folder"):
        check_folder(tmp_path / "a" / "b")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ImageError, match="file is a file: name a folder"):
        check_folder(tmp_path / "file" / "b")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, KeyError])
def test_an_error_while_writing_leaves_nothing(tmp_path: Path, error: type[BaseException]):
    write_file(tmp_path / "file", b"old")
    fill(tmp_path / "folder", "old")
    before = tree(tmp_path)
    for new, name in ((new_file, "file"), (new_folder, "folder"), (new_file, "other")):
        with pytest.raises(error), new(tmp_path / name):
            raise error
    assert tree(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


def test_all_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Files before the rename, the folder that names them after it."""
    done: list[str] = []
    sync, replace, rename = os.fsync, os.replace, os.rename

    def note_sync(handle: int) -> None:
        done.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        sync(handle)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", lambda *a: (done.append("moved"), replace(*a)))
    monkeypatch.setattr(os, "rename", lambda *a: (done.append("moved"), rename(*a)))
    write_file(tmp_path / "file", b"new")
    part, *rest = done
    assert part.endswith(".part") and rest == ["moved", tmp_path.name]
    done.clear()
    with new_folder(tmp_path / "folder") as made:
        fill(made, "new")
    assert set(done[: done.index("moved")]) >= {"a", "b", "deep", made.name}
    assert done[-1] == tmp_path.name
    done.clear()
    (tmp_path / "to").mkdir()
    publish(tmp_path / "folder" / "a", tmp_path / "to" / "b")
    assert done == ["a", "moved", "to"]


def test_what_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_bytes(b"old")
    for name in ("loop", "nul\0l", "x" * 300, "absent/a", "file/a"):
        with pytest.raises(ModelError, match=r"(?s)^[^\n]*cannot be written[^\n]*$"):
            write_file(tmp_path / name, b"new", kind=ModelError)
    for name in ("loop", "nul\0l"):
        with pytest.raises(ImageError, match=r"(?s)^[^\n]*cannot be written[^\n]*$"):
            check_place(tmp_path / name, overwrite=True)
    with pytest.raises(ImageError, match="file exists already"):
        write_file(tmp_path / "file", b"new", overwrite=False)
    assert {path.name for path in tmp_path.iterdir()} == {"loop", "file"}


def test_a_name_of_full_length(tmp_path: Path):
    write_file(tmp_path / ("x" * 251 + ".png"), b"new")
    assert (tmp_path / ("x" * 251 + ".png")).read_bytes() == b"new"


def test_others_files_are_not_swept(tmp_path: Path):
    kept = [".0.part", "a.part", f".{'0' * 32}.part.mp4", f".{'g' * 32}.part"]
    for name in [*kept, f".{'0' * 32}.part"]:
        (tmp_path / name).write_bytes(b"")
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_a_later_write_sweeps_what_no_living_process_owns(tmp_path: Path):
    ended = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path)
    assert ended.returncode == -9
    assert len(list(tmp_path.glob(".*.part"))) == 2
    waits = KILLED.replace("os.kill(os.getpid(), 9)", "print('at work', flush=True); input()")
    with subprocess.Popen(
        [sys.executable, "-c", waits], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline()
        assert len(list(tmp_path.glob(".*.part"))) == 2  # it has swept, and is at work itself
        parts.sweep_unowned.cache_clear()
        write_file(tmp_path / "another", b"new")
        assert len(list(tmp_path.glob(".*.part"))) == 2
        other.communicate(b"\n")
    assert other.returncode == 0
    assert sorted(tree(tmp_path)) == ["another", "file", "folder/a"]


def test_why_there_is_no_file(tmp_path: Path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for name, said in (
        ("loop", "is a link that leads nowhere"), ("pipe", "is a device or pipe"),
        (".", "is a folder"), ("absent", "does not exist"), ("x" * 5000, "does not exist"),
        ("nul\0l", "does not exist"),
    ):  # fmt: skip
        assert absence(tmp_path / name) == said


def test_files_that_are_none_are_never_read(tmp_path: Path):
    """A pipe without a writer, and a device without an end, hang a reader for ever."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"old")
    for place in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match=r"device or pipe|directory"):
            read_file(place)
    assert read_file(tmp_path / "file") == b"old"
    with open_file(tmp_path / "file", encoding="utf-8") as file:
        assert file.read() == "old"
    with pytest.raises(ImageError, match="device or pipe"):
        check_place(tmp_path / "pipe", overwrite=True)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_files_written_together_are_all_there_or_none(tmp_path: Path, number: int):
    (tmp_path / "0").write_bytes(b"old")

    def write_some() -> None:
        with write_together() as write:
            for name in range(number):
                write(tmp_path / str(name), b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_some()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"0": b"old"}
    with write_together() as write:
        for name in range(3):
            write(tmp_path / str(name), b"new")
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"new"] * 3


def test_the_file_that_is_written_first_appears_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """So a kill between leaves no record of files that are not there."""
    appeared, move = [], os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: appeared.append(b.name) or move(a, b))
    with write_together() as write:
        for name in ("record", "one", "two"):
            write(tmp_path / name, b"")
    assert appeared[-1] == "record" and len(appeared) == 3


def test_a_folder_made_for_nothing_goes_again(tmp_path: Path):
    with pytest.raises(ImageError), place_for_files(tmp_path / "a" / "b"):
        raise ImageError("no face")
    assert not any(tmp_path.iterdir())

    def work() -> None:
        with place_for_files(tmp_path / "a" / "b"):
            (tmp_path / "a" / "mine").write_bytes(b"")
            raise ImageError("no face")

    with pytest.raises(ImageError):
        work()
    assert (tmp_path / "a" / "mine").exists()
    assert not (tmp_path / "a" / "b").exists()
