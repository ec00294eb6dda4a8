"""Codes of a small made dataset and of a small generator, and a run that goes on."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from made import random
from reage.datasets.reading import FaceDataset, balanced, open_dataset
from reage.errors import ImageError, LatentError
from reage.fitting import labelled_codes as codes
from reage.inversion.projection import Inversion, ProjectConfig
from reage.models.checkpoints import Model
from reage.models.pretrained import load_age_network, load_gender_network
from reage.networks.judges.perceptual import masked_mse

COUNT = 24
BINS = ("0-2", "20-29", "70+", "45")
RANGES = {"0-2": (0, 2), "20-29": (20, 29), "70+": (70, 100), "45": (45, 45)}


class Pixels:
    name = "pixels"

    def __call__(self, images: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return masked_mse(images, targets, mask)


class Found:
    """A detector that finds a face in every picture, the same one."""

    def detect(self, picture: np.ndarray) -> Sequence[object]:
        from reage.faces.face import Face

        points = np.array([[10, 10], [20, 10], [15, 15], [11, 20], [19, 20]], float)
        return [Face.from_points(points)]


def make_dataset(folder: Path, side: int = 32, count: int = COUNT) -> FaceDataset:
    folder.mkdir()
    pictures = (random(count, side, side, 3).clamp(-1, 1) * 127 + 128).byte().numpy()
    with tarfile.open(folder / "faces.tar", "w") as archive:
        for i, picture in enumerate(pictures):
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "PNG")
            entry = tarfile.TarInfo(f"{i:03}.png")
            entry.size = len(file.getvalue())
            archive.addfile(entry, io.BytesIO(file.getvalue()))
    with (folder / "faces.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "split", "age_bin", "gender", "race", "yaw"])
        for i in range(count):
            gender = "male" if i % 2 else "female"
            table.writerow([f"{i:03}.png", "train", BINS[i % 4], gender, "", "1.5"])
        table.writerow(["absent.png", "train", "20-29", "male", "", ""])
    return open_dataset(folder)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaceDataset:
    monkeypatch.setattr(codes, "FaceDetector", Found)
    return make_dataset(tmp_path / "data")


@pytest.fixture
def projected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many faces each call of `project` was given."""
    calls: list[int] = []
    plain = codes.project

    def counted(generator: object, images: Tensor, *args: object) -> Inversion:
        calls.append(len(images))
        return plain(generator, images, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(codes, "project", counted)
    return calls


def gather(model: Model, dataset: FaceDataset, rows: Sequence, store: Path | None):
    return codes.codes_of_dataset(
        model, dataset, rows, load_age_network(), load_gender_network(), Pixels(),
        store=store, config=ProjectConfig(step=2, plateau=0),
    )  # fmt: skip


def test_codes_ages_and_attributes_of_a_dataset(small_model: Model, dataset: FaceDataset):
    found = gather(small_model, dataset, dataset.rows, None)
    assert found.ws.shape == (COUNT, 8, 32)
    for row, age in zip(dataset.rows, found.ages, strict=True):
        assert row.age_range is not None
        assert row.age_range[0] <= age <= row.age_range[1]  # the label bounds what is read
    assert found.attributes["gender"].tolist() == [i % 2 for i in range(COUNT)]
    assert found.attributes["smile"].tolist() == pytest.approx([0.8] * COUNT)
    pictures = np.stack([dataset.read(row) for row in dataset.rows]).astype(float)
    brightness = pictures.mean((1, 2, 3))
    assert np.allclose(found.attributes["brightness"], brightness, atol=1e-2)
    assert "24 faces of data, projected in 2 steps" in found.source
    average = small_model.generator.mapping.w_avg
    assert ((found.ws - average).abs().amax((1, 2)) > 0.01).all()


def test_a_killed_run_goes_on(
    small_model: Model,
    dataset: FaceDataset,
    projected: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    store = tmp_path / "codes.safetensors"
    whole = gather(small_model, dataset, dataset.rows, None)
    assert projected == [8, 8, 8]
    projected.clear()
    counted = codes.project

    def killed(*args: object) -> Inversion:
        if len(projected) == 2:
            raise KeyboardInterrupt
        return counted(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(codes, "project", killed)
    with pytest.raises(KeyboardInterrupt):
        gather(small_model, dataset, dataset.rows, store)
    projected.clear()
    monkeypatch.setattr(codes, "project", counted)
    again = gather(small_model, dataset, dataset.rows, store)
    assert projected == [8]
    assert torch.equal(again.ws, whole.ws)
    gather(small_model, dataset, dataset.rows, store)
    assert projected == [8]  # nothing was left to do
    more = gather(small_model, dataset, list(reversed(dataset.rows)), store)
    assert torch.equal(more.ws, whole.ws.flip(0))  # a code belongs to its file, not to its place


def test_a_store_of_another_generator_is_refused(
    small_model: Model, dataset: FaceDataset, tmp_path: Path
):
    from dataclasses import replace

    store = tmp_path / "codes.safetensors"
    gather(small_model, dataset, dataset.rows, store)
    other = replace(small_model, generator_hash="b" * 64)
    with pytest.raises(LatentError, match=r"^[^\n]*holds codes of another generator[^\n]*$"):
        gather(other, dataset, dataset.rows, store)


def test_crops_of_another_size_are_refused(small_model: Model, tmp_path: Path):
    dataset = make_dataset(tmp_path / "data", side=48, count=2)
    with pytest.raises(LatentError, match="the dataset's crops are 48 px, the model takes 32"):
        gather(small_model, dataset, dataset.rows, None)


def test_codes_of_samples(small_model: Model, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(codes, "FaceDetector", Found)
    networks = (load_age_network(), load_gender_network())
    seen: list[tuple[int, int]] = []
    one = codes.codes_of_samples(
        small_model, 21, *networks, progress=lambda *done: seen.append(done)
    )
    assert seen == [(8, 21), (16, 21), (21, 21)]
    assert one.ws.shape == (21, 8, 32)
    again = codes.codes_of_samples(small_model, 21, *networks)
    assert torch.equal(one.ws, again.ws)
    assert torch.equal(one.ages, again.ages)
    other = codes.codes_of_samples(small_model, 21, *networks, seed=1)
    assert not torch.equal(one.ws, other.ws)
    # Truncated by psi, which the squares show.
    generator = small_model.generator
    far = (generator.map(random(100, 32)) - generator.mapping.w_avg).square().mean()
    near = (one.ws - generator.mapping.w_avg).square().mean()
    assert near == pytest.approx(float(far) * codes.SAMPLE_PSI**2, rel=0.3)


def test_pictures_without_a_face_are_left_out(small_model: Model, dataset: FaceDataset):
    class Sometimes(Found):
        def __init__(self) -> None:
            self.count = 0

        def detect(self, picture: np.ndarray) -> Sequence[object]:
            self.count += 1
            return super().detect(picture) if self.count % 8 else []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codes, "FaceDetector", Sometimes)
        found = gather(small_model, dataset, dataset.rows, None)
    assert len(found.ws) == COUNT - 3
    assert found.attributes["gender"].shape == (COUNT - 3,)


class TestDataset:
    def test_rows(self, dataset: FaceDataset):
        assert len(dataset.rows) == COUNT  # the row without a picture is left out
        row = dataset.rows[1]
        assert (row.file, row.split, row.gender, row.group) == ("001.png", "train", "male", "")
        assert row.numbers == {"yaw": 1.5}
        assert [r.age_range for r in dataset.rows[:4]] == [RANGES[b] for b in BINS]
        assert dataset.read(row).shape == (32, 32, 3)

    def test_balanced_is_even_and_repeats_itself(self, dataset: FaceDataset):
        rows = [r for r in dataset.rows if r.age_range != (0, 2)] + list(dataset.rows[:1])
        chosen = balanced(rows, 10, seed=0)
        counts = [sum(r.age_range == a for r in chosen) for a in RANGES.values()]
        assert sorted(counts) == [1, 3, 3, 3]
        assert len({r.file for r in chosen}) == 10
        assert chosen == balanced(rows, 10, seed=0)
        assert chosen != balanced(rows, 10, seed=1)
        assert len(balanced(rows, 1000, seed=0)) == len(rows)
        assert balanced([], 5, seed=0) == []

    def test_folders_that_are_none(self, tmp_path: Path):
        with pytest.raises(ImageError, match=r"has 0 index tables \(\.csv\) and 0 shards"):
            open_dataset(tmp_path)
        (tmp_path / "a.csv").write_text("file\nx.png\n")
        (tmp_path / "a.tar").write_bytes(b"hello" * 300)
        with pytest.raises(ImageError, match=r"^[^\n]*cannot be read as a tar file[^\n]*$"):
            open_dataset(tmp_path)
        tarfile.open(tmp_path / "a.tar", "w").close()
        with pytest.raises(ImageError, match="no row of"):
            open_dataset(tmp_path)
