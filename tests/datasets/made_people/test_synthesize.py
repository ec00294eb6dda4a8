"""`reage synthesize`: the same seed makes the same bytes, and the lists keep what they promise."""

from __future__ import annotations

import csv
import errno
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import reage.datasets.made_people.run
from made import Command
from reage.cli.outputs.synthesize import describe
from reage.datasets.face_dataset import open_dataset
from reage.datasets.made_people.as_photos import SIDE, cut, enlarge
from reage.datasets.made_people.journal import Journal
from reage.datasets.made_people.maker import Maker
from reage.datasets.made_people.options import SynthesisOptions
from reage.datasets.made_people.records import Drawn, Made, Person
from reage.datasets.made_people.run import synthesize
from reage.errors import ReageError, UsageError
from reage.fitting.people import lacks_people
from reage.images import decode_photo, read_mark

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def options(small_folder: Path) -> SynthesisOptions:
    """The small model makes no faces: they are taken unseen, and told apart by features."""
    return SynthesisOptions(
        people=4, ages=(20.0, 30.0, 50.0), conditions=2, apart=0.0, recogniser="features",
        unseen=True, pairs=5, model=str(small_folder), precision="float32",
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(options: SynthesisOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an undisturbed run makes."""
    folder = tmp_path_factory.mktemp("synthesis") / "people"
    synthesize(folder, options, workers=1)
    return folder


def tree(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_dataset_opens(whole: Path):
    dataset = open_dataset(whole)
    assert len(dataset.rows) == 4 * 3 * 2
    assert {row.person for row in dataset.rows} == {f"person{i:06}" for i in (1, 2, 3, 4)}
    assert {row.age_range for row in dataset.rows} == {(20, 20), (30, 30), (50, 50)}
    sides = {split: {row.person for row in dataset.rows if row.split == split}
             for split in ("train", "val")}  # fmt: skip
    assert len(sides["train"]) == len(sides["val"]) == 2
    assert not sides["train"] & sides["val"]
    pictures = [dataset.read(row) for row in dataset.rows]
    assert {picture.shape for picture in pictures} == {(32, 32, 3)}
    assert len({picture.tobytes() for picture in pictures}) > 12  # one person at one age differs


def test_the_labels(whole: Path):
    with (whole / "people.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = rows[:6]
    assert [row["age"] for row in first] == ["20.0", "20.0", "30.0", "30.0", "50.0", "50.0"]
    assert [row["condition"] for row in first] == ["0", "1"] * 3
    assert len({row["seed"] for row in rows}) == len(rows)
    assert first[2]["original"] == "person000001/person000001_0003.webp"
    assert all(0 <= float(row["apparent_age"]) <= 100 for row in rows)
    card = (whole / "README.md").read_text()
    assert "24 pictures of 4 people who do not exist" in card and "CC0" in card
    figures = json.loads((whole / "people-figures.json").read_text())
    errors = [abs(float(row["apparent_age"]) - float(row["age"])) for row in rows]
    assert figures["age"]["all"]["mean_error"] == pytest.approx(np.mean(errors), abs=0.006)
    assert figures["age"]["plain"]["pictures"] == 12
    males = [float(row["male"]) > 0.5 for row in rows]
    kept = [max(sum(m), len(m) - sum(m)) for m in (males[i : i + 6] for i in range(0, 24, 6))]
    assert figures["sex"] == {"pictures": 24, "kept": round(sum(kept) / 24, 3)}


def test_few_people_have_no_rates(whole: Path):
    figures = json.loads((whole / "people-figures.json").read_text())
    for found in figures["identity"].values():
        assert found["auc"] is found["equal_error"] is found["accuracy"] is None
        assert found["pairs"] and found["same"]["mean"] >= 0
    assert "4 people are too few for rates" in (whole / "README.md").read_text()
    told = describe(figures)
    assert "AUC" not in told and "pairs.txt: " in told
    rates = {"auc": 0.9, "equal_error": 0.1}
    many = {**figures, "identity": {"pairs.txt": figures["identity"]["pairs.txt"] | rates}}
    assert "AUC 0.900, equal error 10.0%" in describe(many)


class TestAsPhotos:
    def test_the_mirrored_top_goes(self):
        rgb = np.zeros((SIDE, SIDE, 3), np.uint8)
        rgb[200, 300] = 255
        picture, points = cut(rgb, np.array([[300.0, 200.0]]))
        x, y = points[0].astype(int)
        assert picture.shape == (440, 440, 3)
        assert picture[y, x, 0] == 255

    def test_only_small_pictures_are_enlarged(self):
        assert enlarge(np.zeros((128, 128, 3), np.uint8)).shape == (SIDE, SIDE, 3)
        assert enlarge(np.zeros((1024, 1024, 3), np.uint8)).shape == (1024, 1024, 3)

    @pytest.mark.slow  # three pictures of the embedded model
    def test_the_embedded_model_ages_its_pictures_as_photos(self):
        options = SynthesisOptions(people=2, ages=(20.0, 60.0), conditions=1, recogniser="features",
                                   precision="float32")  # fmt: skip
        maker = Maker(options)
        assert maker.as_photos
        draw = next(d for d in range(30) if maker.draw(d).vector is not None)
        made = maker.make(Person(1, draw))
        for row, data in zip(made.rows, made.pictures, strict=True):
            assert decode_photo(data, "a").pixels.shape == (440, 440, 3)
            assert abs(row["apparent_age"] - row["age"]) < 8


def test_pictures_carry_the_mark(whole: Path, tmp_path: Path):
    dataset = open_dataset(whole)
    shard, offset, size = dataset.places[dataset.rows[0].file]
    picture = tmp_path / "one.webp"
    picture.write_bytes(shard.read_bytes()[offset : offset + size])
    assert "does not exist" in str(read_mark(picture))


@pytest.mark.slow  # its kind: the same test of test_batch.py
def test_two_workers_write_the_same(whole: Path, options: SynthesisOptions, tmp_path: Path):
    synthesize(tmp_path / "people", options, workers=2)
    assert tree(tmp_path / "people") == tree(whole)


@pytest.mark.slow  # a local cluster takes 15 s to begin
def test_a_ray_cluster_writes_the_same(whole: Path, options: SynthesisOptions, tmp_path: Path):
    pytest.importorskip("ray.data", reason="Ray is not installed")
    synthesize(tmp_path / "people", options, workers=2, ray="local")
    assert tree(tmp_path / "people") == tree(whole)


@pytest.mark.parametrize("stop", [pytest.param(3, marks=pytest.mark.slow), 9])
def test_a_stopped_run_goes_on(whole: Path, options: SynthesisOptions, tmp_path: Path, stop: int):
    seen: list[object] = []
    plain = Maker.do

    def do(self: Maker, task: int | Person) -> Drawn | Made:
        if len(seen) == stop:
            raise KeyboardInterrupt
        seen.append(task)
        return plain(self, task)

    out = tmp_path / "people"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Maker, "do", do)
        with pytest.raises(KeyboardInterrupt):
            synthesize(out, options, workers=1)
    with pytest.raises(ReageError, match=r"started with other options \(seed\)"):
        synthesize(out, replace(options, seed=1), workers=1)
    stop = 100
    first, seen[:] = list(seen), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Maker, "do", do)
        synthesize(out, options, workers=1)
    assert not set(map(str, first)) & set(map(str, seen))  # nothing twice
    assert tree(out) == tree(whole)


def test_another_seed_makes_other_people(whole: Path, options: SynthesisOptions, tmp_path: Path):
    small = replace(options, people=2, ages=(20.0, 30.0), seed=1)
    synthesize(tmp_path / "people", small, workers=1)
    known = {open_dataset(whole).read(row).tobytes() for row in open_dataset(whole).rows}
    other = open_dataset(tmp_path / "people")
    assert not known & {other.read(row).tobytes() for row in other.rows}


def test_a_full_disk_is_said_and_nothing_lost(
    whole: Path, options: SynthesisOptions, tmp_path: Path
):
    out, plain, count = tmp_path / "people", Journal.add, [0]

    def add(self: Journal, found: Drawn | Made) -> None:
        count[0] += 1
        if count[0] == 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(self, found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "add", add)
        with pytest.raises(ReageError, match=r"^the disk of [^\n]* is full[^\n]*$"):
            synthesize(out, options, workers=1)
    synthesize(out, options, workers=1)
    assert tree(out) == tree(whole)


class TestChoosing:
    def drawn(self, *places: float | None) -> dict[int, Drawn]:
        from reage.datasets.made_people.records import as_text

        return {
            i: Drawn(i, None if x is None else as_text(np.array([x, 0.0])))
            for i, x in enumerate(places)
        }

    def test_who_is_like_an_earlier_one_is_left_out(self):
        drawn = self.drawn(0.0, None, 0.25, 1.0, 0.75, 2.0)
        taken = reage.datasets.made_people.run._choose_people
        assert [p.draw for p in taken(drawn, 6, 0.5, 9)] == [0, 3, 5]
        assert [p.draw for p in taken(drawn, 6, 0.1, 9)] == [0, 2, 3, 4, 5]
        assert [p.draw for p in taken(drawn, 6, 0.1, 2)] == [0, 2]
        assert [p.number for p in taken(drawn, 6, 0.5, 9)] == [1, 2, 3]

    def test_a_model_that_has_no_more(self, options: SynthesisOptions, tmp_path: Path):
        with pytest.raises(ReageError, match=r"^only 1 of \d+ drawn faces [^\n]*$"):
            synthesize(tmp_path / "out", replace(options, people=2, apart=9.0), workers=1)


class TestCommand:
    @pytest.fixture
    def run(self, reage_command: Command) -> Command:
        return partial(reage_command, "synthesize")

    def test_the_whole_way(self, run, small_folder: Path, tmp_path: Path):
        status, out, err = run(
            "--people", 2, "--ages", "20:40:20", "--conditions", 2, "--model", small_folder,
            "--recogniser", "features", "--apart", 0, "--unseen", "--workers", 1,
            "-o", tmp_path / "out",
        )  # fmt: skip
        (line,) = err.splitlines()
        assert status == 0
        assert "no people.safetensors: people are drawn from the generator's z" in line
        assert lacks_people("faces128") is None
        assert "8 pictures of 2 people" in out
        assert "pairs-gap20.txt" in out
        status, _, err = run("--people", 2, "--model", small_folder, "-o", tmp_path / "out")
        assert (status, len(err.splitlines())) == (1, 1)
        assert "is not empty" in err

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--people", 1),
            ("--people", "many"),
            ("--ages", "ten"),
            ("--ages", "100:200:10"),
            ("--ages", "30", "--conditions", 1),
            ("--conditions", 0),
            ("--amount", -1),
            ("--pairs", 0),
            ("--ray", "nonsense"),
            ("--recogniser", "me"),
        ],
    )
    def test_bad_arguments(self, run, arguments: tuple[object, ...], tmp_path: Path):
        status, _, err = run(*arguments, "-o", tmp_path / "out")
        assert (status, len(err.splitlines())) == (2, 1), err
        assert not (tmp_path / "out").exists()

    def test_nothing_to_write_to(self, run, tmp_path: Path):
        assert run("--people", 2)[0] == 2


def test_options_refuse_ages_given_twice():
    with pytest.raises(UsageError, match="twice"):
        SynthesisOptions(ages=(10.0, 10.0))
