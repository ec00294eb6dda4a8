"""The whole way: what is kept, the same bytes however it was made, and readable afterwards."""

from __future__ import annotations

import csv
import json
import sqlite3
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.datasets.face_dataset import open_dataset
from reage.datasets.prepare.options import PrepareOptions
from reage.datasets.prepare.prepare import PrepareReport, prepare
from reage.datasets.prepare.selection import LeftOut, split_of
from reage.errors import ImageError, ReageError
from reage.faces.detection import FaceDetector
from reage.faces.squares import crop_face, face_quad
from reage.jobs import journal
from reage.jobs.journal import WorkFolder

FilesOf = Callable[[Path], dict[str, bytes]]


@dataclass(frozen=True)
class Made:
    folder: Path
    report: PrepareReport
    options: PrepareOptions
    told: list[LeftOut]
    steps: list[tuple[int, int]]


@pytest.fixture(scope="module")
def made(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The dataset of the folder of pictures, with labels for two of them."""
    folder = tmp_path_factory.mktemp("made")
    table = folder / "labels.csv"
    table.write_text(
        "file,age,gender,race,person\na.png,36,female,White,Eileen\nphotos/deeper/b.webp,,F,,Ada\n"
    )
    options = PrepareOptions(labels=table, val=0.5, shard=2)
    told: list[LeftOut] = []
    steps: list[tuple[int, int]] = []
    report = prepare(
        [photos], folder / "faces", options, processes=1, on_left_out=told.append,
        on_picture=lambda done, total: steps.append((done, total)),
    )  # fmt: skip
    return Made(folder / "faces", report, options, told, steps)


def index(folder: Path) -> list[dict[str, str]]:
    with (folder / "faces.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_what_is_kept_and_why_the_rest_is_not(made: Made):
    assert sum(made.report.kept.values()) == 3
    assert made.report.left_out == {
        "unreadable": 2, "no face": 1, "small": 1, "padded": 1, "grey": 1, "blurred": 1,
        "duplicate": 1,
    }  # fmt: skip
    assert {row["original"] for row in index(made.folder)} == {
        "a.png", "deeper/b.webp", "deeper/C.JPG",
    }  # fmt: skip
    assert made.steps == [(i, 11) for i in range(1, 12)]
    assert len(made.told) == 7  # whatever is not a matter of the others
    lines = (made.folder / "faces-left-out.tsv").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[:2] for line in lines] == [
        ["photos/m-copy.jpg", "duplicate"], ["photos/n-blurred.png", "blurred"],
        ["photos/o-grey.png", "grey"], ["photos/p-small.png", "small"],
        ["photos/q-padded.png", "padded"], ["photos/r-nobody.png", "no face"],
        ["photos/s-broken.jpg", "unreadable"], ["photos/t-page.jpg", "unreadable"],
    ]  # fmt: skip
    assert lines[0].endswith("\tof photos/a.png")


def test_a_dataset_reads_back(made: Made, astronaut: np.ndarray):
    dataset = open_dataset(made.folder)
    rows = {row["original"]: row for row in index(made.folder)}
    by_file = {row.file: row for row in dataset.rows}
    plain = by_file[rows["a.png"]["file"]]
    assert plain.person == "Eileen" and plain.gender == "female" and plain.group == "White"
    assert plain.age_range == (36.0, 36.0)
    assert plain.split == split_of("Eileen", "", 0.5)
    assert plain.apparent_age == pytest.approx(28, abs=8)
    assert 0 < plain.numbers["apparent_age_spread"] < 20
    mirrored = by_file[rows["deeper/b.webp"]["file"]]
    assert (mirrored.age_range, mirrored.gender, mirrored.person) == (None, "female", "Ada")
    face = FaceDetector().detect(astronaut)[0]
    crop = crop_face(astronaut, face_quad(face, 0.7, 0.22), 128).image
    difference = dataset.read(plain).astype(float) - crop
    assert np.sqrt((difference**2).mean()) < 4  # levels of 255: what WebP costs
    unlabelled = by_file[rows["deeper/C.JPG"]["file"]]
    assert (unlabelled.person, unlabelled.age_range) == ("", None)
    assert abs(unlabelled.numbers["yaw"]) < 5


def test_shards_follow_the_webdataset_convention(made: Made):
    rows = {row["file"]: row for row in index(made.folder)}
    found = {}
    for shard in sorted(made.folder.glob("*.tar")):
        name, split, number = shard.stem.rsplit("-", 2)
        assert (name, len(number)) == ("faces", 6) and split in ("train", "val")
        with tarfile.open(shard) as archive:
            members = archive.getmembers()
            assert len(members) <= 4  # two pictures a shard
            for picture, side in zip(members[::2], members[1::2], strict=True):
                assert picture.name.partition(".")[0] == side.name.partition(".")[0]
                assert (picture.mtime, picture.uid, picture.uname) == (0, 0, "")
                file = archive.extractfile(side)
                assert file is not None
                values = json.load(file)
                assert values["split"] == rows[picture.name]["split"] == split
                assert float(values["yaw"]) == float(rows[picture.name]["yaw"])
                assert values.get("age") == (36 if values["original"] == "a.png" else None)
                found[picture.name] = side.name
    assert found.keys() == rows.keys()


def test_the_card_says_where_it_is_from(made: Made):
    card = (made.folder / "README.md").read_text(encoding="utf-8")
    assert "| photos | 11 | 3 | no |" in card
    assert "**Not stated.**" in card and "size 128, scale 0.7, shift 0.22" in card
    assert "label table: labels.csv" in card and str(made.folder.parent) not in card


def test_processes_give_the_same_bytes(made: Made, photos: Path, tmp_path: Path, files_of: FilesOf):
    prepare([photos], tmp_path / "faces", made.options, processes=2)
    assert files_of(tmp_path / "faces") == files_of(made.folder)


class Killed(BaseException):
    """As if the process ended."""


@pytest.mark.parametrize("older", [False, True])
def test_a_stopped_run_goes_on(
    made: Made, photos: Path, tmp_path: Path, files_of: FilesOf, older: bool
):
    def stop(done: int, total: int) -> None:
        if done == 5:
            raise Killed

    output = tmp_path / "faces"
    with pytest.raises(Killed):
        prepare([photos], output, made.options, processes=1, on_picture=stop)
    work, said = output / ".prepare", list[str]()
    if older:  # and begun by a version with journals of another kind
        (work / "journal.sqlite").unlink()
        (work / "records.jsonl").write_bytes(b"{}")
    report = prepare([photos], output, made.options, processes=1, on_notice=said.append)
    assert report.taken_up == (0 if older else 5)
    assert len(said) == older
    assert files_of(output) == files_of(made.folder)
    assert not work.exists()


def test_stopped_while_it_moves_its_files(
    made: Made, photos: Path, tmp_path: Path, files_of: FilesOf, monkeypatch: pytest.MonkeyPatch
):
    def stop(self: WorkFolder) -> None:
        raise Killed

    output = tmp_path / "faces"
    with monkeypatch.context() as patched:
        patched.setattr(WorkFolder, "finish", stop)
        with pytest.raises(Killed):
            prepare([photos], output, made.options, processes=1)
    (output / "faces.csv").rename(output / ".prepare" / "ready" / "faces.csv")
    assert prepare([photos], output, made.options, processes=1).taken_up == 11
    assert files_of(output) == files_of(made.folder)


def test_a_full_disk_keeps_the_work(
    made: Made, photos: Path, tmp_path: Path, files_of: FilesOf, monkeypatch: pytest.MonkeyPatch
):
    def small(file: Path, tables: str) -> sqlite3.Connection:
        db = open_(file, tables)
        db.execute("PRAGMA max_page_count = 12")
        return db

    open_, output = journal.open_database, tmp_path / "faces"
    with monkeypatch.context() as patched:
        patched.setattr("reage.jobs.journal.open_database", small)
        with pytest.raises(ReageError, match=r"^the disk of [^\n]* is full[^\n]*$"):
            prepare([photos], output, made.options, processes=1)
    assert 0 < prepare([photos], output, made.options, processes=1).taken_up < 11
    assert files_of(output) == files_of(made.folder)


def test_an_output_that_is_taken(made: Made, photos: Path, tmp_path: Path, files_of: FilesOf):
    before = files_of(made.folder)
    with pytest.raises(ReageError, match="is not empty, and no unfinished"):
        prepare([photos], made.folder, made.options, processes=1)
    assert files_of(made.folder) == before
    output = tmp_path / "faces"
    with pytest.raises(Killed):
        prepare([photos], output, made.options, processes=1, on_picture=_stop)
    with pytest.raises(ReageError, match=r"started with other options \(labels, size\)"):
        prepare([photos], output, replace(made.options, size=64, labels=None), processes=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(ReageError, match="is a file"):
        prepare([photos], tmp_path / "file", made.options, processes=1)


def test_two_at_once_do_not_mix(made: Made, photos: Path, tmp_path: Path):
    described = made.options.describe()
    with (
        WorkFolder(tmp_path, "prepare", described),
        pytest.raises(ReageError, match="another reage prepare"),
    ):
        WorkFolder(tmp_path, "prepare", described)


def test_several_faces(people: dict[str, np.ndarray], tmp_path: Path):
    (tmp_path / "in").mkdir()
    both = np.concatenate([people["plain"], people["mirrored"]], 1)
    Image.fromarray(both).save(tmp_path / "in" / "20_1_0_20170116174525125.png")
    kept = {}
    for faces in ("largest", "all"):
        options = PrepareOptions(faces=faces)
        report = prepare([tmp_path / "in"], tmp_path / faces, options, processes=1)
        assert report.conventions == {"in": "utkface"}
        kept[faces] = [row.age_range for row in open_dataset(tmp_path / faces).rows]
    assert kept == {"largest": [(20.0, 20.0)], "all": [None, None]}  # whose age is it?
    with pytest.raises(ImageError, match=r"none of the 1 pictures can be used: 1 several faces"):
        prepare([tmp_path / "in"], tmp_path / "skip", PrepareOptions(faces="skip"), processes=1)


def test_other_limits_keep_other_faces(photos: Path, tmp_path: Path):
    options = PrepareOptions(
        size=32, scale=1.0, shift=0.1, min_sharpness=0, max_padding=0.5, min_face=10, grey=True,
        duplicates=-1, blurriest=0.25, quality=100,
    )  # fmt: skip
    report = prepare([photos], tmp_path / "all", options, processes=1)
    assert report.left_out == {"unreadable": 2, "no face": 1, "blurred": 2}
    dataset = open_dataset(tmp_path / "all")
    assert dataset.read(dataset.rows[0]).shape == (32, 32, 3)


def test_a_table_that_names_nothing(photos: Path, tmp_path: Path):
    table = tmp_path / "labels.csv"
    table.write_text("file,age\nelsewhere.jpg,30\n")
    with pytest.raises(ImageError, match="names none of the 11 pictures"):
        prepare([photos], tmp_path / "out", PrepareOptions(labels=table))
    assert not (tmp_path / "out").exists()


def _stop(done: int, total: int) -> None:
    raise Killed
