"""What killed work has left: whole lines count, what they name is there, the rest is cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reage.errors import ReageError
from reage.journals import JsonLines, Place, WorkFolder, check_options


class Work(WorkFolder):
    command, store = "work", "pictures.bin"


def place_of(values: dict[str, Any]) -> list[Place]:
    offset, count = values["place"]
    return [(offset, count)]


@pytest.mark.parametrize("rest", [b'{"n":3', b'{"n":3}', b"\n", b'{"m":3}\n{"n":4}\n', b"\xff\n"])
def test_lines_count_up_to_the_first_that_is_not_whole(tmp_path: Path, rest: bytes):
    file = tmp_path / "lines"
    file.write_bytes(b'{"n":1}\n{"n":2}\n' + rest)
    lines = JsonLines(file, "busy")
    assert lines.take_up(lambda values: values["n"]) == [1, 2]
    lines.add({"n": 5, "a": "é"})
    lines.close()
    assert file.read_bytes() == '{"n":1}\n{"n":2}\n{"n": 5, "a": "é"}\n'.encode()


def test_pictures_that_no_record_names_are_cut_off(tmp_path: Path):
    with Work(tmp_path, {}) as work:
        work.add_record({"place": work.add_picture(b"first")})
        work.add_record({"place": work.add_picture(b"second")})
        work.add_picture(b"third")
    with Work(tmp_path, {}) as work:
        assert [values["place"] for values in work.take_up(dict, place_of)] == [[0, 5], [5, 6]]
        assert work.picture((5, 6)) == b"second"
    assert (tmp_path / ".work" / "pictures.bin").read_bytes() == b"firstsecond"


def test_a_record_whose_picture_is_lost_does_not_count(tmp_path: Path):
    with Work(tmp_path, {}) as work:
        for encoded in (b"first", b"second"):
            work.add_record({"place": work.add_picture(encoded)})
    (tmp_path / ".work" / "pictures.bin").write_bytes(b"firstsec")
    with Work(tmp_path, {}) as work:
        assert len(work.take_up(dict, place_of)) == 1
        assert work.add_picture(b"new") == (5, 3)


@pytest.mark.parametrize("torn", [None, b"", b'{"size": 1'])
def test_options_are_written_once_and_compared(tmp_path: Path, torn: bytes | None):
    file = tmp_path / "options.json"
    if torn is not None:
        file.write_bytes(torn)
    check_options(file, {"size": 1, "ages": (1, 2)}, tmp_path, "or else")
    check_options(file, {"size": 1, "ages": [1, 2]}, tmp_path, "or else")
    with pytest.raises(ReageError, match=r"other options \(max-yaw, size\): .*, or else$"):
        check_options(file, {"size": 2, "ages": [1, 2], "max_yaw": 3}, tmp_path, "or else")


def test_nothing_is_left_of_finished_work(tmp_path: Path):
    with Work(tmp_path, {}) as work:
        Work.check_output(tmp_path)
        work.finish()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").touch()
    with pytest.raises(ReageError, match="is not empty"):
        Work.check_output(tmp_path)
