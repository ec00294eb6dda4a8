"""A whole evaluation of the small model: its report, its files, its command."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from reage.agers.direction_ager import DirectionAger
from reage.cli import main
from reage.editor import QUALITIES, Editor, load
from reage.errors import ImageError, UsageError
from reage.evaluation.ageing import age_photo
from reage.evaluation.config import EvaluationConfig
from reage.evaluation.inversion import measure_inversion
from reage.evaluation.judges import Judges, load_judges
from reage.evaluation.recogniser import chip_quad
from reage.evaluation.report import check_output, write_report
from reage.evaluation.run import Evaluation, evaluate, peak_memory
from reage.evaluation.samples import draw_samples
from reage.faces.detection import FaceDetector
from reage.faces.squares import crop_face, face_quad
from reage.images import read_mark

FILES = {"report.md", "report.json", "samples-psi1.jpg", "inversion.jpg", "ageing.jpg", "pairs.jpg"}
CONFIG = EvaluationConfig(
    *(2, 4, 2),
    quality="fast",
    targets=(20.0, 40.0, 60.0, 80.0),
    psis=(1.0,),
    rows=2,
    heads=5,
    head_targets=(20.0, 80.0),
    real_heads=4,
)


@dataclass(frozen=True)
class Pixels:
    """A recogniser that compares small pictures of the chip."""

    name: str = "pixels"
    threshold: float = 1.0

    def describe(self, rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
        return crop_face(rgb, chip_quad(points), 8).image.ravel() / 255


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of one face, lighter and darker, and of two pictures without any."""
    data = pytest.importorskip("skimage.data")
    photo = np.ascontiguousarray(data.astronaut()[:256, 96:352])
    square = crop_face(photo, face_quad(FaceDetector().detect(photo)[0], 0.7, 0.22), 128).image
    folder = tmp_path_factory.mktemp("data")
    pictures = [(square * light).astype(np.uint8) for light in (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)]
    pictures += [np.full_like(square, grey) for grey in (90, 160)]
    with tarfile.open(folder / "x.tar", "w") as archive:
        for i, picture in enumerate(pictures):
            stream = io.BytesIO()
            Image.fromarray(picture).save(stream, "PNG")
            member = tarfile.TarInfo(f"val/{i}.png")
            member.size = stream.tell()
            stream.seek(0)
            archive.addfile(member, stream)
    with (folder / "x.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "split", "age_bin", "gender", "race"])
        for i in range(len(pictures)):
            # The faceless ones are of one age range, so that `balanced` takes one of either.
            label = "0-2" if i >= 6 else "40-49"
            rows.writerow([f"val/{i}.png", "val", label, "female", "White"])
    save_heads(folder / "heads", photo)
    people = folder / "people"
    people.mkdir()
    Image.fromarray(photo).save(people / "older.png")
    Image.fromarray(photo[:, ::-1]).save(people / "newer.png")
    (people / "pairs.csv").write_text("id,older,newer\nE,older.png,newer.png\n", "utf-8")
    return folder


def save_heads(folder: Path, photo: np.ndarray) -> None:
    """Save a table of one head, lighter and darker: 5 of age 45 (one faceless), 9 of age 15."""
    folder.mkdir()
    lines = ["file,source,sex,age,ita,yaw,sharp_to"]
    for i in range(14):
        picture = (photo * (1 - i / 40)).astype(np.uint8) if i != 1 else np.zeros_like(photo)
        Image.fromarray(picture).save(folder / f"{i:02}.png")
        lines.append(f"{i:02}.png,made,f,{45 if i < 5 else 15},50,0,512")
    (folder / "heads.csv").write_text("\n".join(lines) + "\n")
    (folder / "known.txt").write_text("13  # of the training\n")


@pytest.fixture(scope="module")
def small_editor(small_folder: Path) -> Editor:
    return load(small_folder, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def judges(small_editor: Editor) -> Judges:
    known = load_judges(small_editor)
    return replace(known, second=None, recogniser=Pixels(), missing=("no second age network: x",))


@pytest.fixture(scope="module")
def found(small_editor: Editor, judges: Judges, crops: Path) -> Evaluation:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(QUALITIES, "fast", replace(QUALITIES["fast"], step=2))  # type: ignore[arg-type]
        table, known = crops / "heads" / "heads.csv", crops / "heads" / "known.txt"
        return evaluate(
            *(small_editor, judges, CONFIG),
            data=crops,
            portraits=crops,
            heads=table,
            exclude=known,
        )


def test_every_section_has_figures(found: Evaluation):
    figures = found.figures
    assert set(figures["samples"]["spaces"]) == {"EfficientNet-Lite0", "pixels"}
    assert figures["samples"]["spaces"]["pixels"]["fid"].keys() == {"real", "psi 1"}
    assert figures["inversion"]["ways"]["2 steps"]["faces"] == 2
    assert (figures["ageing"]["faces"], figures["ageing"]["missed"]) == (1, 1)
    aged = figures["ageing"]["by"]["all"]["aged"]["all"]
    assert aged["pictures"] == 4
    assert aged["identity_distance"] > 0
    assert aged["mae_second"] is None
    # Interpolation of so small a crop (32 px) reaches a little farther than the mask.
    assert figures["ageing"]["psnr_outside"] > 60
    assert figures["pairs"]["pairs"] == 1
    assert figures["pairs"]["gap"]["mean"] == CONFIG.gap
    heads = figures["heads"]
    assert (heads["heads"], heads["missed"]) == (4, 1)
    skin = heads["skin"]["20"]
    assert skin["heads"] == {"aged": 4, "nothing done": 4, "other real heads, the floor": 4}
    assert skin["kid"].keys() == skin["energy"].keys() == skin["heads"].keys()
    assert skin["real"] == 4
    assert heads["skin"]["80"]["kid"] == {}  # no real heads of that age
    assert heads["by"]["all"]["identity_distance"]["mean"] > 0
    assert set(heads["by"]) == {"all", "female", "35 to 60, lighter skin"}
    assert "13" not in {record["head"] for record in heads["records"]}
    assert all(seconds > 0 for seconds in figures["seconds"].values())
    assert figures["peak_memory_mb"] is None or figures["peak_memory_mb"] > 50


def test_the_report_s_files(found: Evaluation, tmp_path: Path):
    folder = tmp_path / "report"
    files = write_report(found, folder)
    assert {file.name for file in files} == {file.name for file in folder.iterdir()} == FILES
    assert read_mark(folder / "ageing.jpg") is not None
    again = json.loads((folder / "report.json").read_text())
    assert again["config"]["targets"] == [20, 40, 60, 80]
    words = (folder / "report.md").read_text()
    headings = [line for line in words.splitlines() if line.startswith("## ")]
    assert len(headings) == 7
    assert "**Missing**: no second age network" in words
    assert "the model has no encoder" in words
    assert (
        "Too few for figures at 80: 0 real heads, 0 other real heads, the floor; 4 are needed."
        in words
    )
    assert "![ageing.jpg](ageing.jpg)" in words
    assert "\n\n\n" not in words
    assert "None" not in words
    for line in words.splitlines():  # every table is whole
        if line.startswith("|"):
            assert line.endswith("|")
    with pytest.raises(ImageError, match="exists already"):
        check_output(folder, overwrite=False)
    check_output(folder, overwrite=True)


def test_a_full_disk_leaves_no_half_report(
    found: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write = Path.write_bytes

    def fill(self: Path, data: bytes) -> int:
        if data[:1] == b"{":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(ImageError, match="No space left"):
        write_report(found, tmp_path / "report")
    assert not any(tmp_path.iterdir())


def test_what_is_missing_is_said(small_editor: Editor, judges: Judges, tmp_path: Path):
    editor = replace(small_editor, ager=None)
    alone = replace(judges, recogniser=None)
    figures = evaluate(editor, alone, replace(CONFIG, samples=2)).figures
    assert "--data" in figures["samples"]["note"]
    assert "no age direction" in figures["ageing"]["note"]
    assert "no age direction" in figures["pairs"]["note"]
    assert "no age direction" in figures["heads"]["note"]
    assert "--data" in figures["inversion"]["note"]
    write_report(evaluate(small_editor, alone, replace(CONFIG, samples=2)), tmp_path / "r")
    words = (tmp_path / "r" / "report.md").read_text()
    assert "--portraits" in words
    assert "--heads" in words


def test_wrong_inputs(small_editor: Editor, judges: Judges, crops: Path, tmp_path: Path):
    with pytest.raises(ImageError, match="no pictures of the split 'test'"):
        evaluate(small_editor, judges, replace(CONFIG, split="test"), data=crops)
    with pytest.raises(ImageError, match=r"no pairs\.csv"):
        evaluate(small_editor, judges, CONFIG, portraits=tmp_path)
    with pytest.raises(UsageError, match="delta or replace"):
        evaluate(small_editor, judges, replace(CONFIG, paste="none"))


def test_samples_are_the_same_for_the_same_seed(small_editor: Editor):
    def drawn(psi: float, seed: int) -> np.ndarray:
        return draw_samples(small_editor, 3, psi, seed, lambda *_: None)

    assert np.array_equal(drawn(1.0, 0), drawn(1.0, 0))
    assert not np.array_equal(drawn(1.0, 0), drawn(1.0, 1))
    assert drawn(0.1, 0).std(0).mean() < drawn(1.0, 0).std(0).mean()


def test_an_encoder_is_measured_alone(small_editor: Editor, judges: Judges, crops: Path):
    from reage.datasets.face_dataset import open_dataset

    generator = small_editor.model.generator
    average = generator.mapping.w_avg.expand(1, generator.num_ws, -1)

    space = SimpleNamespace(
        encoder=object(),  # there is one
        encode=lambda crops: average.repeat(len(crops), 1, 1),
        project=lambda crop, config: SimpleNamespace(ws=average),
        synthesize=small_editor.latents.synthesize,
        perceptual=small_editor.latents.perceptual,
    )
    fake = SimpleNamespace(
        model=small_editor.model,
        device=small_editor.device,
        dtype=small_editor.dtype,
        latents=space,
    )
    dataset = open_dataset(crops)
    found = measure_inversion(
        fake,  # type: ignore[arg-type]
        *(judges, dataset, dataset.rows[:1], CONFIG, lambda *_: None),
    )
    by = {crop.way: crop for crop in found.crops}
    assert by.keys() == {"encoder alone", "2 steps"}
    assert by["encoder alone"].psnr == by["2 steps"].psnr
    image = small_editor.latents.synthesize(average).clamp(-1, 1)
    wanted = crop_face(dataset.read(dataset.rows[0]), SQUARE, 32).image / 127.5 - 1
    mse = np.square(image[0].permute(1, 2, 0).numpy() - wanted).mean()
    assert by["encoder alone"].psnr == pytest.approx(10 * np.log10(4 / mse), abs=0.01)


SQUARE = np.array([[-0.5, -0.5], [-0.5, 127.5], [127.5, 127.5], [127.5, -0.5]])


def test_a_replaced_face_without_an_edit_is_the_reconstruction(
    small_editor: Editor, judges: Judges, astronaut: np.ndarray
):
    from reage.datasets.face_dataset import FaceRow
    from reage.images import photo_from_array

    ager = small_editor.required_ager()
    assert isinstance(ager, DirectionAger)
    still = replace(ager.direction, vector=ager.direction.vector * 0, reach=1.0)
    editor = replace(small_editor, ager=replace(ager, direction=still))
    row = FaceRow("a", "val", None, "", "", {})
    config = replace(CONFIG, paste="replace", targets=(60.0,))
    subject, pictures = age_photo(editor, judges, row, photo_from_array(astronaut), config)
    assert np.array_equal(pictures[1], pictures[2])
    assert subject.aged[60.0].age == subject.reconstruction.age
    config = replace(config, paste="delta")
    subject, pictures = age_photo(editor, judges, row, photo_from_array(astronaut), config)
    assert np.array_equal(pictures[0], pictures[2])
    assert subject.apart(subject.aged[60.0]) == 0


def test_memory_is_in_megabytes():
    used = peak_memory()
    assert used is None or 50 < used < 50_000


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_command(
    small_folder: Path,
    crops: Path,
    judges: Judges,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("reage.evaluation.judges.load_judges", lambda *_: judges)
    monkeypatch.setitem(QUALITIES, "fast", replace(QUALITIES["fast"], step=2))  # type: ignore[arg-type]
    output = tmp_path / "out"
    few = ("--faces", 1, "--samples", 2, "--steps", 1, "--quality", "fast", "--ages", "20:60:40")
    arguments = (small_folder, "--data", crops, *few, "--device", "cpu", "-o", output)
    status, out, err = run(capsys, *arguments)
    assert (status, out.strip()) == (0, str(output / "report.md"))
    assert "no second age network" in err
    status, _, err = run(capsys, *arguments)
    assert status == 1
    assert len(err.strip().splitlines()) == 1
    assert "--overwrite" in err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "--data"),
        (("--data", "/nowhere", "--quality", "odd"), 2, "--quality"),
        (("--data", "/nowhere"), 1, "index tables"),
        (("--data", "/nowhere", "--second-age", "/nowhere/x.bin"), 1, "npm pack"),
        (("--portraits", "/nowhere"), 1, "pairs.csv"),
        (("--heads", "/nowhere.csv"), 2, "nowhere.csv cannot be read"),
        (("--data", "/nowhere", "--exclude", __file__), 2, "--heads"),
        (("no-such-model", "--data", "x"), 1, "no-such-model"),
    ],
)
def test_mistakes_are_one_line(
    arguments: tuple[str, ...],
    status: int,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    found, _, err = run(capsys, *arguments, "-o", tmp_path / "out")
    assert found == status
    assert len(err.strip().splitlines()) == 1
    assert said in err
    assert not (tmp_path / "out").exists()
