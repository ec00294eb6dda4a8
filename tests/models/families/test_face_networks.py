"""ArcFace and DEX: what their own code makes of seeded weights, and files that are neither."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from reage.errors import ModelError
from reage.evaluation.arcface import ArcFaceRecogniser, load_arcface_recogniser
from reage.evaluation.second_age import load_second_age
from reage.faces.face import Face
from reage.models.families.face_networks import load_arcface, load_dex_age
from reage.models.inspecting import inspect_model
from reage.networks.judges.dex_age import DexAge
from seeded import seeded, seeded_picture

GOLDEN = Path(__file__).with_name("golden_face_networks.npz")  # widths of 16 to 48, and of 4 to 32


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN))


def shapes(golden: dict[str, np.ndarray], name: str) -> dict[str, list[int]]:
    return json.loads(golden[f"{name}/shapes"].tobytes())


def arcface_state(golden: dict[str, np.ndarray]) -> dict[str, Tensor]:
    known = shapes(golden, "arcface")
    return {name: torch.from_numpy(np.asarray(seeded(name, s))) for name, s in known.items()}


def dex_state(golden: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {
        name: torch.from_numpy(seeded(name.replace("-", "_"), s) * (2 if len(s) > 1 else 1))
        for name, s in shapes(golden, "dex").items()
    }


def save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.fixture
def picture() -> Tensor:
    return torch.from_numpy(seeded_picture("face", 256, 2))


@pytest.mark.parametrize("legacy", [False, True])
def test_descriptors_are_those_of_the_authors_code(
    golden: dict[str, np.ndarray], picture: Tensor, tmp_path: Path, legacy: bool
):
    file = tmp_path / "model_ir_se50.pth"
    torch.save(arcface_state(golden), file, _use_new_zipfile_serialization=not legacy)
    network = load_arcface(file)
    inner = torch.nn.functional.adaptive_avg_pool2d(picture[:, :, 35:223, 32:220], 112)
    found = network(inner)
    assert np.abs(found.numpy() - golden["arcface/descriptor"]).max() < 1e-4
    assert inspect_model(file).family == "IR-SE face recogniser"


def test_ages_are_those_of_sam_s_code(
    golden: dict[str, np.ndarray], picture: Tensor, tmp_path: Path
):
    file = save(tmp_path / "dex_age_classifier.pth", {"state_dict": dex_state(golden)})
    network = load_dex_age(file)
    logits = golden["dex/logits"]
    assert np.abs(network.logits(picture).numpy() - logits).max() < 1e-4 * np.abs(logits).max()
    assert np.abs(network.read(picture)[0].numpy() - golden["dex/ages"]).max() < 1e-2
    assert isinstance(load_second_age(file).network, DexAge)
    assert inspect_model(file).family == "DEX age network"


def test_the_recogniser_takes_the_face_out_of_ffhq_s_square(
    golden: dict[str, np.ndarray], tmp_path: Path, astronaut: np.ndarray
):
    file = save(tmp_path / "model_ir_se50.pth", arcface_state(golden))
    recogniser = load_arcface_recogniser(file)
    assert isinstance(recogniser, ArcFaceRecogniser)
    points = np.array([[110, 100], [150, 98], [130, 125], [115, 145], [148, 144]], float)
    found = recogniser.describe(astronaut, points)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    # The face counts, not where in the photo it is.
    moved = np.pad(astronaut, ((40, 0), (24, 0), (0, 0)), mode="edge")
    again = recogniser.describe(moved, points + np.array([24, 40]))
    other = recogniser.describe(astronaut[:, ::-1].copy(), Face.from_points(points).points)
    assert np.linalg.norm(found - again) < 0.2 * np.linalg.norm(found - other)


Load = Callable[[Path], object]


@pytest.mark.parametrize("load", [load_arcface, load_dex_age])
@pytest.mark.parametrize("content", [{}, [1], {"state_dict": {}}, {"x": torch.ones(3)}])
def test_other_contents_are_refused(load: Load, content: object, tmp_path: Path):
    with pytest.raises(ModelError, match=r"lacks|holds"):
        load(save(tmp_path / "file.pth", content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"body.3.res_layer.1.weight": torch.ones(24, 16, 3, 2)}, "do not belong together"),
        ({"extra": torch.ones(1)}, "unknown extra"),
        ({"output_layer.3.weight": torch.ones(1, 1, 1)}, "do not belong together"),
        ({"input_layer.0.weight": torch.ones(3)}, "pSp-like encoder|channels|belong together"),
        ({"body.1.res_layer.0.bias": torch.full((16,), torch.nan)}, "not finite"),
        ({"body.1.res_layer.0.bias": torch.ones(16, dtype=torch.int64)}, "torch.int64"),
        ({"body.1.res_layer.0.bias": torch.ones(1).expand(10**12)}, "damaged|larger"),
        ({"body.0.res_layer.1.weight": torch.ones(1).expand(9000, 1, 1, 1)}, "pSp-like encoder"),
    ],
)
def test_damaged_recognisers_are_refused(
    golden: dict[str, np.ndarray], change: dict[str, Tensor], message: str, tmp_path: Path
):
    with pytest.raises(ModelError, match=message) as caught:
        load_arcface(save(tmp_path / "file.pth", arcface_state(golden) | change))
    assert "\n" not in str(caught.value)


class Touch:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("load", [load_arcface, load_dex_age])
def test_code_is_refused_by_its_name(load: Load, tmp_path: Path):
    file = save(tmp_path / "file.pth", {"x": torch.ones(1), "y": Touch(tmp_path / "canary")})
    with pytest.raises(ModelError, match=r"asks for (posix|nt)\.system"):
        load(file)
    assert not (tmp_path / "canary").exists()
