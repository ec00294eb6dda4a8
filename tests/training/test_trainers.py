"""Every training learns, goes on exactly where it stopped, and is the same in two processes."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from made import face_at
from reage.agers.direction import Direction
from reage.agers.direction_files import load_direction, save_direction
from reage.agers.files import StoredAger, read_ager
from reage.agers.finder import AGE_AGER, AgerSource, find_ager, read_stored_ager
from reage.agers.skin import SkinAger
from reage.errors import ModelError, UsageError
from reage.fitting.people import PEOPLE, People, lacks_people, model_people, save_people
from reage.inversion.space import LatentSpace
from reage.models.checkpoints import load_model, seal
from reage.models.encoders import load_encoder
from reage.models.files import load_tensors
from reage.networks.agers.growth import warp_images
from reage.networks.encoders.encoder import Encoder
from reage.training.agers.photo_ager import PhotoAgerTrainer
from reage.training.configs import AdamSettings, EncoderTraining, GeneratorTraining
from reage.training.export import export_model
from reage.training.loop.loss_weights import Losses
from reage.training.loop.run import RunOptions, Tick, run_training
from reage.training.settings import RunSettings, open_run, read_settings
from reage.training.start import AnyTrainer, Machine, start
from reage.training.stylegan2.generator import GeneratorTrainer

Settings = Callable[..., RunSettings]
RECIPES = ("stylegan2", "projected", "projected+encoder", "stylegan2+encoder", "autoencoder")


def weights(trainer: AnyTrainer) -> dict[str, torch.Tensor]:
    state = trainer.state_dict()
    return {
        f"{name}.{key}": value.clone()
        for name, network in state.items()
        if name not in ("optimizers", "mean_path", "codes")
        for key, value in network.items()
    }


class TestGenerator:
    @pytest.mark.parametrize("recipe", RECIPES)
    def test_each_recipe_trains_all_it_should(
        self, recipe: str, settings: Settings, machine: Machine
    ):
        trainer = start(settings(recipe=recipe, warmup_kimg=0.0), machine)
        before = weights(trainer)
        figures = trainer.step(0)
        assert all(math.isfinite(float(value)) for value in figures.values())
        changed = {k for k, v in weights(trainer).items() if not torch.equal(v, before[k])}
        parts = {name.split(".")[0] for name in changed}
        assert {"generator", "average"} <= parts
        assert ("encoder" in parts) == ("encoder" in recipe)
        assert ("discriminator" in parts) == (recipe != "autoencoder")
        assert ("r1" in figures) == ("stylegan2" in recipe)
        assert ("path" in figures) == (recipe == "stylegan2")
        fixed = {k for k in before if "projection" in k or "mixer" in k or "noise_const" in k}
        assert not fixed & changed

    def test_an_autoencoder_learns_its_faces(self, settings: Settings, machine: Machine):
        trainer = start(settings(recipe="autoencoder", warmup_kimg=0.1), machine)
        losses = [float(trainer.step(i)["mse"]) for i in range(16)]
        assert sum(losses[-4:]) < 0.85 * sum(losses[:4])

    def test_a_stage_trains_the_inner_picture_only(self, settings: Settings, machine: Machine):
        staged = settings(recipe="autoencoder", stages=((0.008, 16),), warmup_kimg=0.0)
        trainer = start(staged, machine)
        before = weights(trainer)
        trainer.step(0)
        after = weights(trainer)
        assert torch.equal(
            after["generator.synthesis.b32.conv0.weight"],
            before["generator.synthesis.b32.conv0.weight"],
        )
        assert trainer.pictures(0)["samples"].shape[-1] == 16
        trainer.step(1)
        assert not torch.equal(
            weights(trainer)["generator.synthesis.b32.conv0.weight"],
            before["generator.synthesis.b32.conv0.weight"],
        )

    def test_stages_are_not_for_a_discriminator_of_one_size(
        self, settings: Settings, machine: Machine
    ):
        with pytest.raises(UsageError, match="leave the stages out"):
            start(settings(recipe="stylegan2", stages=((1.0, 16),)), machine)

    @pytest.mark.parametrize("recipe", ["stylegan2+encoder", "projected"])
    def test_the_adversary_learns_alone_in_its_head_start(
        self, recipe: str, settings: Settings, machine: Machine
    ):
        batch = settings(recipe=recipe).config.batch
        chosen = settings(recipe=recipe, head_start_kimg=batch / 1000, warmup_kimg=2 * batch / 1000)
        trainer = start(chosen, machine)
        for step, learnt in enumerate(({"discriminator"}, {"discriminator", "generator"})):
            before = weights(trainer)
            trainer.step(step)
            changed = {
                name.split(".")[0] for name, value in weights(trainer).items()
                if not torch.equal(value, before[name]) and not name.endswith("w_avg")
            }  # fmt: skip
            assert changed - {"average", "encoder", "average_encoder"} == learnt
            assert ("encoder" in changed) == (step > 0 and "encoder" in recipe)

    def test_in_its_head_start_the_adversary_sees_other_generators_too(
        self, settings: Settings, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ):
        seen: dict[float, list[torch.Tensor]] = {0.0: [], 0.3: []}
        for noise, shown in seen.items():
            trainer = start(settings(head_start_kimg=1, head_start_noise=noise), machine)
            assert isinstance(trainer, GeneratorTrainer)
            original = trainer.synthesis
            monkeypatch.setattr(
                trainer, "synthesis", lambda *a, o=original, s=shown: s.append(o(*a)) or s[-1]
            )
            before = weights(trainer)
            trainer.step(0)
            trainer.step(0)
            after = weights(trainer)
            own = [name for name in before if name.startswith("generator.synthesis")]
            assert all(torch.equal(before[name], after[name]) for name in own)
        assert torch.equal(seen[0.3][0], seen[0.3][1])  # a step draws its noise anew, but the same
        assert (seen[0.3][0] - seen[0.0][0]).std() > 0.05

    def test_an_anchor_holds_samples_to_what_the_run_began_with(
        self, settings: Settings, machine: Machine
    ):
        rate = AdamSettings(0.003, 0.5)
        moved = {}
        for weight in (0.001, 1000.0):
            chosen = settings(
                recipe="stylegan2+encoder", warmup_kimg=0.0, generator=rate,
                anchor_weight=weight, anchor_side=8,
            )  # fmt: skip
            trainer = start(chosen, machine)
            held = [float(trainer.step(i)["held"]) for i in range(8)]
            assert held[0] < 1e-8  # they are the same still
            moved[weight] = sum(held[4:])
        assert 0 < moved[1000.0] < 0.5 * moved[0.001]
        late = settings(
            recipe="stylegan2+encoder", head_start_kimg=0.008, anchor_weight=1.0, anchor_side=8
        )
        trainer = start(late, machine)
        assert "held" not in trainer.step(0)  # nothing learns yet
        assert float(trainer.step(1)["held"]) < 1e-8
        moved_on = start(replace(late, config=replace(late.config, seed=1)), machine)
        moved_on.load_state_dict(trainer.state_dict())  # as a resumed run does
        assert isinstance(moved_on, GeneratorTrainer) and isinstance(trainer, GeneratorTrainer)
        begun = [t.begun for t in (moved_on, trainer)]
        assert begun[0] is not None and begun[1] is not None
        kept = [b.state_dict() for b in begun if b is not None]
        assert all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])
        with pytest.raises(UsageError, match="anchor_weight compares whole pictures"):
            start(settings(recipe="projected", anchor_weight=1.0, stages=((1.0, 16),)), machine)

    def test_an_encoder_without_a_rate_stays_as_it_is(
        self, chain: dict[str, Path], settings: Settings, machine: Machine, tmp_path: Path
    ):
        still = {"recipe": "stylegan2+encoder", "encoder": AdamSettings(0.0), "warmup_kimg": 0.0}
        folder = tmp_path / "base"
        shutil.copytree(chain["photo-ager"], folder)
        model = load_model(folder)
        shape = (model.generator.num_ws, model.generator.config.w_dim)
        drawn = People(torch.zeros(shape), torch.ones(2, *shape), torch.ones(2), "", {})
        save_people(replace(drawn, generator_hash=model.generator_hash), folder / PEOPLE)
        for name, of in (("smile", model.generator_hash), ("other", "0" * 64)):
            direction = Direction(name, torch.ones(shape), generator_hash=of)
            save_direction(direction, folder / f"{name}.direction.safetensors")
        seal(folder)
        chosen = settings(**still, model=folder)
        trainer = start(chosen, machine)
        assert isinstance(trainer, GeneratorTrainer) and trainer.encoder is not None
        images = trainer.source.fixed_faces(4)
        mask = torch.ones_like(images[:, :1])
        known = load_encoder(model)
        assert isinstance(known, Encoder)
        average = model.generator.mapping.w_avg
        with torch.no_grad():
            wanted = model.generator.synthesize(known(images, mask, average))
            codes = trainer.encoder(images, mask, trainer.generator.mapping.w_avg)
            assert torch.equal(codes, known(images, mask, average))  # so agers go on fitting
            assert torch.allclose(trainer.average.synthesize(codes), wanted, atol=1e-4)
        before = weights(trainer)
        for step in range(2):
            trainer.step(step)
        after = weights(trainer)
        changed = {n for n in before if not torch.equal(before[n], after[n])}
        assert {n.split(".")[0] for n in changed} == {"generator", "average", "discriminator"}
        assert not any("mapping" in name for name in changed)
        export_model(trainer, chosen, tmp_path / "run" / "model", kimg=0.016)
        new, made = tmp_path / "run" / "model", load_model(tmp_path / "run" / "model")
        assert made.generator_hash != model.generator_hash
        assert made.config.metrics == {"kimg": 0.0, "encoder_kimg": 0.0}  # the encoder's stays
        same = [load_tensors(f / "encoder.safetensors")[0] for f in (folder, new)]
        assert all(torch.equal(same[0][name], same[1][name]) for name in same[1])
        assert torch.equal(made.generator.mapping.w_avg, average)
        ager = read_stored_ager(made)
        assert ager is not None and ager.photo is not None
        ager.check(made.generator_hash, *shape)
        assert model_people(made) is not None
        smile = load_direction(new / "smile.direction.safetensors")
        assert smile.generator_hash == made.generator_hash
        assert not (new / "other.direction.safetensors").exists()  # of another generator
        with pytest.raises(UsageError, match="keeps a model's encoder"):
            start(settings(**still), machine)

    def test_a_generator_that_goes_on_is_averaged_over_as_much_as_before(
        self, settings: Settings, machine: Machine
    ):
        moved = []
        for kimg in (0.0, 300.0):
            trainer = start(settings(recipe="projected", warmup_kimg=0.0), machine)
            assert isinstance(trainer, GeneratorTrainer)
            trainer.begun_kimg = kimg
            before = weights(trainer)
            trainer.step(0)
            after, name = weights(trainer), "synthesis.b32.conv0.weight"
            assert not torch.equal(after[f"generator.{name}"], before[f"generator.{name}"])
            moved.append(
                (after[f"average.{name}"] - before[f"average.{name}"]).norm()
                / (after[f"generator.{name}"] - before[f"generator.{name}"]).norm()
            )
        assert moved[0] > 0.9 and moved[1] < 0.01

    def test_channels_that_no_discriminator_has_are_named(
        self, settings: Settings, machine: Machine
    ):
        with pytest.raises(UsageError, match="discriminator_channels: 1 channel counts do not fit"):
            start(settings(recipe="stylegan2", discriminator_channels=(8,)), machine)

    def test_training_goes_on_with_a_models_discriminator(
        self, settings: Settings, machine: Machine, tmp_path: Path
    ):
        first = settings(recipe="stylegan2+encoder", warmup_kimg=0.0, head_start_kimg=0.008)
        trainer = start(first, machine)
        trainer.step(0)
        trainer.step(1)
        trainer.adversary.network.ada_p.fill_(0.25)
        folder = tmp_path / "run" / "model"
        export_model(trainer, first, folder, kimg=0.508)
        known = {n: v for n, v in weights(trainer).items() if n.startswith("discriminator.")}
        on = replace(first, model=str(folder))
        again = weights(start(on, machine))
        for name, value in known.items():
            assert torch.equal(again[name], value.half().float()), name
        # The head start taught the discriminator alone.
        assert load_model(folder).config.metrics == {"kimg": 0.5}
        export_model(start(on, machine), on, folder.with_name("on"), kimg=0.308)
        gone_on = load_model(folder.with_name("on")).config
        assert gone_on.metrics == {"kimg": 0.8}
        assert start(on, machine).begun_kimg == 0.5
        data = Path(first.data).name
        assert (gone_on.data, gone_on.licence) == (
            f"{data}; then {data}", "unknown (begun from unknown)"
        )  # fmt: skip
        # Channels of its own are another discriminator's.
        other = replace(on, config=replace(on.config, discriminator_channels=(8, 8, 16)))
        assert weights(start(other, machine))["discriminator.ada_p"] == 0
        (folder / "discriminator.safetensors").rename(tmp_path / "away.safetensors")
        assert weights(start(other, machine))["discriminator.ada_p"] == 0
        with pytest.raises(ModelError, match="set discriminator_channels to start with a new"):
            start(on, machine)
        # Trained by features alone, it would no longer know the generator.
        features = settings(recipe="projected+encoder")
        export_model(start(features, machine), features, folder.with_name("f"), kimg=1)
        assert "discriminator.safetensors" not in load_model(folder.with_name("f")).config.sha256


class TestEncoder:
    def test_the_generator_stays_unless_it_is_tuned(
        self, chain: dict[str, Path], settings: Settings, machine: Machine
    ):
        for lr in (0.0, 1e-3):
            tuned = AdamSettings(lr, 0.0, 0.99)
            trainer = start(settings("encoder", model=chain["generator"], generator=tuned), machine)
            before = weights(trainer)
            figures = trainer.step(0)
            assert {"mse", "perceptual", "code", "offset"} <= set(figures)
            after = weights(trainer)
            changed = {k.split(".")[0] for k in after if not torch.equal(after[k], before[k])}
            assert "encoder" in changed
            assert ("generator" in changed) == (lr > 0)

    def test_agers_go_on_where_the_generator_stays(
        self, chain: dict[str, Path], settings: Settings, machine: Machine, tmp_path: Path
    ):
        for lr in (0.0, 1e-3):
            tuned = AdamSettings(lr, 0.0, 0.99)
            chosen = settings("encoder", model=chain["photo-ager"], generator=tuned)
            folder = tmp_path / str(lr) / "model"
            export_model(start(chosen, machine), chosen, folder, kimg=0.008)
            made = load_model(folder)
            assert (read_stored_ager(made) is not None) == (lr == 0)
            ager = find_ager(AgerSource.of(LatentSpace(made)))
            assert isinstance(ager, SkinAger) == (lr == 0)

    def test_weights_are_written_with_as_many_bits_as_asked_for(
        self, chain: dict[str, Path], settings: Settings, machine: Machine, tmp_path: Path
    ):
        sizes, models = {}, {}
        for bits in (0, 6):
            chosen = settings("encoder", model=chain["photo-ager"], significant_bits=bits)
            folder = tmp_path / str(bits) / "model"
            export_model(start(chosen, machine), chosen, folder, kimg=0.008)
            models[bits] = load_model(folder)
            files = [folder / n for n in ("generator.safetensors", "encoder.safetensors")]
            sizes[bits] = sum(len(zlib.compress(file.read_bytes())) for file in files)
        assert sizes[6] < 0.85 * sizes[0]
        full, rounded = (models[bits].generator.state_dict() for bits in (0, 6))
        assert torch.equal(full["mapping.w_avg"], rounded["mapping.w_avg"])
        name = "synthesis.b8.conv0.weight"
        off = (rounded[name] / full[name] - 1).abs().max()
        assert 2**-9 < off <= 2**-6
        ager = read_stored_ager(models[6])
        assert ager is not None and ager.generator_hash == models[6].generator_hash  # the rounded
        again = settings("encoder", model=models[6].folder, significant_bits=6)
        export_model(start(again, machine), again, tmp_path / "again" / "model", kimg=0.008)
        made = load_model(tmp_path / "again" / "model")
        assert made.generator_hash == models[6].generator_hash

    def test_what_is_exported_is_the_average(self, chain: dict[str, Path]):
        model = load_model(chain["encoder"])
        encoder = load_encoder(model)
        assert encoder is not None
        assert model.config.metrics == {"kimg": 0.0, "encoder_kimg": 0.0}


class TestAger:
    def test_a_step_moves_the_ager_only(
        self, chain: dict[str, Path], settings: Settings, machine: Machine
    ):
        trainer = start(settings("ager", model=chain["encoder"]), machine)
        before = weights(trainer)
        figures = trainer.step(0)
        assert {"age", "identity", "gender", "cycle", "fooling", "d_real"} <= set(figures)
        after = weights(trainer)
        changed = {k.split(".")[0] for k in after if not torch.equal(after[k], before[k])}
        assert changed == {"ager", "average", "discriminator", "judge"}

    def test_the_exported_model_ages(self, chain: dict[str, Path]):
        model = load_model(chain["ager"])
        stored = read_ager(chain["ager"] / AGE_AGER)
        assert isinstance(stored, StoredAger)
        ager = stored.on_codes(LatentSpace(model))  # it belongs to this generator
        ws = ager.latents.average
        face = face_at(30.0, ager.latents.synthesize(ws), ws=ws, latents=ager.latents)
        moved = ager.codes(face, torch.tensor([30.0, 60.0]))
        assert torch.equal(moved[:1], ws)  # nothing changes at the own age
        assert not torch.equal(moved[1:], ws)

    def test_training_goes_on_from_a_models_ager(
        self, chain: dict[str, Path], settings: Settings, machine: Machine, tmp_path: Path
    ):
        ager = read_ager(chain["photo-ager"] / AGE_AGER)
        assert isinstance(ager, StoredAger) and ager.photo is not None
        on = settings("ager", model=chain["encoder"])
        on = replace(on, agers=str(chain["photo-ager"]))
        trainer = start(on, machine)
        for name, tensor in ager.network.state_dict().items():
            if name not in ("mean", "scale"):  # of the codes, looked at anew
                assert torch.equal(tensor, weights(trainer)[f"ager.{name}"]), name
        folder = tmp_path / "run" / "model"
        export_model(trainer, on, folder, kimg=0.5)
        after = read_ager(folder / AGE_AGER)
        assert isinstance(after, StoredAger) and after.photo is not None
        assert after.report["kimg"] == 0.5 and after.report["photo"] == ager.report["photo"]

    def test_agers_of_other_codes_are_refused(
        self, chain: dict[str, Path], settings: Settings, machine: Machine
    ):
        on = replace(settings("ager", model=chain["encoder"]), agers="faces128")
        with pytest.raises(ModelError, match="faces128 has no ager of reage's for codes of 8 x"):
            start(on, machine)

    def test_a_model_without_encoder_is_refused(
        self, small_folder: Path, settings: Settings, machine: Machine
    ):
        with pytest.raises(ModelError, match="has no encoder"):
            start(settings("ager", model=small_folder), machine)
        with pytest.raises(UsageError, match="name the model"):
            start(settings("ager"), machine)


class TestPhotoAger:
    def test_a_step_moves_the_photo_ager_only(
        self, chain: dict[str, Path], settings: Settings, machine: Machine
    ):
        trainer = start(settings("photo-ager", model=chain["ager"]), machine)
        before = weights(trainer)
        figures = trainer.step(0)
        assert {"age", "identity", "gender", "fooling", "judge", "texture"} <= set(figures)
        after = weights(trainer)
        changed = {k.split(".")[0] for k in after if not torch.equal(after[k], before[k])}
        assert changed == {"ager", "average", "discriminator", "judge", "texture"}

    def test_its_faces_are_bent_as_the_editor_bends_them(
        self, chain: dict[str, Path], settings: Settings, machine: Machine
    ):
        trainer = start(settings("photo-ager", model=chain["ager"]), machine)
        assert isinstance(trainer, PhotoAgerTrainer) and trainer.growth is not None
        shapes = torch.zeros_like(trainer.growth.shapes)
        shapes[0, 0, 10:30, 10:30] = 0.05
        trainer.fit_growth = lambda: shapes
        trainer.step(0)
        found = weights(trainer)["growth.shapes"]
        assert torch.equal(found, shapes)
        photos = trainer.source.fixed_faces(2)
        ages = torch.tensor([40.0, 40.0])
        pasted, change, _ = trainer._paste(trainer.average, photos, ages, torch.tensor([40.0, 1.0]))
        assert torch.allclose(pasted[0], photos[0], atol=1e-5) and not change[0].any()
        moves = trainer.growth(ages, ages - 39)
        wanted = warp_images((photos + change).clamp(-1, 1), moves, 0.3)[1]
        assert torch.allclose(pasted[1], wanted.clamp(-1, 1), atol=1e-5)
        assert (pasted[1] - photos[1] - change[1]).abs().mean() > 0.01
        none = start(settings("photo-ager", model=chain["ager"], growth_faces=0), machine)
        assert isinstance(none, PhotoAgerTrainer) and none.growth is None

    def test_the_ager_of_codes_stays_as_it_was(self, chain: dict[str, Path]):
        plain, both = (read_ager(chain[kind] / AGE_AGER) for kind in ("ager", "photo-ager"))
        assert isinstance(plain, StoredAger) and isinstance(both, StoredAger)
        assert plain.photo is None and both.photo is not None
        for name, tensor in plain.network.state_dict().items():
            assert torch.equal(tensor, both.network.state_dict()[name]), name
        assert both.report["photo"]["kimg"] == 0.0

    def test_training_goes_on_from_a_models_photo_ager(
        self, chain: dict[str, Path], settings: Settings, machine: Machine
    ):
        trainer = start(settings("photo-ager", model=chain["photo-ager"]), machine)
        ager = read_ager(chain["photo-ager"] / AGE_AGER)
        assert isinstance(ager, StoredAger) and ager.photo is not None
        for name, tensor in ager.photo.state_dict().items():
            assert torch.equal(tensor, weights(trainer)[f"ager.{name}"]), name

    def test_its_critics_learn_alone_in_their_head_start(
        self, chain: dict[str, Path], settings: Settings, machine: Machine, tmp_path: Path
    ):
        chosen = settings("photo-ager", model=chain["photo-ager"], head_start_noise=0.3)
        batch = chosen.config.batch / 1000
        chosen = replace(chosen, config=replace(chosen.config, head_start_kimg=batch))
        trainer = start(chosen, machine)
        critics = {"discriminator", "judge", "texture"}
        for step, learnt in enumerate((critics, critics | {"ager", "average"})):
            before = weights(trainer)
            trainer.step(step)
            changed = {k.split(".")[0] for k, v in weights(trainer).items()
                       if not torch.equal(v, before[k])}  # fmt: skip
            assert changed - {"growth"} == learnt
        trainer.begun_kimg = 100.0
        folder = tmp_path / "run" / "model"
        export_model(trainer, chosen, folder, kimg=1 + batch)
        ager = read_ager(folder / AGE_AGER)
        assert isinstance(ager, StoredAger) and ager.report["photo"]["kimg"] == 101.0
        assert start(replace(chosen, model=str(folder)), machine).begun_kimg == 101.0

    def test_a_model_without_ager_is_refused(
        self, chain: dict[str, Path], settings: Settings, machine: Machine
    ):
        with pytest.raises(ModelError, match="has no ager of reage's"):
            start(settings("photo-ager", model=chain["encoder"]), machine)


@pytest.mark.parametrize(
    ("kind", "recipe"),
    [("generator", r) for r in RECIPES] + [("encoder", ""), ("ager", ""), ("photo-ager", "")],
)
def test_resume_is_exact(
    kind: str,
    recipe: str,
    chain: dict[str, Path],
    settings: Settings,
    machine: Machine,
    tmp_path: Path,
):
    """Two steps, a new process's trainer, two more: the same bits as four steps at once."""
    begins = {"encoder": "generator", "ager": "encoder", "photo-ager": "ager"}
    part = {"model": chain[begins[kind]]} if kind in begins else {"recipe": recipe}
    made = settings(kind, **part)
    kimg = made.config.batch / 1000
    whole = start(made, machine)
    (tmp_path / "a").mkdir()
    run_training(whole, tmp_path / "a", RunOptions(kimg=4 * kimg, log_steps=1))
    (tmp_path / "b").mkdir()
    run_training(start(made, machine), tmp_path / "b", RunOptions(kimg=2 * kimg, log_steps=1))
    resumed = start(made, machine)
    report = run_training(resumed, tmp_path / "b", RunOptions(kimg=4 * kimg, log_steps=1))
    assert report.stopped == "done"
    one, two = weights(whole), weights(resumed)
    assert all(torch.equal(one[name], two[name]) for name in one)
    logs = [(tmp_path / x / "log.jsonl").read_text().splitlines() for x in "ab"]
    entries = [[json.loads(line) for line in log] for log in logs]
    for a, b in zip(*entries, strict=True):
        assert {k: v for k, v in a.items() if k != "images_per_second"} == {
            k: v for k, v in b.items() if k != "images_per_second"
        }


@pytest.mark.parametrize("kind", ["generator", "encoder"])
def test_learning_rates_fall_at_the_end(
    kind: str, chain: dict[str, Path], settings: Settings, machine: Machine, tmp_path: Path
):
    part = {"model": chain["generator"]} if kind == "encoder" else {}
    made = settings(kind, **part)
    if kind == "generator":
        made = replace(made, config=replace(made.config, warmup_kimg=0.0))
    trainer = start(made, machine)
    rates: list[float] = []

    def note(tick: Tick) -> None:
        rates.append(trainer.optimizers["encoder"].adam.param_groups[0]["lr"])

    assert isinstance(made.config, GeneratorTraining | EncoderTraining)
    step = made.config.batch / 1000
    options = RunOptions(kimg=6 * step, decay_kimg=4 * step, log_steps=1)
    run_training(trainer, tmp_path, options, on_tick=note)
    shares = [rate / made.config.encoder.lr for rate in rates]
    assert shares == pytest.approx([1, 1, 1, 0.775, 0.55, 0.325])


def test_a_resumed_run_takes_the_rates_of_its_settings(
    chain: dict[str, Path], settings: Settings, machine: Machine, tmp_path: Path
):
    """Not those that were saved with the optimiser's state."""
    made = settings("encoder", model=chain["generator"])
    kimg = made.config.batch / 1000
    run_training(start(made, machine), tmp_path, RunOptions(kimg=kimg))
    assert isinstance(made.config, EncoderTraining)
    slower = replace(made, config=replace(made.config, encoder=AdamSettings(1e-5)))
    resumed = start(slower, machine)
    run_training(resumed, tmp_path, RunOptions(kimg=2 * kimg))
    assert resumed.optimizers["encoder"].adam.param_groups[0]["lr"] == 1e-5


SCRIPT = """
import sys, torch
from pathlib import Path
from types import SimpleNamespace
torch.set_num_threads(1)
from reage.training.loop.parallel import join_world
from reage.training.loop.run import RunOptions, run_training
from reage.training.settings import read_settings
from reage.training.start import Machine, start
folder = Path(sys.argv[1])
cpu = torch.device("cpu")
machine = Machine(cpu, torch.float32, join_world(cpu))
run_training(start(read_settings(folder), machine), folder, RunOptions(kimg=0.064, log_steps=1),
             world=machine.world)
"""


@pytest.mark.parametrize(
    "recipe", [pytest.param("projected+encoder", marks=pytest.mark.slow), "stylegan2"]
)
def test_two_processes_train_as_one(
    recipe: str, settings: Settings, machine: Machine, tmp_path: Path
):
    logs = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        with open_run(folder, settings(recipe=recipe, batch=32)):
            pass
        script = tmp_path / "train.py"
        script.write_text(SCRIPT)
        if processes == 1:
            run_training(
                start(read_settings(folder), machine), folder, RunOptions(kimg=0.064, log_steps=1)
            )
        if processes == 2:
            done = torchrun(script, folder)
            assert done.returncode == 0, done.stderr
        lines = (folder / "log.jsonl").read_text().splitlines()
        logs.append([json.loads(line) for line in lines])
    assert len(logs[0]) == len(logs[1]) == 2
    for one, two in zip(*logs, strict=True):
        for name in set(one) - {"images_per_second"}:
            # Sums in another order differ in the last digits, and the adversary amplifies them.
            assert one[name] == pytest.approx(two[name], rel=2e-3, abs=1e-4), name


LEAVING = """
import atexit, sys, torch
from pathlib import Path

def left():
    names = [task.read_text() for task in Path("/proc/self/task").glob("*/comm")]
    sys.stdout.write(f"{sum('gloo' in name for name in names)} ")

atexit.register(left)
from reage.training.loop.parallel import join_world
world = join_world(torch.device("cpu"))
assert world.size == 2 and float(world.mean(torch.tensor(float(world.rank)))) == 0.5
left()
import torch.distributed.nn.functional  # as torch._dynamo does
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no list of threads")
def test_no_thread_outlives_the_group(tmp_path: Path):
    """Else one of the processes may be aborted at its very end, when all is done."""
    script = tmp_path / "leave.py"
    script.write_text(LEAVING)
    done = torchrun(script)
    assert done.returncode == 0, done.stderr
    counts = [int(count) for count in done.stdout.split()]
    assert sorted(count > 0 for count in counts) == [False, False, True, True]


def torchrun(script: Path, *arguments: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*command, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=300,
    )


def test_settings_are_kept_and_a_run_is_not_overwritten(settings: Settings, tmp_path: Path):
    made = settings(stages=((1.0, 16),))
    with open_run(tmp_path / "run", made) as opened:
        assert opened == read_settings(tmp_path / "run") == made
    with open_run(tmp_path / "run", None) as opened:
        assert opened == made
    with (
        pytest.raises(UsageError, match="add --resume to continue it"),
        open_run(tmp_path / "run", made),
    ):
        pass
    with pytest.raises(ModelError, match="is not a run folder"):
        read_settings(tmp_path)
    (tmp_path / "run" / "config.json").write_text('{"kind": "generator", "config": {"x": 1}}')
    with pytest.raises(ModelError, match="does not describe a run"):
        read_settings(tmp_path / "run")


def test_a_state_of_another_training_is_refused(
    settings: Settings, machine: Machine, tmp_path: Path
):
    run_training(start(settings(recipe="autoencoder"), machine), tmp_path, RunOptions(kimg=0.008))
    other = start(settings(recipe="projected"), machine)
    with pytest.raises(ModelError, match="belongs to another training"):
        run_training(other, tmp_path, RunOptions(kimg=0.016))
    (tmp_path / "state.pt").write_bytes(b"hello")
    with pytest.raises(ModelError, match="is not the state of a training"):
        run_training(other, tmp_path, RunOptions(kimg=0.016))


def test_a_dataset_of_another_size_or_split_is_refused(settings: Settings, machine: Machine):
    from dataclasses import replace

    made = settings()
    with pytest.raises(UsageError, match=r"no split 'x'; it has \['train', 'val'\]"):
        start(replace(made, split="x"), machine)
    larger = replace(made.config, resolution=64, channels=(8,) * 5)
    with pytest.raises(UsageError, match="crops are 32 px, the generator makes 64"):
        start(replace(made, config=larger), machine)


class TestExportedFolder:
    def test_an_ager_s_keeps_all_that_knows_the_generator(
        self, chain: dict[str, Path], settings: Settings, machine: Machine, tmp_path: Path
    ):
        """Directions and the people's distribution fit, since the generator is untouched."""
        base = tmp_path / "base"
        shutil.copytree(chain["ager"], base)
        model = load_model(base)
        codes = model.generator.num_ws, model.config.generator.w_dim
        spread = People(torch.zeros(codes), torch.ones(1, *codes), torch.ones(1),
                        generator_hash=model.generator_hash)  # fmt: skip
        save_people(spread, base / PEOPLE)
        smile = Direction("smile", torch.ones(codes), generator_hash=model.generator_hash)
        save_direction(smile, base / "smile.direction.safetensors")
        seal(base)
        for kind in ("ager", "photo-ager"):
            chosen = settings(kind, model=base)
            folder = tmp_path / kind / "model"
            export_model(start(chosen, machine), chosen, folder, kimg=0.008)
            kept = {file.name for file in base.iterdir()}
            assert {file.name for file in folder.iterdir()} == kept
            for name in kept - {"config.json", AGE_AGER}:
                assert (folder / name).read_bytes() == (base / name).read_bytes(), name
            assert model_people(load_model(folder)) is not None  # sealed, and of this generator
            assert lacks_people(str(folder)) is None

    @pytest.mark.parametrize("kind", ["encoder", "ager"])
    def test_it_is_complete_when_it_appears_and_old_until_then(
        self,
        kind: str,
        chain: dict[str, Path],
        settings: Settings,
        machine: Machine,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """The folder was there before its ager, and the old one was gone before it."""
        chosen = settings(kind, model=chain["photo-ager"])
        trainer = start(chosen, machine)
        folder = tmp_path / "run" / "model"
        export_model(trainer, chosen, folder, kimg=0.008)
        whole = {file.name: file.read_bytes() for file in folder.iterdir()}

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("reage.training.export.save_ager", stop)
        with pytest.raises(KeyboardInterrupt):
            export_model(trainer, chosen, folder, kimg=0.016)
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == whole
        assert [file.name for file in folder.parent.iterdir()] == ["model"]


class TestWeights:
    """Losses, weights and optimisers were tied by strings that met after an hour."""

    @pytest.mark.parametrize("kind", ["encoder", "ager", "photo-ager"])
    def test_each_loss_has_its_own(
        self,
        kind: str,
        chain: dict[str, Path],
        settings: Settings,
        machine: Machine,
        monkeypatch: pytest.MonkeyPatch,
    ):
        base = {"encoder": "generator", "ager": "encoder", "photo-ager": "ager"}[kind]
        plain = settings(kind, model=chain[base])
        others = {"colour_weight", "excess_weight", "sparse_weight"}  # of a head; of heads
        names = [n for n in vars(plain.config) if n.endswith("_weight") and n not in others]
        weights = {name: 1 + i / 64 for i, name in enumerate(names)}
        chosen = replace(plain, config=replace(plain.config, **weights))
        trainer, found = start(chosen, machine), dict[str, float]()
        module = sys.modules[type(trainer).__module__]
        total = module.total_of

        def noted(losses: Losses) -> torch.Tensor:
            found.update({name: weight for name, (_, weight) in losses.items()})
            return total(losses)

        monkeypatch.setattr(module, "total_of", noted)
        figures = trainer.step(0)
        found["adversarial"] = found.pop("fooling", weights.get("adversarial_weight", 0.0))
        assert {f"{k}_weight": v for k, v in found.items() if v} == weights
        assert {name for name in found if name != "adversarial"} <= set(figures)

    def test_a_wrong_name_fails_in_the_first_step(
        self, chain: dict[str, Path], settings: Settings, machine: Machine
    ):
        """In a head start, too, in which only the critics learn."""
        trainer = start(settings("photo-ager", model=chain["ager"], head_start_kimg=9.0), machine)
        known = {k: v for k, v in vars(trainer.config).items() if k != "peak_weight"}
        trainer.config = SimpleNamespace(**known)
        with pytest.raises(AttributeError, match="peak_weight"):
            trainer.step(0)
