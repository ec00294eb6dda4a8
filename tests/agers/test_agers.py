"""A neural ager's file, whom it belongs to, and an edit with it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from made import bent_photo, editor_with, face_at, random
from reage.agers.children import neck_moves
from reage.agers.files import StoredAger, read_ager, save_ager
from reage.agers.finder import AGE_AGER
from reage.agers.generated_faces import face_of_code
from reage.agers.latent import LatentAger
from reage.agers.photo import PhotoAger, add_photo_change, relight
from reage.agers.skin import read_embedded_bank
from reage.compositing.boxed_face import BoxedFace
from reage.compositing.change import Change, PasteMode, apply_change, luma
from reage.compositing.detail_removal import lay_removal
from reage.compositing.detail_transfer import (
    Subject,
    add_detail,
    choose_exemplars,
    lay_detail,
    mix_detail,
)
from reage.compositing.masks import oval_mask
from reage.compositing.preview import preview, preview_flat
from reage.compositing.render import render_photo
from reage.compositing.view import crop_for_age, usual_points
from reage.compositing.warp import warp_in_place
from reage.datasets.made_people.age_search import settle
from reage.editor import QUALITIES, Editor, load
from reage.errors import LatentError, ModelError
from reage.faces.face import Face
from reage.faces.squares import to_unit
from reage.images import Photo, to_array, to_tensor
from reage.inputs import as_photo
from reage.inversion.projection import ProjectConfig
from reage.inversion.space import LatentSpace
from reage.models.checkpoints import Alignment, load_model, seal
from reage.models.files import load_tensors, save_tensors
from reage.models.pretrained import load_skin_removal
from reage.networks.agers.growth import Growth, GrowthConfig, warp_images
from reage.networks.agers.latent_ager import Ager, AgerConfig
from reage.networks.agers.photo_ager import PhotoAger as PhotoNetwork
from reage.networks.agers.photo_ager import PhotoAgerConfig
from reage.networks.encoders.encoder import Encoder, EncoderConfig
from reage.outputs.framing import frame_prepared
from reage.outputs.live import look_along
from reage.search.looker import Looker

CPU = torch.device("cpu")


def test_a_childs_neck_is_thinner_and_an_adults_stays():
    config = GrowthConfig((1.0, 80.0))
    moves = neck_moves(30.0, torch.tensor([8.0, 60.0]), config)
    assert not moves[1].any()
    places = (torch.arange(config.side) + 0.5) / config.side * 1.6 - 0.3
    neck, eyes = int((places - 1.1).abs().argmin()), int((places - 0.4).abs().argmin())
    right = int((places - 0.8).abs().argmin())
    assert moves[0, 0, neck, right] < -0.03 < 0.03 < moves[0, 0, neck, -1 - right]
    assert not moves[0, 1].any() and not moves[0, :, eyes].any()
    assert not moves[0, :, :, 0].any() and not moves[0, :, -1].abs().gt(2e-3).any()
    grown = neck_moves(8.0, torch.tensor([30.0]), config)
    assert grown[0, 0, neck, right] > 0.03


@pytest.fixture(scope="module")
def latents(small_folder: Path) -> LatentSpace:
    return LatentSpace(load_model(small_folder))


def on_photos(stored: StoredAger) -> PhotoAger:
    return stored.on_photos(Alignment(0.7, 0.22), CPU)


@pytest.fixture(scope="module")
def ager(small_folder: Path) -> StoredAger:
    model = load_model(small_folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = AgerConfig(model.generator.num_ws, 32, projection=8, hidden=16, layers=1, rank=8)
        network = Ager(config)
    for parameter in network.parameters():  # as it comes back from float16
        parameter.data = parameter.data.half().float()
    network.eval().requires_grad_(False)
    return StoredAger(network, model.generator_hash, span=(5.0, 75.0), report={"kimg": 1.0})


def test_it_comes_back_as_it_was(ager: StoredAger, latents: LatentSpace, tmp_path: Path):
    read = read_ager(save_ager(ager, tmp_path / AGE_AGER))
    assert isinstance(read, StoredAger)
    for name in ("generator_hash", "span", "report", "colour", "name"):
        assert getattr(read, name) == getattr(ager, name)
    face = face_at(30.0, torch.zeros(1, 3, 32, 32), ws=random(1, 8, 32), latents=latents)
    ages = torch.tensor([20.0, 30.0, 55.0])
    codes, known = (a.on_codes(latents).codes(face, ages) for a in (read, ager))
    assert torch.equal(codes, known)
    assert read.on_codes(latents).fingerprint == ager.on_codes(latents).fingerprint


def test_codes_move_from_the_own_age_to_the_wanted_one(ager: StoredAger, latents: LatentSpace):
    ws, still = random(1, 8, 32), torch.zeros(1, 3, 32, 32)
    on_codes, face = ager.on_codes(latents), face_at(30.0, still, ws=ws, latents=latents)
    moved = on_codes.codes(face, torch.tensor([30.0, 60.0]))
    assert torch.equal(moved[:1], ws)
    change = ager.network(ws, torch.tensor([30.0]), torch.tensor([60.0]))
    assert torch.allclose(moved[1:] - ws, change, atol=1e-6)
    assert on_codes.reach(face) == (-5.0, 85.0)  # ten years beyond the trained ages
    assert on_codes.reach(face_at(99.0, still, ws=ws, latents=latents))[1] == 99.0


def test_strengths_count_decades_from_the_own_age(ager: StoredAger, small_folder: Path):
    editor = editor_with(ager, small_folder)
    still, ws = torch.zeros(1, 3, 32, 32), random(1, 8, 32)
    face = face_at(30.0, still, "none", ws=ws, latents=editor.latents)
    ager_of_codes = editor.required_ager()
    looker = Looker(ager_of_codes, editor.age_network, editor.likeness, [face], lambda: [None])
    assert looker.span() == (-3.5, 5.5)
    (change,) = looker.changes(torch.tensor([3.0, 0.0]))
    wanted = ager_of_codes.change(face, torch.tensor([60.0, 30.0]))
    assert torch.allclose(change.added, wanted.added, atol=1e-6)


@pytest.fixture(scope="module")
def with_photo(ager: StoredAger) -> StoredAger:
    """The same with a photo ager that has learnt something, it does not matter what."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        photo = PhotoNetwork(PhotoAgerConfig(32, widths=(8, 8)))
        for parameter in photo.parameters():
            parameter.data = (parameter + 0.1 * torch.randn_like(parameter)).half().float()
    return replace(ager, photo=photo.eval().requires_grad_(False))


def test_a_photo_ager_comes_back_with_it(with_photo: StoredAger, tmp_path: Path):
    file = save_ager(with_photo, tmp_path / AGE_AGER)
    read = read_ager(file)
    assert isinstance(read, StoredAger)
    eyes = np.zeros((32, 32), np.float32)
    eyes[8:12] = 1
    face, ages = face_at(30.0, random(1, 3, 32, 32), eyes=eyes), torch.tensor([20.0, 30.0, 55.0])
    added = on_photos(read).change(face, ages).added
    assert torch.equal(added, on_photos(with_photo).change(face, ages).added)
    assert on_photos(read).fingerprint == on_photos(with_photo).fingerprint
    assert not added[1].any() and added[0].any() and added[2].any()
    assert not added[:, :, 8:12].any()  # eyes stay the photo's
    tensors, metadata = load_tensors(file)
    known = json.loads(metadata["ager"])
    sizes = known["photo"]
    for changed, error in (
        ({"patch": 0}, LatentError),
        ({"widths": [8, -8]}, LatentError),
        ({"resolution": 34}, LatentError),
        ({"widths": [8, 9]}, ModelError),
        ({"more": 1}, ModelError),
    ):
        save_tensors(file, tensors, {"ager": json.dumps(known | {"photo": sizes | changed})})
        with pytest.raises(error):
            read_ager(file)


def test_what_follows_the_grid_of_patches_fades(with_photo: StoredAger):
    """The mean over the shifts of the photo and of its mirror image."""
    photo, crop = with_photo.photo, random(1, 3, 32, 32)
    assert photo is not None and photo.config.patch == 2
    own, wanted = torch.tensor([30.0]), torch.tensor([55.0])
    found = []
    for seen, shifts in ((crop, ((0, 0), (1, 1))), (crop.flip(-1), ((0, 1), (1, 0)))):
        changes = [photo(seen.roll(s, (2, 3)), own, wanted).roll((-s[0], -s[1]), (2, 3))
                   for s in shifts]  # fmt: skip
        assert not torch.allclose(*changes, atol=1e-4)
        found.append(sum(changes) / 2)
    mean = (found[0] + found[1].flip(-1)) / 2
    added = on_photos(with_photo).change(face_at(30.0, crop), wanted).added
    changed = add_photo_change(crop, mean, torch.tensor([True]))
    assert torch.allclose(added, changed * oval_mask(32), atol=1e-6)


def test_a_face_grows_older_by_lines_more_than_by_shading():
    photos = torch.zeros(2, 3, 128, 128)
    older = torch.tensor([True, False])
    across = torch.arange(128.0).expand(2, 3, 128, 128)
    for period, gains in ((4, (1.8, 1.3)), (64, (1.0, 1.3))):
        stripes = 0.1 * torch.cos(2 * torch.pi * across / period)
        added = add_photo_change(photos, stripes, older)
        for i, gain in enumerate(gains):
            inner = (i, slice(None), slice(None), slice(16, -16))
            assert torch.allclose(added[inner], gain * stripes[inner], atol=0.01), (period, i)
    # What is light alone stays so, and even light changes evenly up to the edges.
    flat = add_photo_change(photos, torch.full_like(photos, 0.1), older)
    expected = torch.tensor([0.1, 0.13])[:, None, None, None].expand_as(flat)
    assert torch.allclose(flat, expected, atol=1e-5)


def test_light_has_the_colours_that_the_face_takes_from_shade_to_light():
    lights = 0.3 * random(2, 1, 64, 64)
    tints = torch.tensor([[0.2, -0.0623, -0.2], [-0.1, 0.0311, 0.1]])[:, :, None, None]
    tints = tints - luma(tints)
    colour = torch.tensor([0.2, -0.05, -0.1])[:, None, None]
    photos = lights * (1 + tints) + colour - luma(colour[None])
    light = random(2, 1, 64, 64) * 0.1
    assert torch.allclose(relight(photos, light), light * (1 + tints), atol=2e-3)
    # Lips and a fringe have colours of their own, and say little.
    faces = photos.clone()
    faces[:, :, 44:48, 24:40] += torch.tensor([0.3, -0.3, -0.2])[:, None, None]
    faces[:, :, :10] = torch.tensor([-0.8, -0.9, -0.95])[:, None, None]
    assert torch.allclose(relight(faces, light), light * (1 + tints), atol=0.01)
    for seen in (photos, faces, random(2, 3, 64, 64).clamp(-0.8, 1)):
        assert torch.allclose(luma(relight(seen, light)), light, atol=1e-6)
    # A photo without colours gets grey light, as has a face of one colour.
    grey = light.expand_as(photos)
    for plain in (lights.expand_as(photos), colour.expand_as(photos), -torch.ones_like(photos)):
        assert torch.allclose(relight(plain, light), grey, atol=1e-6)
    # A grey change is nothing but light, and each photo has its own.
    younger = torch.zeros(2, dtype=torch.bool)
    assert torch.allclose(
        add_photo_change(photos, grey, younger), relight(photos, 1.3 * light), atol=1e-6
    )
    assert torch.allclose(relight(photos[1:], light[1:]), relight(photos, light)[1:], atol=1e-6)


@pytest.fixture(scope="module")
def growing(with_photo: StoredAger) -> StoredAger:
    """The same with a growth under which the middle of older faces lies lower."""
    growth = Growth(GrowthConfig((10.0, 50.0), side=10))
    growth.shapes[1, 1, 3:7, 3:7] = 0.0625
    return replace(with_photo, growth=growth.eval().requires_grad_(False))


def test_a_growth_comes_back_with_it(growing: StoredAger, tmp_path: Path):
    file = save_ager(growing, tmp_path / AGE_AGER)
    read = read_ager(file)
    assert isinstance(read, StoredAger)
    face, ages = face_at(20.0, random(1, 3, 32, 32)), torch.tensor([10.0, 20.0, 40.0])
    warp, known = (on_photos(a).change(face, ages).warp for a in (read, growing))
    assert warp is not None and known is not None and warp.margin == known.margin == 0.3
    assert torch.equal(warp.moves, known.moves)
    assert warp.moves[0].any() and not warp.moves[1].any() and warp.moves[2].any()
    tensors, metadata = load_tensors(file)
    settings = json.loads(metadata["ager"])
    sizes = settings["growth"]
    for changed, error in (
        ({"side": 0}, LatentError),
        ({"side": 1 << 40}, LatentError),
        ({"ages": [float("nan"), 50.0]}, LatentError),
        ({"side": 11}, LatentError),
        ({"ages": [50.0, 10.0]}, LatentError),
        ({"ages": ["ten", 50.0]}, LatentError),
        ({"margin": -1.0}, LatentError),
        ({"more": 1}, ModelError),
    ):
        save_tensors(file, tensors, {"ager": json.dumps(settings | {"growth": sizes | changed})})
        with pytest.raises(error):
            read_ager(file)
    del tensors["growth.shapes"]
    save_tensors(file, tensors, metadata)
    with pytest.raises(LatentError):
        read_ager(file)


def test_what_a_face_stands_in_is_warped_and_nothing_else(
    growing: StoredAger, with_photo: StoredAger, small_folder: Path, astronaut: np.ndarray
):
    editor, unwarped = (editor_with(a, small_folder) for a in (growing, with_photo))
    photo, strength = as_photo(astronaut), torch.tensor([1.5])
    faces = editor.choose_faces(photo)
    (face,) = editor.prepare(photo, faces)
    change, flat = (
        e.trace(photo, [face]).search.change(face, strength) for e in (editor, unwarped)
    )
    assert change.warp is not None and flat.warp is None
    assert torch.equal(change.added, flat.added)
    pasted, unbent = (render_photo(photo.pixels, [face.layer(c)]) for c in (change, flat))
    y, x = np.nonzero((pasted != unbent).any(2))
    unit = to_unit(np.stack([x, y], 1), face.view.crop.quad)
    assert len(y) > 1000 and unit.min() > -0.31 and unit.max() < 1.31
    # The look at the age sees what is pasted.
    without = preview_flat(face.view, face.picture, change, "delta")
    seen = preview(face.view, face.picture, change, "delta")
    there = to_tensor(crop_for_age(pasted, face.view.face).image)
    assert (seen - there).abs().mean() < 0.25 * (without - there).abs().mean()

    # So it is around a made face, and in its own picture where there is no photo around it.
    (made,) = editor.invert(photo, faces, paste="replace", config=ProjectConfig(step=2))
    change = editor.trace(photo, [made]).search.change(made, strength)
    assert change.warp is not None and change.detail is None
    made = replace(made, paste="none")
    (alone,), (plain,) = (
        e.move(photo, [made], e.required_ager(), [1.5]) for e in (editor, unwarped)
    )
    warp = change.warp
    wanted = to_array(warp_images(to_tensor(plain.photo.rgb8), warp.moves, warp.margin))[0]
    near = np.abs(alone.photo.rgb8.astype(int) - wanted)
    assert near.mean() < 1 and (alone.photo.rgb8 != plain.photo.rgb8).any()
    (frame,) = editor.trace(photo, [made]).search.frames([(made, strength)])
    assert np.array_equal(frame, alone.photo.rgb8)


def test_all_faces_are_pasted_before_any_is_warped_and_transparency_goes_along(
    growing: StoredAger, small_folder: Path, astronaut: np.ndarray
):
    editor = editor_with(growing, small_folder)
    alpha = np.full(astronaut.shape[:2], 255, np.uint8)
    alpha[::2] = 0
    photo = replace(as_photo(astronaut), alpha=alpha)
    (face,) = editor.prepare(photo, editor.choose_faces(photo))
    crop = replace(face.view.crop, quad=face.view.crop.quad + np.array([70.0, 0.0]))
    beside = replace(face, view=replace(face.view, crop=crop, number=2))
    search = editor.trace(photo, [face]).search
    pairs = [(f, search.change(f, torch.tensor([1.5]))) for f in (face, beside)]
    pasted = render_photo(photo.pixels, [f.layer(change) for f, change in pairs])
    flat = render_photo(photo.pixels, [f.layer(replace(c, warp=None)) for f, c in pairs])
    for f, change in pairs:
        assert change.warp is not None
        flat = bent_photo(flat, change.warp, f.view.crop.quad)
    assert np.array_equal(pasted, flat)
    (edit,) = editor.move(photo, [face], editor.required_ager(), [1.5])
    assert edit.photo.alpha is not None and np.array_equal(photo.alpha, alpha)
    change = search.change(face, torch.tensor([1.5]))
    warp, quad = change.warp, face.view.crop.quad
    assert warp is not None
    weighed = render_photo(photo.pixels, [face.layer(replace(change, warp=None))])
    warp_in_place(weighed, warp, quad, alpha)
    assert np.array_equal(edit.photo.pixels, weighed)
    wanted = bent_photo(alpha[..., None].repeat(3, 2), warp, quad)[..., 0]
    assert np.array_equal(edit.photo.alpha, wanted) and (wanted != alpha).any()


def test_people_who_do_not_exist_are_aged_as_photos(growing: StoredAger, small_folder: Path):
    editor = editor_with(growing, small_folder)
    ws, space, ager = random(1, 8, 32), editor.latents, editor.required_ager()
    points = Face.from_points(usual_points(space.alignment, 32))
    face = face_of_code(space, ws, space.synthesize(ws), points, editor.age_network)
    changes = torch.cat([torch.zeros_like(ws), 0.3 * random(1, 8, 32, seed=1)])
    looks = settle(
        *(editor, face, changes, torch.tensor([20.0, 60.0])),
        lambda change, share: face.with_code(ws + share * change),
    )
    assert looks.strengths.any()
    for i, strength in enumerate(looks.strengths.split(1)):
        plain = space.synthesize(ws + changes[i] * looks.shares[i])
        seen = face_at(face.own_age, plain.clamp(-1, 1), eyes=face.view.eyes)
        change = ager.change(seen, face.own_age + 10 * strength)
        assert (change.added.abs().amax() > 1e-3) == (float(strength) != 0)
        assert np.array_equal(looks.pictures[i], to_array(apply_change(plain, change))[0])


def test_the_photos_own_detail_grows_with_age(
    with_photo: StoredAger, small_folder: Path, latents: LatentSpace, astronaut: np.ndarray
):
    still = replace(with_photo, photo=PhotoNetwork(PhotoAgerConfig(32, widths=(8, 8))))  # adds 0
    editor = editor_with(still, small_folder)
    rng = np.random.default_rng(3)
    side = 3 * len(astronaut)
    large = np.asarray(Image.fromarray(astronaut).resize((side, side)), int)
    large += rng.integers(0, 8, (side, side, 1))
    photo = as_photo(large.clip(0, 255).astype(np.uint8))
    (face,) = editor.prepare(photo, editor.choose_faces(photo))
    edits = editor.move(photo, [face], editor.required_ager(), [-2.0, 0.0, 4.0])
    nose = face.view.face.points[2].round().astype(int)
    part = np.s_[nose[1] - 20 : nose[1] + 20, nose[0] - 20 : nose[0] + 20]
    rough = [float(np.diff(e.photo.rgb8[part][..., 1].astype(float)).std()) for e in edits]
    assert rough[0] < 0.9 * rough[1] < 0.8 * rough[2]
    assert np.array_equal(edits[1].photo.pixels, photo.pixels)
    gains = on_photos(still).change(face, face.own_age + torch.tensor([0.0, 30.0])).detail
    assert gains is not None and gains.tolist() == pytest.approx([1.0, 1.455], abs=1e-3)
    # What a code changes brings its own skin.
    coded = face_at(30.0, torch.zeros(1, 3, 32, 32), ws=random(1, 8, 32), latents=latents)
    assert still.on_codes(latents).change(coded, torch.tensor([40.0])).detail is None


def test_old_skin_is_taken_off_a_face_and_the_face_stays(editor: Editor, astronaut: np.ndarray):
    """With the packaged weights. The face is small, and most of the detail finer than they see."""
    face = next(iter(editor.choose_faces(Photo(astronaut)).values()))
    bank, mesh = read_embedded_bank(), face.landmarks
    assert mesh is not None
    subject = Subject.of(face, "female", 50.0)
    laid = lay_detail(astronaut, mesh, mix_detail(bank, choose_exemplars(bank, subject), subject))
    assert laid is not None
    old = astronaut.copy()
    add_detail(old, astronaut, laid, 1.0, 1.0)

    def younger(picture: np.ndarray) -> np.ndarray:
        boxed = BoxedFace.cut(picture, mesh, bank.canonical)
        assert boxed is not None
        out = picture.copy()
        add_detail(out, picture, lay_removal(boxed, load_skin_removal()), 1.0, 1.0)
        return out

    before = np.abs(old.astype(int) - astronaut).mean()
    after = np.abs(younger(old).astype(int) - younger(astronaut)).mean()
    assert after < 0.9 * before
    assert np.abs(younger(astronaut).astype(int) - astronaut).mean() < before
    eyes = mesh[[33, 133, 362, 263], :2].reshape(2, 2, 2).mean(1).round().astype(int)
    assert all(np.array_equal(younger(old)[y, x], old[y, x]) for x, y in eyes)


def test_the_search_sees_how_the_photos_own_detail_changes(editor: Editor, astronaut: np.ndarray):
    photo = as_photo(np.asarray(Image.fromarray(astronaut).resize((1024, 1024))))
    (face,) = editor.prepare(photo, editor.choose_faces(photo))
    search = editor.search(photo, editor.required_ager(), "delta")
    for gain in (0.3, 2.0):
        change = Change(torch.zeros_like(face.base), detail=torch.tensor([gain]))
        there = to_tensor(crop_for_age(search.show([(face, change)]), face.view.face).image)
        seen = preview(face.view, face.picture, change, "delta")
        unseen = preview(face.view, face.picture, Change(change.added), "delta")
        assert (seen - there).abs().mean() < 0.8 * (unseen - there).abs().mean()


def test_a_small_view_of_a_large_photo_is_read_as_the_photo_is(
    growing: StoredAger, small_folder: Path, astronaut: np.ndarray
):
    editor = editor_with(growing, small_folder)
    large = as_photo(astronaut.repeat(3, 0).repeat(3, 1))
    faces = editor.prepare(large, editor.choose_faces(large))
    live = look_along(editor, *frame_prepared(large, faces, 400, whole=True))
    (face,) = live.traced.faces
    search = live.traced.search
    change = search.change(face, torch.tensor([2.0]))
    composed = preview(face.view, face.picture, change, "delta")
    there = to_tensor(crop_for_age(search.show([(face, change)]), face.view.face).image)
    before = to_tensor(face.view.age_crop.image)
    assert (composed - there).abs().mean() < 0.5 * (before - there).abs().mean()


def test_past_the_trained_ages_shading_is_extrapolated_and_pores_are_not(ager: StoredAger):
    grey = PhotoNetwork(PhotoAgerConfig(32, widths=(8, 8))).eval().requires_grad_(False)
    grey.out.bias[:] = 0.1  # shading alone, the same at any age
    both = on_photos(replace(ager, photo=grey))
    last, face = both.span[1], face_at(30.0, torch.zeros(1, 3, 32, 32))
    years = (last - 30) * torch.tensor([1.0, 1.2, 1.6, 2.0])
    change = both.change(face, 30 + years)
    light = change.added[:, 0, 16, 16]
    assert (light / light[0]).tolist() == pytest.approx([1.0, 1.2, 1.6, 1.6], abs=1e-2)
    assert change.detail is not None and change.detail.unique().numel() == 1


def test_a_turned_face_is_painted_less_and_says_so(growing: StoredAger):
    ager, wanted = on_photos(growing), torch.tensor([70.0])
    front = face_at(30.0, torch.zeros(1, 3, 32, 32))
    changes = []
    for yaw in (0.0, -25.0, 35.0, 80.0, float("nan")):
        view = replace(front.view, face=replace(front.view.face, pose=(yaw, 0.0, 0.0)))
        changes.append(ager.change(replace(front, view=view), wanted).added)
        said = [notice for notice in view.notices if "turned by" in notice]
        assert said == (["face 1 is turned by 80 degrees; its skin is aged less"] * (yaw == 80))
    shares = [float(change.abs().sum() / changes[0].abs().sum()) for change in changes]
    assert shares == pytest.approx([1.0, 1.0, 0.75, 0.5, 1.0], abs=1e-3)


def test_light_is_added_and_none_of_the_networks_colour(ager: StoredAger):
    red = PhotoNetwork(PhotoAgerConfig(32, widths=(8, 8))).eval().requires_grad_(False)
    red.out.bias[:4] = 1.0  # what becomes the red of a patch's four pixels
    both, black = on_photos(replace(ager, photo=red)), torch.zeros(1, 3, 32, 32)
    for strength, gain in ((3.0, 1.0), (-2.0, 1.3)):
        own, wanted = torch.tensor([30.0]), torch.tensor([30 + 10 * strength])
        change = red(black, own, wanted)[0, :, 16, 16]
        assert change[0] > 0.1 and not change[1:].any()
        whole = both.change(face_at(30.0, black), wanted).added[0]
        light = 0.299 * change[0]  # a whole red face is shading
        wanted = (gain * light).expand(3)
        assert torch.allclose(whole[:, 16, 16], wanted, atol=1e-6)
        assert whole[:, 0, 0].abs().max() < 1e-3  # outside the oval nothing was ever learnt


def test_what_a_photo_ager_adds_depends_on_the_picture_alone(
    with_photo: StoredAger, small_folder: Path, astronaut: np.ndarray
):
    editor = editor_with(with_photo, small_folder)
    assert editor.latents.encoder is None
    assert editor.search_of("best", "delta") is None  # no code is needed
    photo = as_photo(astronaut)
    (face,) = editor.invert(photo, editor.choose_faces(photo), config=ProjectConfig(step=3))
    own, strengths, eyes = face.own_age, torch.tensor([0.0, 2.0]), face.view.eyes

    def added_to(picture: torch.Tensor) -> torch.Tensor:
        ages = own + 10 * strengths
        return on_photos(with_photo).change(face_at(own, picture, eyes=eyes), ages).added

    added = added_to(to_tensor(face.view.crop.image))
    search = editor.trace(photo, [face]).search
    assert torch.allclose(search.change(face, strengths).added, added, atol=1e-5)
    # Where the made face is shown, it is the photo.
    made = added_to(face.base.clamp(-1, 1))
    pastes: tuple[PasteMode, ...] = ("replace", "none")
    for paste in pastes:
        seen = replace(face, paste=paste)
        shown = editor.trace(photo, [seen]).search.change(seen, strengths).added
        assert torch.allclose(shown, made, atol=1e-5) and not torch.allclose(made, added)
        assert torch.equal(seen.picture, face.base)
    # What else was done to the face stays.
    mixed = face.with_code(face.ws + 0.3)
    search = editor.trace(photo, [mixed]).search
    wanted = editor.latents.synthesize(mixed.ws) - face.base + added
    assert torch.allclose(search.change(mixed, strengths).added, wanted, atol=1e-5)


def test_it_belongs_to_one_generator(ager: StoredAger):
    ager.check(ager.generator_hash, 8, 32)
    with pytest.raises(LatentError, match="belongs to the generator"):
        ager.check("0" * 64, 8, 32)
    with pytest.raises(LatentError, match=r"takes codes \[8, 32\], this model's are \[10, 32\]"):
        ager.check(ager.generator_hash, 10, 32)


def test_files_that_are_none(ager: StoredAger, tmp_path: Path):
    file = save_ager(ager, tmp_path / AGE_AGER)
    tensors, metadata = load_tensors(file)
    known = json.loads(metadata["ager"])
    sizes = known["network"]
    for changed, error in (
        ({"kind": "x"}, LatentError),
        ({"format": 9}, LatentError),
        ({"network": sizes | {"hidden": -1}}, LatentError),
        ({"network": sizes | {"hidden": 17}}, ModelError),
        ({"network": sizes | {"more": 1}}, ModelError),
        ({"span": 3}, LatentError),
    ):
        save_tensors(file, tensors, {"ager": json.dumps(known | changed)})
        with pytest.raises(error):
            read_ager(file)
    save_tensors(file, tensors, {})
    with pytest.raises(LatentError, match="is not an ager's file"):
        read_ager(file)


def test_the_editor_takes_it_before_the_direction(
    ager: StoredAger, small_folder: Path, tmp_path: Path, astronaut: np.ndarray
):
    folder = tmp_path / "with-ager"
    shutil.copytree(small_folder, folder)
    save_ager(ager, folder / AGE_AGER)
    seal(folder)
    editor = load(folder)
    assert isinstance(editor.required_ager(), LatentAger)
    result = editor.edit(astronaut, to=[20, 70], quality="fast")
    for edit, asked in zip(result.edits, (20, 70), strict=True):
        assert edit.faces[0].asked == asked
        assert edit.image.size == (256, 256)
    assert isinstance(load(folder, direction=folder / AGE_AGER).ager, LatentAger)
    assert isinstance(load(folder, ager=folder / AGE_AGER).ager, LatentAger)


def test_a_change_that_is_added_comes_from_the_encoders_code(
    ager: StoredAger, small_folder: Path, astronaut: np.ndarray
):
    editor = editor_with(ager, small_folder)
    encoder = Encoder(EncoderConfig(8, 32, 32, channels=(4,), blocks=(1,), hidden=8))
    space, on_codes = editor.latents, editor.required_ager()
    assert isinstance(on_codes, LatentAger)
    space.__dict__["encoder"] = encoder.eval().requires_grad_(False)  # what is cached there
    assert editor.search_of("best", "delta") == ProjectConfig(step=1, plateau=0)
    assert editor.search_of("best", "replace") == QUALITIES["best"]
    photo = as_photo(astronaut)
    (face,) = editor.invert(photo, editor.choose_faces(photo), config=ProjectConfig(step=3))
    code = space.encode([face.view.crop])
    assert not torch.equal(code, face.ws)
    strength = torch.tensor([2.0])

    def moved(ws: torch.Tensor) -> torch.Tensor:
        codes = on_codes.codes(replace(face, code=ws), face.own_age + 10 * strength)
        return space.synthesize(codes)

    added = moved(code) - space.synthesize(code)
    for seen in (face, face.with_code(face.ws + 0.3)):  # whatever else was done to the face
        for paste, wanted in (
            ("delta", added + space.synthesize(seen.ws) - face.base),
            ("replace", moved(seen.ws) - space.synthesize(seen.ws)),
        ):
            pasted = replace(seen, paste=paste)
            found = editor.trace(photo, [pasted]).search.change(pasted, strength).added
            assert torch.allclose(found, wanted, atol=1e-5)
        assert not torch.allclose(added, wanted, atol=1e-3)


def test_without_an_encoder_the_face_s_own_code_is_aged(
    ager: StoredAger, small_folder: Path, astronaut: np.ndarray
):
    editor = editor_with(ager, small_folder)
    space, on_codes = editor.latents, editor.required_ager()
    assert isinstance(on_codes, LatentAger)
    assert editor.search_of("fast", "delta") == QUALITIES["fast"]
    photo = as_photo(astronaut)
    (face,) = editor.invert(photo, editor.choose_faces(photo), config=ProjectConfig(step=3))
    search = editor.trace(photo, [face]).search
    codes = on_codes.codes(face, torch.tensor([face.own_age + 20]))
    wanted = space.synthesize(codes) - face.base
    found = search.change(face, torch.tensor([2.0])).added
    assert torch.allclose(found, wanted, atol=1e-5) and wanted.abs().max() > 1e-2
