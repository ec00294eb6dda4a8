"""`reage train photo-ager --heads`: what is painted beside skin detail, and older shapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from PIL import Image
from torch import Tensor

from reage.agers.finder import AGE_AGER
from reage.agers.photo import PhotoAger
from reage.agers.skin import SkinAger, read_embedded_bank
from reage.cli.main import cli
from reage.editor import load
from reage.errors import UsageError
from reage.images import Photo
from reage.models.checkpoints import Alignment
from reage.models.files import load_tensors
from reage.networks.agers.photo_ager import PhotoAger as PhotoNetwork
from reage.networks.agers.photo_ager import PhotoAgerConfig
from reage.training.agers.detailed_heads import DetailedHeads, heads_of
from reage.training.agers.growth import GROWTH
from reage.training.agers.older_shapes import FINER, add_older_shapes
from reage.training.agers.paint import PaintBounds, bands, shake
from reage.training.agers.photo_ager import PhotoAgerTrainer
from reage.training.loop.draws import Draws
from reage.training.loop.loss_weights import Losses, total_of
from reage.training.parts import Machine
from reage.training.settings import RunSettings
from reage.training.start import start

HEADER = "file,source,sex,age,ita,yaw,sharp_to,licence,grey"
ALIGNMENT = Alignment(0.7, 0.22)
Settings = Callable[..., RunSettings]


@pytest.fixture(scope="module")
def table(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two young heads, two old ones with a fold, and two that are left out."""
    folder = tmp_path_factory.mktemp("heads")
    face = astronaut[:256, 96:352].astype(float)
    lines = [HEADER]
    for i, (age, licence, grey) in enumerate(
        [(25, "CC0", 0)] * 2 + [(70, "CC0", 0)] * 2 + [(30, "CC BY-SA", 0), (30, "CC0", 1)]
    ):
        drawn = face * (1 - i / 60)
        if age == 70:
            drawn[135:139] *= 0.6
        Image.fromarray(drawn.astype(np.uint8)).save(folder / f"{i}.png")
        lines.append(f"{i}.png,made,{'fm'[i % 2]},{age},50,0,512,{licence},{grey}")
    (folder / "heads.csv").write_text("\n".join(lines) + "\n")
    return folder / "heads.csv"


@pytest.fixture(scope="module")
def heads(table: Path) -> DetailedHeads:
    return heads_of(table, PhotoNetwork(PhotoAgerConfig(32, patch=2)), ALIGNMENT, None)


def test_heads_are_seen_as_edits_see_them(heads: DetailedHeads, table: Path):
    """What detail adds and takes off at an age is what the ager of edits has."""
    assert heads.years.tolist() == [25, 25, 70, 70]
    assert heads.images.shape == (4, 3, 32, 32) and heads.meshes.shape == (4, 468, 3)
    editor = load(device="cpu")
    photo = Photo(np.asarray(Image.open(table.parent / "2.png")))
    network = PhotoNetwork(PhotoAgerConfig(32, patch=2)).eval()
    ager = SkinAger(PhotoAger(network, None, ALIGNMENT), read_embedded_bank())
    editor = replace(editor, ager=ager)
    (face,) = editor.prepare(photo, editor.choose_faces(photo))
    assert float(heads.ages[2]) == pytest.approx(face.own_age, abs=1e-4)
    for age in (20.0, 75.0):
        skin = ager.change(face, torch.tensor([age])).skin
        assert skin is not None
        laid = heads.take(torch.tensor([2])).lay(torch.tensor([age]))
        off, on = skin.losses_in(face.view.crop), skin.gains_in(face.view.crop)
        for found, wanted in ((laid.removed, off), (laid.laid, on)):
            wanted = torch.zeros_like(found) if wanted is None else torch.as_tensor(wanted)
            assert torch.allclose(found, wanted.float(), atol=2e-3)


def test_nothing_is_laid_at_the_own_age(heads: DetailedHeads):
    laid = heads.lay(heads.ages)
    assert not laid.removed.any() and not laid.laid.any()
    assert torch.allclose(laid.asked, heads.ages)
    older = heads.lay(heads.ages + 40)
    assert older.laid.abs().max() > 0.01 and not older.removed.any()


def test_bounds_are_what_old_heads_have_more_of(heads: DetailedHeads):
    """The fold of the old heads may be painted; nothing where young ones have as much."""
    bounds = PaintBounds.of(heads)
    assert bounds.years == 45
    most = sum(bounds.most)[0, 0].amax(1)
    fold = int(most.argmax())
    paint = torch.zeros(1, 1, 32, 32)
    paint[:, :, fold] = -0.05
    elsewhere = paint.roll(fold // 2 - fold, 2)
    own, wanted = torch.tensor([25.0]), torch.tensor([70.0])
    inside, outside = (bounds.excess(bands(one), own, wanted) for one in (paint, elsewhere))
    assert inside < 0.5 * outside
    closer = bounds.excess(bands(paint), own, own + 10)
    assert closer >= inside
    only_young = heads.take(torch.tensor([0, 1]))
    with pytest.raises(UsageError, match="0 heads older than 58 years and 2 younger"):
        PaintBounds.of(only_young)


def test_faces_are_shaken_alike(heads: DetailedHeads):
    photos = heads.photos
    once, twice = shake([photos, photos], Draws(0, 3, range(4)))
    assert torch.equal(once, twice) and not torch.allclose(once, photos, atol=0.01)
    again, _ = shake([photos, photos], Draws(0, 3, range(4)))
    assert torch.equal(once, again)


def test_shapes_of_older_faces_are_those_of_the_heads(heads: DetailedHeads):
    """Between 22 and 66 years the planted lips get thinner, whatever growth said of them."""
    rng = np.random.default_rng(0)
    base = heads.meshes[0].numpy()
    count = 90
    years = torch.from_numpy(rng.choice([22.0, 45.0, 66.0], count)).float()
    meshes = np.repeat(base[None], count, 0) + rng.normal(0, 5e-4, (count, 468, 3))
    lip = 0  # the middle of the upper lip
    meshes[:, lip, 1] += 0.02 * (years.numpy() - 22) / 44
    rows = torch.zeros(count, dtype=torch.long)
    many = replace(
        heads.take(rows),
        years=years,
        meshes=torch.from_numpy(meshes).float(),
        male=torch.from_numpy(rng.random(count) < 0.5),
        ita=torch.from_numpy(rng.normal(40, 10, count)).float(),
    )
    said = torch.zeros(len(GROWTH.ages), 2, GROWTH.side, GROWTH.side)
    said[-1, 1] = 0.01
    shapes = add_older_shapes(said, many)
    assert shapes.shape == (len(FINER.ages), 2, FINER.side, FINER.side)
    young, old = FINER.ages.index(25.0), FINER.ages.index(65.0)
    assert torch.allclose(shapes[0], torch.zeros_like(shapes[0]), atol=1e-6)
    x, y = ((base[lip, :2] + FINER.margin) / (1 + 2 * FINER.margin) * FINER.side).astype(int)
    moved = float((shapes[old] - shapes[young])[1, y, x])
    assert moved == pytest.approx(0.02 * 40 / 44, rel=0.35)
    added = shapes - F.interpolate(said, (FINER.side,) * 2, mode="bicubic", align_corners=False)
    mirrored = added.flip(-1) * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    assert torch.allclose(added, mirrored, atol=1e-6)  # left as right
    few = add_older_shapes(said, many.take(torch.arange(5)))
    assert not few[:-1].any() and few[-1].any()  # the growth of small faces, on the finer grid


def beside(
    chain: dict[str, Path], settings: Settings, table: Path, machine: Machine, **changes
) -> PhotoAgerTrainer:
    chosen = settings("photo-ager", model=chain["ager"], heads_batch=2, **changes)
    trainer = start(replace(chosen, heads=str(table)), machine)
    assert isinstance(trainer, PhotoAgerTrainer)
    return trainer


def state(trainer: PhotoAgerTrainer) -> dict[str, Tensor]:
    found = {k: v for k, v in trainer.state_dict().items() if k != "optimizers"}
    return {f"{name}.{k}": v.clone() for name, part in found.items() for k, v in part.items()}


def test_a_step_changes_what_it_changed_without_heads(
    chain: dict[str, Path], settings: Settings, table: Path, machine: Machine
):
    """The critics learn the same; the ager learns of the heads, too."""
    plain = start(settings("photo-ager", model=chain["ager"]), machine)
    both = beside(chain, settings, table, machine)
    assert isinstance(plain, PhotoAgerTrainer) and both.growth is not None
    assert both.growth.config == FINER
    before = state(both)
    alone, figures = plain.step(0), both.step(0)
    more = {"age", "excess", "sparse", "grid", "identity", "gender", "light", "size", "peak"}
    assert set(figures) - set(alone) == {f"heads_{name}" for name in more}
    first, second = state(plain), state(both)
    changed = {k.split(".")[0] for k in before if not torch.equal(before[k], second[k])}
    assert changed - {"growth"} == {"ager", "average", "discriminator", "judge", "texture"}
    differ = {k.split(".")[0] for k in first if k != "growth.shapes"
              and not torch.equal(first[k], second[k])}  # fmt: skip
    assert differ == {"ager", "average"}
    assert set(both.pictures(1)) == {"pasted", "heads"}


def test_what_is_painted_on_heads_has_weights_of_its_own(
    chain: dict[str, Path],
    settings: Settings,
    table: Path,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
):
    trainer, found = beside(chain, settings, table, machine), dict[str, float]()
    config = replace(trainer.config, excess_weight=1.25, sparse_weight=1.5, age_weight=1.75)
    trainer.config = config

    def noted(losses: Losses) -> Tensor:
        found.update({name: weight for name, (_, weight) in losses.items()})
        return total_of(losses)

    monkeypatch.setattr("reage.training.agers.photo_ager.total_of", noted)
    trainer.step(0)
    assert (found["heads_excess"], found["heads_sparse"], found["heads_age"]) == (1.25, 1.5, 1.75)
    for name, weight in found.items():
        same = name.removeprefix("heads_")
        assert weight == vars(config)[f"{same.replace('fooling', 'adversarial')}_weight"], name


def test_in_the_head_start_heads_say_nothing(
    chain: dict[str, Path], settings: Settings, table: Path, machine: Machine
):
    trainer = beside(chain, settings, table, machine, head_start_kimg=1.0)
    assert not any(name.startswith("heads_") for name in trainer.step(0))


def test_it_learns_few_heads_by_heart(
    chain: dict[str, Path], settings: Settings, table: Path, machine: Machine
):
    """The same step again and again: the faces' losses count nothing, and those of heads fall."""
    off = dict.fromkeys(
        ("judge_weight", "adversarial_weight", "texture_weight", "gender_weight"), 0.0
    )
    # Each first step would teach the judge, which does not count here, once more.
    trainer = beside(chain, settings, table, machine, growth_faces=0, judge_kimg=0.0, **off)
    weights = {"heads_age": 2.0, "heads_excess": 1e4, "heads_sparse": 20.0, "heads_identity": 6.0}

    def total() -> float:
        figures = trainer.step(0)
        return sum(float(figures[name]) * weight for name, weight in weights.items())

    first = total()
    for _ in range(7):
        last = total()
    assert last < first


@pytest.mark.slow  # its kind: test_resume_is_exact, test_removal.py
def test_a_resumed_run_is_the_same_to_the_byte(
    chain: dict[str, Path],
    faces_folder: Path,
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Resumed, it goes on where it was, without looking at the heads again."""
    runner, usual = CliRunner(), ["--log-steps", "1", "--threads", "1"]
    sets = ["--set", "batch=4", "--set", "heads_batch=2", "--set", "judge_kimg=0.064"]
    new = [str(chain["ager"]), "--data", str(faces_folder), "--heads", str(table), *sets, *usual]
    whole, parts = tmp_path / "whole" / "run", tmp_path / "parts" / "run"
    for run, kimg in ((whole, "0.012"), (parts, "0.004")):
        begun = ["train", "photo-ager", *new, "--run", str(run), "--kimg", kimg]
        done = runner.invoke(cli, begun, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    monkeypatch.setattr("reage.training.kept_heads.read_pictures", None)
    more = ["train", "photo-ager", "--run", str(parts), "--resume", "--kimg", "0.012", *usual]
    assert runner.invoke(cli, more, catch_exceptions=False).exit_code == 0
    for name in ("heads.png", "pasted.png", "heads.safetensors"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name
    first, second = (load_tensors(run / "model" / AGE_AGER)[0] for run in (whole, parts))
    assert first["growth.shapes"].shape[-1] == FINER.side
    assert all(torch.equal(first[name], second[name]) for name in first)
    settings = json.loads((parts / "config.json").read_text())
    assert settings["heads"] == str(table)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("file,source\n0.png,x\n", "has no column"),
        (
            f"{HEADER}\n0.png,made,f,25,50,0,512,CC0,0\n",
            "0 heads older than 58 years and 1 younger",
        ),
        (f"{HEADER}\nx.png,made,f,30,50,0,512,CC0,0\n", "x.png"),
    ],
)
def test_a_bad_table_is_one_line(
    chain: dict[str, Path],
    faces_folder: Path,
    table: Path,
    tmp_path: Path,
    content: str,
    words: str,
):
    bad = table.parent / "bad.csv"
    bad.write_text(content)
    new = [str(chain["ager"]), "--data", str(faces_folder), "--heads", str(bad)]
    done = CliRunner().invoke(cli, ["train", "photo-ager", *new, "--run", str(tmp_path / "run")])
    assert done.exit_code in (1, 2) and words in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not (tmp_path / "run" / "config.json").exists()
