"""`reage batch`: trees, ZIPs and lists in; resumed, in parallel, and always the same bytes."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
import zipfile
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import reage.jobs.batch.run
from made import Command
from reage.errors import ImageError, ReageError, UsageError
from reage.images import photo_from_array, read_mark, write_photo
from reage.jobs.batch.inputs import find_items, with_outputs
from reage.jobs.batch.journal import BatchJournal
from reage.jobs.batch.run import run_batch
from reage.jobs.batch.task import BatchTask, Done, Item
from reage.jobs.batch.work import Worker

Files = dict[str, bytes]


def make_photos(astronaut: np.ndarray, folder: Path) -> Path:
    """Three photos in a tree, with a broken file, one that is no picture, and a hidden one."""
    (folder / "sub" / "deep").mkdir(parents=True)
    Image.fromarray(astronaut).save(folder / "ada.jpg", quality=90)
    Image.fromarray(astronaut[:, ::-1]).save(folder / "sub" / "bea.png")
    Image.fromarray(astronaut[8:]).save(folder / "sub" / "deep" / "cea.jpg")
    (folder / "sub" / "bad.jpg").write_text("hello")
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden.jpg").write_text("hello")
    return folder


@pytest.fixture
def photos(astronaut: np.ndarray, tmp_path: Path) -> Path:
    return make_photos(astronaut, tmp_path / "in")


@pytest.fixture(scope="module")
def task(small_folder: Path) -> BatchTask:
    return BatchTask((30.0, 60.0), quality="fast", model=str(small_folder), precision="float32")


def tree(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "journal.sqlite"
    }


def records(folder: Path) -> dict[str, dict[str, Any]]:
    with BatchJournal(folder / ".reage-batch", described(folder)) as journal:
        return {key: asdict(done) for key, done in journal.done.items()}


def described(folder: Path) -> dict[str, Any]:
    return json.loads((folder / ".reage-batch" / "options.json").read_text())


def counted(monkeypatch: pytest.MonkeyPatch, stop: int | None = None) -> list[str]:
    """Photos that are really worked on; the machine stops before number `stop`."""
    seen: list[str] = []
    plain = Worker.do

    def do(self: Worker, item: Item) -> Done:
        if stop is not None and len(seen) == stop:
            raise KeyboardInterrupt
        seen.append(item.key)
        return plain(self, item)

    monkeypatch.setattr(Worker, "do", do)
    return seen


@pytest.fixture(scope="module")
def kept(
    astronaut: np.ndarray, task: BatchTask, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Photos that no test changes, and what an undisturbed run makes of them."""
    folder = tmp_path_factory.mktemp("batch")
    photos = make_photos(astronaut, folder / "in")
    run_batch(str(photos), folder / "whole", task)
    return photos, folder / "whole"


def test_the_tree_is_mirrored_and_told(kept: tuple[Path, Path]):
    whole = tree(kept[1])
    pictures = {f"{stem}-age{age}.{kind}" for stem, kind in
                (("ada", "jpg"), ("sub/bea", "png"), ("sub/deep/cea", "jpg"))
                for age in (30, 60)}  # fmt: skip
    tables = {"manifest.csv", "errors.csv", ".reage-batch/options.json"}
    assert set(whole) - {"manifest.parquet"} == pictures | tables
    rows = list(csv.DictReader(whole["manifest.csv"].decode().splitlines()))
    assert [row["output"] for row in rows if row["output"]] == sorted(pictures)
    failed = [row for row in rows if row["status"] == "failed"]
    assert [row["input"] for row in failed] == ["sub/bad.jpg"]
    assert "sub/bad.jpg is a text file" in failed[0]["error"]
    assert (rows[0]["width"], rows[0]["asked"], rows[0]["face"]) == ("256", "30.0", "1")
    assert whole["errors.csv"].decode().splitlines()[1].startswith("sub/bad.jpg,")
    assert "Re-aged by reage" in str(read_mark(kept[1] / "ada-age30.jpg"))


def test_the_parquet_file_says_the_same(kept: tuple[Path, Path]):
    whole = tree(kept[1])
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(kept[1] / "manifest.parquet").to_pylist()
    rows = list(csv.DictReader(whole["manifest.csv"].decode().splitlines()))
    assert len(table) == len(rows) == 7
    for one, other in zip(table, rows, strict=True):
        assert (one["output"] or "", one["after"]) == (
            other["output"], float(other["after"]) if other["after"] else None,
        )  # fmt: skip


@pytest.mark.parametrize("stop", [0, 2])
def test_a_stopped_run_goes_on(kept: tuple[Path, Path], task: BatchTask, tmp_path: Path, stop: int):
    photos, whole, out = kept[0], tree(kept[1]), tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        counted(patch, stop)
        with pytest.raises(KeyboardInterrupt):
            run_batch(str(photos), out, task)
    assert len(records(out)) == stop
    # What a kill leaves: half a file, and outputs that no record tells of.
    (out / f".{'0' * 32}.part").write_bytes(b"half")
    (out / "sub").mkdir(exist_ok=True)
    (out / "sub" / "bea-age30.png").write_bytes(b"another's half")
    with pytest.MonkeyPatch.context() as patch:
        seen = counted(patch)
        report = run_batch(str(photos), out, task)
    assert len(seen) >= 4 - stop
    assert report.photos == 4
    assert tree(out) == whole
    with pytest.MonkeyPatch.context() as patch:
        seen = counted(patch)
        assert run_batch(str(photos), out, task).earlier == 3  # the fourth one fails
    assert seen == []
    assert tree(out) == whole
    assert records(out) == records(kept[1])


def test_two_workers_write_the_same(kept: tuple[Path, Path], task: BatchTask, tmp_path: Path):
    run_batch(str(kept[0]), tmp_path / "two", task, workers=2)
    assert tree(tmp_path / "two") == tree(kept[1])


def test_what_changed_is_done_again(photos: Path, task: BatchTask, tmp_path: Path):
    small = replace(task, targets=(30.0,))
    for path in ("sub/bad.jpg", "sub/deep/cea.jpg"):
        (photos / path).unlink()
    out = tmp_path / "out"
    run_batch(str(photos), out, small)
    (out / "ada-age30.jpg").unlink()
    (photos / "sub" / "bea.png").write_text("broken now")
    with pytest.MonkeyPatch.context() as patch:
        seen = counted(patch)
        report = run_batch(str(photos), out, small)
    assert seen == ["ada.jpg", "sub/bea.png"]
    assert [key for key, _ in report.failed] == ["sub/bea.png"]
    assert {"ada-age30.jpg"} == {name for name in tree(out) if "-age" in name}
    with pytest.MonkeyPatch.context() as patch:
        seen = counted(patch)
        run_batch(str(photos), out, small, retry=True)
    assert seen == ["sub/bea.png"]
    with pytest.raises(ReageError, match=r"started with other options \(seed\)"):
        run_batch(str(photos), out, replace(small, seed=1))


def test_more_ages_fit_beside_earlier_ones(photos: Path, task: BatchTask, tmp_path: Path):
    for path in ("sub/bea.png", "sub/deep/cea.jpg"):
        (photos / path).unlink()
    out, young = tmp_path / "out", replace(task, targets=(30.0,))
    run_batch(str(photos), out, young)
    first = (out / "ada-age30.jpg").read_bytes()
    report = run_batch(str(photos), out, replace(task, targets=(60.0,)))
    assert [key for key, _ in report.failed] == ["sub/bad.jpg"]
    rows = list(csv.DictReader((out / "manifest.csv").read_text().splitlines()))
    assert [row["output"] for row in rows] == ["ada-age30.jpg", "ada-age60.jpg", ""]
    assert (out / "ada-age30.jpg").read_bytes() == first and (out / "ada-age60.jpg").exists()
    with pytest.MonkeyPatch.context() as patch:
        seen = counted(patch)
        run_batch(str(photos), out, young)
    assert seen == []


def test_pictures_without_a_row_are_said(photos: Path, task: BatchTask, tmp_path: Path):
    """Of a photo that changed between two runs at different ages, and of one that is gone."""
    for path in ("sub/bad.jpg", "sub/deep/cea.jpg"):
        (photos / path).unlink()
    out = tmp_path / "out"

    def told_at(age: float) -> list[str]:
        return [line for line in run_batch(str(photos), out, replace(task, targets=(age,))).notices
                if "left out" not in line]  # fmt: skip

    assert told_at(30) == []
    Image.open(photos / "ada.jpg").rotate(3).save(photos / "ada.jpg", quality=95)
    (photos / "sub" / "bea.png").unlink()
    told = told_at(60)
    assert [line.partition(":")[0] for line in told] == ["sub/bea-age30.png", "ada-age30.jpg"]
    assert "not in this run" in told[0] and "earlier version of its photo" in told[1]
    first = (out / "ada-age30.jpg").read_bytes()
    assert told_at(60) == told[1:]  # as long as it is so
    assert told_at(30) == [] and (out / "ada-age30.jpg").read_bytes() != first
    rows = list(csv.DictReader((out / "manifest.csv").read_text().splitlines()))
    assert [row["output"] for row in rows] == ["ada-age60.jpg", "ada-age30.jpg"]


def test_zip_in_and_out(photos: Path, task: BatchTask, tmp_path: Path):
    small = replace(task, targets=(30.0,))
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name in ("ada.jpg", "sub/bad.jpg"):
            archive.write(photos / name, name)
        archive.writestr("../evil.jpg", b"x")
        archive.writestr("__MACOSX/ada.jpg", b"x")
    made = []
    for name in ("a.zip", "b.zip"):
        report = run_batch(str(tmp_path / "in.zip"), tmp_path / name, small)
        assert report.photos == 2
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert set(archive.namelist()) - {"manifest.parquet"} == {
            "ada-age30.jpg", "manifest.csv", "errors.csv",
        }  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {"in", "in.zip", "a.zip", "b.zip"}
    with pytest.raises(ImageError, match="exists already"):
        run_batch(str(tmp_path / "in.zip"), tmp_path / "a.zip", small)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("zipped", [False, True])
def test_names_that_are_not_utf8(
    photos: Path, task: BatchTask, tmp_path: Path, zipped: bool, reage_command: Command
):
    """The journal could not be written: the batch ended in a traceback."""
    source = tmp_path / os.fsdecode(b"in\xff")
    source.mkdir()
    name = os.fsdecode(b"ad\xe4 \xf0.jpg")
    (photos / "ada.jpg").rename(source / name)
    (source / os.fsdecode(b"bad\xff.jpg")).write_text("hello")
    out = tmp_path / ("out.zip" if zipped else os.fsdecode(b"out\xff"))
    small = replace(task, targets=(30.0,))
    report = run_batch(str(source), out, small)
    assert (report.photos, len(report.failed)) == (2, 1)
    if zipped:
        with zipfile.ZipFile(out) as archive:
            assert "ad\\xe4 \\xf0-age30.jpg" in archive.namelist()
        return
    made = b"ad\xe4 \xf0-age30.jpg"
    assert made in os.listdir(os.fsencode(out))
    rows = (out / "manifest.csv").read_bytes().splitlines()
    assert rows[1].startswith(b"ad\xe4 \xf0.jpg,done,," + made)
    status, said, _ = reage_command(
        "batch", source, out, "--to", 30, "--quality", "fast", "--workers", 1, "--model",
        task.model, "--precision", "float32",
    )  # fmt: skip
    assert status == 1 and "1 of 2 photos done, 1 of them by earlier runs" in said
    assert "bad\\udcff.jpg" in said


def test_what_an_older_version_began_is_done_once_more(
    kept: tuple[Path, Path], task: BatchTask, tmp_path: Path
):
    """Its options still decide, and what it has written stays until it is replaced."""
    photos, out = kept[0], tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        counted(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            run_batch(str(photos), out, task)
    (out / ".reage-batch" / "journal.sqlite").unlink()
    (out / ".reage-batch" / "journal.jsonl").write_bytes(b'{"key": "ada.jpg"}\n')
    before, said = tree(out), list[str]()
    with pytest.raises(ReageError, match="started with other options"):
        run_batch(str(photos), out, replace(task, seed=1), on_notice=said.append)
    assert tree(out) == before
    report = run_batch(str(photos), out, task, on_notice=said.append)
    assert report.earlier == 0
    assert said == [f"{out} was started by an older reage: its work is done once more"]
    assert tree(out) == tree(kept[1])


class TestInputs:
    def keys(self, *given: object) -> list[str]:
        return [item.key for item in find_items(*given).items]  # type: ignore[arg-type]

    def test_trees_globs_and_lists(self, photos: Path, tmp_path: Path):
        every = ["ada.jpg", "sub/bad.jpg", "sub/bea.png", "sub/deep/cea.jpg"]
        assert self.keys(str(photos)) == every
        assert self.keys(f"{photos}/**/*.jpg") == [every[0], every[1], every[3]]
        assert self.keys(f"{photos}/sub/*a.*") == ["bea.png"]
        assert self.keys(str(photos / "ada.jpg")) == ["ada.jpg"]
        assert self.keys(str(photos), None, photos / "sub") == ["ada.jpg"]
        listed = tmp_path / "list"
        listed.write_text(f"# chosen\n\nsub/bea.png\nsub/bea.png\n{photos}/ada.jpg\nabsent.jpg\n")
        assert self.keys(str(photos), listed) == ["absent.jpg", "ada.jpg", "sub/bea.png"]
        for line in ("../x.jpg", "/x.jpg"):
            listed.write_text(line)
            with pytest.raises(UsageError, match=r"^[^\n]*is not within[^\n]*$"):
                find_items(str(photos), listed)

    def test_what_is_no_input(self, photos: Path, tmp_path: Path):
        (tmp_path / "empty").mkdir()
        for given in ("absent", "empty", "absent*.jpg"):
            with pytest.raises(ImageError, match=r"^[^\n]*$"):
                find_items(str(tmp_path / given))

    def test_names_that_meet_are_told_apart(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("reage.jobs.batch.inputs.can_write_heif", lambda: False)
        items = [Item(key, key, None, "") for key in ("a.heic", "a.jpg", "b.gif", "c/a.jpg")]
        assert [item.outputs for item in with_outputs(items, ["age30"])] == [
            ("a-heic-age30.jpg",), ("a-jpg-age30.jpg",), ("b-age30.png",), ("c/a-age30.jpg",),
        ]  # fmt: skip


class TestCommand:
    @pytest.fixture
    def run(self, reage_command: Command) -> Command:
        return partial(reage_command, "batch")

    def test_the_table_of_errors(self, run, photos: Path, small_folder: Path, tmp_path: Path):
        status, out, err = run(photos, tmp_path / "out", "--to", "30", "--quality", "fast",
                               "--model", small_folder, "--workers", "1")  # fmt: skip
        assert status == 1
        assert "3 of 4 photos done" in out
        assert "sub/bad.jpg  sub/bad.jpg is a text file" in out
        assert err.splitlines()[-1] == "reage: 1 of 4 photos failed, see errors.csv"

    def test_refusals(self, run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        def never(*_: object) -> None:
            raise AssertionError("the work had begun")

        monkeypatch.setattr(reage.jobs.batch.run, "do_all", never)
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "a.txt").write_text("mine")
        for arguments, wanted in (
            ((photos, tmp_path / "out"), 2),
            ((photos, tmp_path / "out", "--to", "1=30"), 2),
            ((photos, tmp_path / "out", "--to", "30", "30"), 2),
            ((photos, photos, "--to", "30"), 2),
            ((photos, tmp_path / "mine", "--to", "30"), 1),
            ((photos, photos / "ada.jpg", "--to", "30"), 2),
            ((tmp_path / "absent", tmp_path / "out", "--to", "30"), 1),
            ((photos, tmp_path / "out", "--to", "30", "--list", tmp_path / "absent"), 1),
        ):
            status, _, err = run(*arguments)
            assert (status, len(err.splitlines())) == (wanted, 1), arguments
        assert {path.name for path in tmp_path.iterdir()} == {"in", "mine"}


@pytest.mark.slow  # a local cluster takes 15 s to begin
def test_a_ray_cluster_writes_the_same(kept: tuple[Path, Path], task: BatchTask, tmp_path: Path):
    pytest.importorskip("ray.data", reason="Ray is not installed")
    photos, whole, out = kept[0], tree(kept[1]), tmp_path / "ray"
    # An earlier run without a cluster did one photo; the cluster does the others.
    with pytest.MonkeyPatch.context() as patch:
        counted(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            run_batch(str(photos), out, task)
    report = run_batch(str(photos), out, task, workers=2, ray="local")
    assert (report.earlier, [key for key, _ in report.failed]) == (1, ["sub/bad.jpg"])
    assert tree(out) == whole


class TestRayRefusals:
    def test_where_it_is_missing(
        self, photos: Path, task: BatchTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(UsageError, match=r'pip install "\.\[ray\]"'):
            run_batch(str(photos), tmp_path / "out", task, ray="local")
        assert not (tmp_path / "out").exists()

    def test_addresses(self, photos: Path, task: BatchTask, tmp_path: Path):
        pytest.importorskip("ray", reason="Ray is not installed")
        for address in ("nonsense", "host:", ":1", "host:port"):
            with pytest.raises(UsageError, match="local, auto or HOST:PORT"):
                run_batch(str(photos), tmp_path / "out", task, ray=address)
        with pytest.raises(ReageError, match=r"^no Ray cluster answers at '127.0.0.1:1'[^\n]*$"):
            run_batch(str(photos), tmp_path / "out", task, ray="127.0.0.1:1")


def test_a_list_that_names_a_folder_and_nothing(photos: Path, task: BatchTask, tmp_path: Path):
    """A folder in a list failed for the suffix of its output, which nobody had named."""
    (tmp_path / "list").write_text("sub\nnone\n")
    report = run_batch(str(photos), tmp_path / "out", task, listed=tmp_path / "list")
    (none, why), (folder, reason) = report.failed
    assert (none, why) == ("none", "none does not exist: check the name")
    assert folder == "sub" and reason.startswith("sub is a folder")


def test_a_renamed_picture_of_ours_is_left_out_unless_it_is_named(
    photos: Path, task: BatchTask, tmp_path: Path
):
    """Its name says nothing, so its mark is read with the photo."""
    made = photo_from_array(np.asarray(Image.open(photos / "ada.jpg")))
    write_photo(made, photos / "grandma.jpg", mark="Re-aged by reage, partly synthetic: face 1")
    small, out = replace(task, targets=(30.0,)), tmp_path / "out"
    (photos / "sub" / "bad.jpg").unlink()
    for earlier in (0, 3):
        report = run_batch(str(photos), out, small)
        assert (report.photos, report.earlier) == (3, earlier)
        assert "1 made by reage" in report.notices[0]
        assert not (out / "grandma-age30.jpg").exists()
    listed = csv.DictReader((out / "manifest.csv").read_text().splitlines())
    rows = {row["input"]: row["status"] for row in listed}
    assert rows["grandma.jpg"] == "left out" and rows["ada.jpg"] == "done"
    (tmp_path / "list.txt").write_text("grandma.jpg\n")
    run_batch(str(photos), out, small, listed=tmp_path / "list.txt")
    assert (out / "grandma-age30.jpg").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGTERM")
def test_an_ended_batch_says_nothing_of_its_workers(
    photos: Path, small_folder: Path, tmp_path: Path
):
    command = ("-m", "reage", "batch", photos, tmp_path / "out", "--to", 30, "--workers", 2,
               "--model", small_folder, "--precision", "float32", "--quality", "fast")  # fmt: skip
    with subprocess.Popen([sys.executable, *map(str, command)], stderr=subprocess.PIPE) as run:
        while not list(tmp_path.glob("out/.reage-batch/*")) and run.poll() is None:
            time.sleep(0.1)
        time.sleep(1)  # its workers begin
        run.terminate()
        said = run.communicate()[1].decode()
    assert run.returncode == 143 and "resource_tracker" not in said
