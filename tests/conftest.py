"""A small generator, its model folder with an age direction, and a real face."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from made import SMALL, Command, make_generator, random
from reage.agers.direction import Direction
from reage.agers.direction_files import save_direction
from reage.agers.finder import AGE_DIRECTION
from reage.cli import main
from reage.compositing.cover import Cover
from reage.compositing.hair.segmentation import Hair
from reage.editor import QUALITIES, Editor, load
from reage.editor.parts import Parts
from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.images import Photo
from reage.models.checkpoints import Alignment, Model, ModelConfig, load_model, save_model, seal
from reage.models.pretrained import load_efficientnet
from reage.networks.judges.perceptual import EfficientNetDistance
from reage.networks.stylegan2.generator import Generator
from reage.search.looker import Looker

# One thread: the sums come in one order, and tests that share a machine do not wait for another.
torch.set_num_threads(1)
# The same examples in each run, however busy the machine is.
settings.register_profile("reage", deadline=None, derandomize=True, max_examples=60, database=None)
settings.load_profile("reage")


@pytest.fixture(scope="session")
def small() -> Generator:
    return make_generator(SMALL)


@pytest.fixture(scope="session")
def small_folder(small: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small"
    config = ModelConfig("small", small.config, Alignment(0.7, 0.22), data="noise", licence="CC0")
    save_model(config, small, folder, card="# small\nA card.\n", dtype=torch.float32)
    vector = random(small.num_ws, small.config.w_dim, seed=3) / 4
    generator_hash = load_model(folder).generator_hash
    direction = Direction("age", vector, generator_hash=generator_hash, span=(-3.0, 3.0))
    save_direction(direction, folder / AGE_DIRECTION)
    seal(folder)
    return folder


@pytest.fixture(scope="session")
def small_model(small_folder: Path) -> Model:
    return load_model(small_folder)


@pytest.fixture(scope="session")
def distance() -> EfficientNetDistance:
    return EfficientNetDistance(load_efficientnet())


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A public-domain portrait, cut to what surrounds the face, `[256, 256, 3]` uint8."""
    data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(data.astronaut()[:256, 96:352])


@pytest.fixture(scope="session")
def editor() -> Editor:
    """The embedded model."""
    return load("faces128", device="cpu", precision="float32")


@pytest.fixture(scope="session", autouse=True)
def hair_found_once() -> Iterator[None]:
    """Editors know the hair of the last faces in this process: finding it is a third of an edit.

    That it is the same each time is tested beside it.
    """
    find_hair = Parts.find_hair
    known: dict[bytes, tuple[Hair | None, list[str]]] = {}

    def find_again(
        editor: Parts,
        photo: Photo,
        face: Face,
        cover: Cover | None = None,
        notes: list[str] | None = None,
    ) -> Hair | None:
        if type(editor.detector) is not FaceDetector:
            return find_hair(editor, photo, face, cover, notes)
        finders, pixels = editor.hair_finders, photo.pixels
        made_by = finders.person.sha256, finders.hair.sha256, finders.colour
        shape = pixels.shape, pixels.dtype.str
        key = hashlib.sha256(pickle.dumps((pixels.tobytes(), shape, face, cover, made_by))).digest()
        hair, said = known.pop(key, (None, None))
        if said is None:
            said = []
            hair = find_hair(editor, photo, face, cover, said)
        known[key] = hair, said
        if len(known) > 8:
            del known[next(iter(known))]
        if notes is not None:
            notes += said
        return hair

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parts, "find_hair", find_again)
        yield


@pytest.fixture
def reage_command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `reage` with its arguments in this process."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        assert "Traceback" not in err
        return caught.value.code, out, err

    return run


@pytest.fixture
def two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inversions of any quality take two steps."""
    for name, config in QUALITIES.items():
        monkeypatch.setitem(QUALITIES, name, replace(config, step=2))  # type: ignore[arg-type]


@pytest.fixture
def any_likeness(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search goes on however unlike a face gets: what tiny models make is like nobody."""
    assert Looker.trace.__kwdefaults__ is not None
    monkeypatch.setitem(Looker.trace.__kwdefaults__, "least", -2.0)
