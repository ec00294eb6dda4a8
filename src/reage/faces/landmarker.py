"""MediaPipe's face networks: BlazeFace finds faces, the attention mesh places 478 points.

LiteRT runs them: the library `mediapipe` links libEGL and libGLESv2 and imports OpenCV, which needs
libGL; a server has none of these. The files are the members of MediaPipe's face_landmarker.task.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reage.errors import ModelError
from reage.faces.sampling import sample_quad
from reage.terminal import quiet_stderr

__all__ = ["BlazeFace", "Detections", "FaceMesh", "LiteNetwork", "mediapipe_model", "overlap"]

ASSETS = Path(__file__).parent.parent / "assets" / "mediapipe"
DETECTOR_SIZE = 128  # px; box sizes are in units of this, whatever the picture's size
MESH_SIZE = 256  # px
NMS_IOU = 0.3
ROI_SCALE = 1.5


@dataclass(frozen=True)
class Detections:
    """Boxes of faces found by BlazeFace, best first."""

    boxes: np.ndarray  # [N, 4] x0, y0, x1, y1
    keypoints: np.ndarray  # [N, 6, 2] left eye, right eye, nose, mouth, left ear, right ear
    scores: np.ndarray  # [N]


class BlazeFace:
    """BlazeFace, short range (Bazarevsky et al., 2019): faces of 16 to 130 px in its input.

    The network is fully convolutional, so it reads a square of any side that 16 divides; the
    faces that it sees keep their size in pixels. Safe to call from several threads.
    """

    def __init__(self, side: int = DETECTOR_SIZE, num_threads: int = 1) -> None:
        assert side % 16 == 0, side
        content = mediapipe_model("face_detector.tflite")
        self._network = LiteNetwork(content, num_threads, (1, side, side, 3))
        self._anchors = _anchors(side)

    def __call__(self, rgb: np.ndarray, min_score: float = 0.5) -> Detections:
        """Find faces in a uint8 picture `[side, side, 3]`; boxes in its pixels."""
        x = rgb[None].astype(np.float32) / 127.5 - 1.0
        out = self._network(x)
        logits = np.clip(out["classificators"].reshape(-1), -80.0, 80.0)
        scores = 1.0 / (1.0 + np.exp(-logits))
        keep = scores >= min_score
        raw = out["regressors"].reshape(-1, 8, 2)[keep]  # centre, size, six keypoints
        anchors = self._anchors[keep][:, None]
        points = np.concatenate([raw[:, :1], raw[:, 2:]], axis=1) + anchors  # [N, 7, 2]
        half = raw[:, 1] / 2
        boxes = np.concatenate([points[:, 0] - half, points[:, 0] + half], axis=1)
        return _weighted_nms(boxes, points[:, 1:], scores[keep])


class FaceMesh:
    """MediaPipe's attention mesh (Grishchenko et al., 2020): 478 points in a square around a face.

    Safe to call from several threads.
    """

    def __init__(self, num_threads: int = 1) -> None:
        content = mediapipe_model("face_landmarks_detector.tflite")
        self._network = LiteNetwork(content, num_threads, (1, MESH_SIZE, MESH_SIZE, 3))

    def __call__(
        self, rgb: np.ndarray, centre: np.ndarray, side: float, roll: float
    ) -> tuple[np.ndarray, float]:
        """Return the points `[478, 3]` in pixels of `rgb`, and the probability of a face.

        The region read is a detection's square of this `side`, enlarged, and turned by the `roll`
        of the eyes in radians.
        """
        side = side * ROI_SCALE
        across = np.array([np.cos(roll), np.sin(roll)]) * side / MESH_SIZE  # one input pixel
        down = np.array([-across[1], across[0]])
        corner = centre - (across + down) * MESH_SIZE / 2
        # MediaPipe maps index 0 of the input, not its pixel's outer edge, to the region's corner.
        edge = corner - (across + down) / 2
        step_x, step_y = across * MESH_SIZE, down * MESH_SIZE
        quad = np.stack([edge, edge + step_y, edge + step_x + step_y, edge + step_x])
        pixels = sample_quad(rgb, quad, MESH_SIZE)
        out = self._network(pixels[None].astype(np.float32) / 255.0)
        mesh = out["Identity"].reshape(478, 3).astype(np.float64)
        xy = corner + mesh[:, :1] * across + mesh[:, 1:2] * down
        z = mesh[:, 2:] * side / MESH_SIZE
        logit = float(np.clip(out["Identity_1"].item(), -80.0, 80.0))
        return np.concatenate([xy, z], axis=1), 1.0 / (1.0 + float(np.exp(-logit)))


def mediapipe_model(name: str) -> bytes:
    """Read one of MediaPipe's networks, which come with reage; ModelError without it."""
    try:
        return (ASSETS / name).read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {ASSETS / name}: reinstall reage") from error


class LiteNetwork:
    """One LiteRT interpreter, which holds its tensors and so must be used by one call at a time."""

    def __init__(self, content: bytes, num_threads: int, shape: tuple[int, ...]) -> None:
        from ai_edge_litert.interpreter import Interpreter  # 0.1 s, only when a face is wanted

        # Its first interpreter prints "Created TensorFlow Lite XNNPACK delegate".
        with quiet_stderr():
            self._interpreter: Any = Interpreter(model_content=content, num_threads=num_threads)
            self._input = self._interpreter.get_input_details()[0]["index"]
            # Not strict: the model's file says 128 x 128, though nothing in it depends on that.
            self._interpreter.resize_tensor_input(self._input, shape, strict=False)
            self._interpreter.allocate_tensors()
        self._outputs = {d["name"]: d["index"] for d in self._interpreter.get_output_details()}
        self._lock = threading.Lock()

    def __call__(self, x: np.ndarray) -> dict[str, np.ndarray]:
        with self._lock:
            self._interpreter.set_tensor(self._input, x)
            self._interpreter.invoke()
            return {k: self._interpreter.get_tensor(i) for k, i in self._outputs.items()}


def _anchors(side: int) -> np.ndarray:
    """Centres of the anchors `[N, 2]`: two a cell at stride 8, six (three layers) at stride 16."""
    layers = []
    for stride, count in ((8, 2), (16, 6)):
        y, x = np.mgrid[: side // stride, : side // stride]
        cells = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride
        layers.append(np.repeat(cells, count, axis=0))
    return np.concatenate(layers)


def _weighted_nms(boxes: np.ndarray, keypoints: np.ndarray, scores: np.ndarray) -> Detections:
    """Average the boxes that overlap the best one, weighted by their scores (BlazeFace, 3.4)."""
    values = np.concatenate([boxes, keypoints.reshape(-1, 12)], axis=1)
    left = np.argsort(-scores, kind="stable")
    merged, best = [], []
    while left.size:
        near = overlap(boxes[left[0]], boxes[left]) > NMS_IOU
        near[0] = True  # a box of no area overlaps nothing, not even itself
        group = left[near]
        merged.append(np.average(values[group], axis=0, weights=scores[group]))
        best.append(scores[left[0]])
        left = left[~near]
    table = np.array(merged).reshape(-1, 16)
    return Detections(table[:, :4], table[:, 4:].reshape(-1, 6, 2), np.array(best))


def overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one box `[4]` with others `[N, 4]`."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return common / np.maximum(area - common, 1e-12)
