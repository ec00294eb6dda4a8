"""The journal of long works: whatever kills them, what it holds is whole."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reage.errors import ReageError
from reage.jobs.journal import Journal, WorkFolder, remove_journal

pytestmark = pytest.mark.quick

WRITER = """
import resource, signal, sys
from pathlib import Path
from reage.errors import ReageError
from reage.jobs.journal import Journal
if len(sys.argv) > 2:  # a disk with room for so many bytes
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
with Journal(Path(sys.argv[1]), "work", {}, "another") as journal:
    n = len(dict(journal.read(dict)))
    try:
        while True:
            journal.write(f"key {n}", {"n": n}, {i: bytes([n % 256, i]) * 3000 for i in range(3)})
            n += 1
            print(n, flush=True)
    except ReageError as error:
        print(error)
"""


def opened(folder: Path, **described: Any) -> Journal:
    return Journal(folder, "work", described, "another")


def held(folder: Path) -> int:
    """How many records there are, each with its pictures."""
    with opened(folder) as journal:
        known = dict(journal.read(dict))
        assert list(known) == [f"key {n}" for n in range(len(known))]
        for key, record in known.items():
            for i in range(3):
                assert journal.picture(key, i) == bytes([record["n"] % 256, i]) * 3000
    return len(known)


def test_a_kill_loses_nothing_that_was_told(tmp_path: Path):
    rng, told = random.Random(0), 0
    for _ in range(6):
        command = [sys.executable, "-c", WRITER, str(tmp_path / "work")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = max(told, *(int(writer.stdout.readline()) for _ in range(3)))
            time.sleep(rng.uniform(0, 0.1))
            writer.send_signal(signal.SIGKILL)
            lines = writer.stdout.read().splitlines()
            told = max(told, *(int(line) for line in lines[-2:] if line), 0)
        assert held(tmp_path / "work") >= told
    assert told > 6


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size")
def test_a_full_disk_is_one_line_and_the_work_is_kept(tmp_path: Path):
    command = [sys.executable, "-c", WRITER, str(tmp_path / "work"), "200000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *told, line = done.stdout.splitlines()
    assert line.startswith(f"the disk of {tmp_path} is full: make room") and told
    assert held(tmp_path / "work") == len(told)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_one_at_a_time(tmp_path: Path, elsewhere: bool):
    with opened(tmp_path / "work") as journal:
        journal.write("a", {})
        if elsewhere:
            command = [sys.executable, "-c", WRITER, str(tmp_path / "work")]
            said = subprocess.run(command, capture_output=True, text=True).stderr.splitlines()[-1]
            assert said.endswith(f"ReageError: another reage work is working in {tmp_path}")
        else:
            with pytest.raises(ReageError, match=r"^another reage work is working in [^\n]*$"):
                opened(tmp_path / "work")
    with opened(tmp_path / "work") as journal:
        assert dict(journal.read(dict)) == {"a": {}}
    assert {path.name for path in (tmp_path / "work").iterdir()} == {
        "options.json", "journal.sqlite",
    }  # fmt: skip


def test_starting_again_leaves_the_journal_of_a_living_process(tmp_path: Path):
    """`batch --overwrite` removed it under the one that was at work."""
    with opened(tmp_path / "work") as journal:
        journal.write("a", {})
        with pytest.raises(ReageError, match=r"^another reage work is working in [^\n]*$"):
            remove_journal(tmp_path / "work", "work")
        assert (tmp_path / "work" / "journal.sqlite").is_file()
    (tmp_path / "work" / "journal.sqlite").write_bytes(b"damaged" * 99)
    remove_journal(tmp_path / "work", "work")
    assert not (tmp_path / "work").exists()


def test_a_new_record_replaces_the_old_one_and_its_pictures(tmp_path: Path):
    with opened(tmp_path / "work") as journal:
        journal.write("a", {"n": 1}, {1: b"one", 2: b"two"})
        journal.write("b", {"n": 2})
        journal.write("a", {"n": 3}, {1: b"three"})
        journal.drop("b")
    with opened(tmp_path / "work") as journal:
        assert dict(journal.read(dict)) == {"a": {"n": 3}}
        assert journal.picture("a", 1) == b"three"
        with pytest.raises(TypeError):
            journal.picture("a", 2)


def test_names_of_any_bytes(tmp_path: Path):
    names = [os.fsdecode(name) for name in (b"\xff\xfe.jpg", b"a\nb", "人.jpg".encode())]
    with opened(tmp_path / "work", input=names[0]) as journal:
        for name in names:
            journal.write(name, {"file": name}, {0: name.encode("utf-8", "surrogateescape")})
    with opened(tmp_path / "work", input=names[0]) as journal:
        assert dict(journal.read(dict)) == {name: {"file": name} for name in names}
        assert journal.picture(names[0], 0) == b"\xff\xfe.jpg"


def test_other_options_are_named(tmp_path: Path):
    opened(tmp_path / "work", seed=1, big_size=2).__exit__()
    with pytest.raises(ReageError, match=r"other options \(big-size, more\): give .* another$"):
        opened(tmp_path / "work", seed=1, big_size=3, more=4)
    (tmp_path / "work" / "options.json").write_text('{"se')  # killed there, in an older version
    opened(tmp_path / "work", seed=1).__exit__()


@pytest.mark.parametrize("damage", ["text", "table"])
def test_a_damaged_one_is_one_line(tmp_path: Path, damage: str):
    opened(tmp_path / "work").__exit__()
    file = tmp_path / "work" / "journal.sqlite"
    if damage == "text":
        file.write_bytes(b"no database" * 1000)
    else:
        with closing(sqlite3.connect(file, isolation_level=None)) as db:
            db.execute("INSERT INTO records VALUES (?, ?)", (b"a", "[1, "))

    def read() -> None:
        with opened(tmp_path / "work") as journal:
            dict(journal.read(dict))

    with pytest.raises(ReageError, match=r"^[^\n]*work is damaged [^\n]*: delete it[^\n]*$"):
        read()


def test_the_folder_of_a_dataset(tmp_path: Path):
    with WorkFolder(tmp_path, "make", {}) as folder:
        folder.write("a", {})
        (tmp_path / "made").write_text("")
        WorkFolder.check_output(tmp_path, "make")
        folder.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    with pytest.raises(ReageError, match="is not empty"):
        WorkFolder.check_output(tmp_path, "make")
