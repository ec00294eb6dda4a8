"""The networks that rate the pictures, loaded once; missing ones are reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reage.compositing.view import crop_for_age, read_age
from reage.editor import Editor
from reage.errors import ModelError
from reage.evaluation.arcface import load_arcface_recogniser
from reage.evaluation.looks import Look, bridge_edges, smile, tone
from reage.evaluation.recogniser import FaceRecogniser, load_recogniser
from reage.evaluation.second_age import HOW_TO_GET, SecondAge, find_second_age, load_second_age
from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.faces.squares import crop_face, face_quad
from reage.images import to_tensor
from reage.models.checkpoints import Alignment
from reage.models.pretrained import load_age_reader, load_efficientnet, load_gender_network
from reage.networks.judges.age_reader import AgeReader
from reage.networks.judges.dex_age import DexAge
from reage.networks.judges.gender import GenderNetwork
from reage.networks.judges.xception_age import XceptionAge

__all__ = ["Judges", "feature_spaces", "load_judges"]

# The square that both of dlib's and face-api's small networks were tried on: the dataset's own.
SQUARE = Alignment(scale=0.70, shift=0.22)
SIDE = 128  # pixels of it
FFHQ = Alignment()  # DEX was tried on
FFHQ_SIDE = 256
BATCH = 64

Describe = Callable[[np.ndarray], np.ndarray]  # pictures [N, H, W, 3] uint8 -> features [N, D]


@dataclass(frozen=True, eq=False)
class Judges:
    """The networks that rate a picture."""

    detector: FaceDetector
    age: AgeReader  # the network that steers the edits
    gender: GenderNetwork
    second: SecondAge | None
    recogniser: FaceRecogniser | None
    missing: tuple[str, ...] = ()  # what is left out of the report, and how to have it

    def find(self, rgb: np.ndarray) -> Face | None:
        """Detect the largest face of a photo `[H, W, 3]`."""
        return next(iter(self.detector.detect(rgb)), None)

    def look(self, rgb: np.ndarray, face: Face) -> Look:
        """Measure a face in a photo at its position in the unedited photo.

        Only smile and pose come from a new detection in this picture.
        """
        age = read_age(self.age, self._tensor(crop_for_age(rgb, face).image)).age
        quad = face_quad(face, SQUARE.scale, SQUARE.shift)
        square = self._tensor(crop_face(rgb, quad, SIDE).image)
        found = self.find(rgb)
        with torch.no_grad():
            male = float(self.gender(square)[0])
        second, second_male = self._second(rgb, face, square)
        known = self.recogniser
        descriptor = None if known is None else known.describe(rgb, face.points)
        attributes = {
            "gender": male,
            "second_gender": second_male,
            "skin": tone(rgb, face.points),
            "smile": smile(found) if found else None,
            "yaw": found.pose[0] if found else None,
            "pitch": found.pose[1] if found else None,
            "glasses": bridge_edges(rgb, face.points),
        }
        return Look(age, second, descriptor, attributes)

    @torch.no_grad()
    def _second(
        self, rgb: np.ndarray, face: Face, square: Tensor
    ) -> tuple[float | None, float | None]:
        """Return age and probability of male by the second network; None where it has none."""
        if self.second is None:
            return None, None
        network = self.second.network
        if isinstance(network, DexAge):
            ffhq = crop_face(rgb, face_quad(face, FFHQ.scale, FFHQ.shift), FFHQ_SIDE).image
            return float(network.read(self._tensor(ffhq))[0]), None
        age, male = network.read(square)
        return float(age[0]), float(male[0])

    def _tensor(self, image: np.ndarray) -> Tensor:
        return to_tensor(image).to(self.age.ages.device)


def load_judges(
    editor: Editor, second_age: Path | None = None, identity: Path | None = None
) -> Judges:
    """Load all available networks; ModelError if a given file cannot be used."""
    missing = []
    file = second_age or find_second_age()
    if file is None:
        missing.append(f"no second age network: {HOW_TO_GET}")
    second = None if file is None else load_second_age(file)
    try:
        recogniser = load_arcface_recogniser(identity) if identity else load_recogniser()
    except ModelError as error:
        if identity is not None:
            raise
        recogniser = None
        missing.append(f"no identity: {error}")
    place = editor.device
    if second is not None:
        second.network.to(place)
    networks = (load_age_reader().to(place), load_gender_network().to(place))
    return Judges(editor.detector, *networks, second, recogniser, tuple(missing))


def feature_spaces(judges: Judges, points: np.ndarray | None) -> Mapping[str, Describe]:
    """Return the feature spaces of FID and KID: name -> features of aligned crops.

    `points` `[5, 2]`, in sides of the crop, is where faces have theirs: a made picture is not
    left out because no face is found in it.
    """
    efficientnet = load_efficientnet().to(judges.age.ages.device)
    spaces = {"EfficientNet-Lite0": _in_batches(lambda x: efficientnet(x)[-1].mean((2, 3)), judges)}
    if judges.second is not None and isinstance(judges.second.network, XceptionAge):
        spaces[judges.second.network.name] = _in_batches(judges.second.network.features, judges)
    recogniser = judges.recogniser
    if recogniser is not None and points is not None:

        def describe(pictures: np.ndarray) -> np.ndarray:
            places = points * pictures.shape[1] - 0.5
            return np.stack([recogniser.describe(picture, places) for picture in pictures])

        spaces[recogniser.name] = describe
    return spaces


def _in_batches(network: Callable[[Tensor], Tensor], judges: Judges) -> Describe:
    @torch.no_grad()
    def describe(pictures: np.ndarray) -> np.ndarray:
        parts = np.array_split(pictures, -(-len(pictures) // BATCH))
        found = [network(to_tensor(part).to(judges.age.ages.device)) for part in parts]
        return torch.cat(found).float().cpu().numpy()

    return describe
