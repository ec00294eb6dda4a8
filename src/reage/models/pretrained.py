"""Third-party networks whose weights ship with reage: nothing is downloaded."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from reage.errors import ModelError
from reage.models.files import load_tensors
from reage.models.loading import load_strictly
from reage.models.pickles.files import load_all, read_torch_file, refuse_code, state_dict_of
from reage.networks.agers.skin_removal import BeardRemovalNetwork, SkinRemovalNetwork
from reage.networks.judges.age import AgeNetwork
from reage.networks.judges.age_features import AgeFeatures
from reage.networks.judges.age_reader import AgeReader
from reage.networks.judges.efficientnet import EfficientNetLite0
from reage.networks.judges.gender import GenderNetwork
from reage.networks.judges.likeness import FeatureLikeness
from reage.networks.judges.perceptual import EfficientNetDistance, VGGDistance
from reage.networks.occlusion import OcclusionNetwork

__all__ = [
    "BEARD_REMOVAL",
    "DETAIL",
    "OCCLUSION_FILE",
    "SKIN_REMOVAL",
    "load_age_network",
    "load_age_reader",
    "load_beard_removal",
    "load_efficientnet",
    "load_gender_network",
    "load_likeness",
    "load_occlusion",
    "load_perceptual",
    "load_skin_removal",
    "removal_file",
]

Network = TypeVar("Network", bound=nn.Module)
ASSETS = Path(__file__).parent.parent / "assets"
# The generator faces128's average face in the age network's square, [1, 3, 128, 128].
AVERAGE_FACE = ASSETS / "average_face.safetensors"
# Of skin detail: the bank of exemplars, and the networks that remove detail.
DETAIL, SKIN_REMOVAL, BEARD_REMOVAL = ASSETS / "detail", "removal.safetensors", "beards.safetensors"
OCCLUSION, OCCLUSION_FILE = ASSETS / "occlusion", "occlusion.safetensors"
VGG16_FILE = "vgg16-397923af.pth"  # torchvision's name for the ImageNet weights


@cache
def load_age_network() -> AgeNetwork:
    """Load dlib-models' apparent-age network; frozen, float32."""
    return _load_asset(AgeNetwork(), "dlib/age.safetensors")


@cache
def load_age_reader() -> AgeReader:
    """Load the mean of two apparent-age networks; frozen, float32."""
    second = _load_asset(AgeFeatures(), "age/features.safetensors")
    return _freeze(AgeReader(load_age_network(), load_efficientnet(), second))


@cache
def load_gender_network() -> GenderNetwork:
    """Load dlib-models' gender network; frozen, float32."""
    return _load_asset(GenderNetwork(), "dlib/gender.safetensors")


@cache
def load_efficientnet() -> EfficientNetLite0:
    """Load EfficientNet-Lite0's ImageNet features; frozen, float32."""
    return _load_asset(EfficientNetLite0(), "efficientnet/lite0.safetensors")


@cache
def load_occlusion(folder: Path | None = None) -> OcclusionNetwork:
    """Load the network that sees what covers a face, on EfficientNet's features; frozen.

    That of a folder (`reage train occlusion`), or the embedded one. Raises ModelError.
    """
    folder = OCCLUSION if folder is None else folder
    if not (folder / OCCLUSION_FILE).is_file():
        raise ModelError(f"{folder} is not a folder of reage train occlusion: no {OCCLUSION_FILE}")
    network = OcclusionNetwork(load_efficientnet())
    _load_asset(network.decoder, folder / OCCLUSION_FILE)
    return _freeze(network)


@cache
def load_beard_removal(folder: Path | None = None) -> BeardRemovalNetwork:
    """Load the network that takes beards off; frozen, float32.

    That of a folder of skin detail if it holds one, else the embedded one. Raises ModelError.
    """
    return _load_asset(BeardRemovalNetwork(), removal_file(folder, BEARD_REMOVAL))


@cache
def load_skin_removal(folder: Path | None = None) -> SkinRemovalNetwork:
    """Load the network that makes old skin look young, as `load_beard_removal` does."""
    return _load_asset(SkinRemovalNetwork(), removal_file(folder, SKIN_REMOVAL))


def removal_file(folder: Path | None, name: str) -> Path:
    """Return a removal network's file in a folder of skin detail, or the embedded one."""
    if folder is not None and (folder / name).is_file():
        return folder / name
    return DETAIL / name


def load_likeness(device: torch.device) -> FeatureLikeness:
    """Load the likeness, with the average face's features that it takes away; frozen."""
    average = load_tensors(AVERAGE_FACE)[0]["average"].float().to(device)
    with torch.no_grad():
        return FeatureLikeness(load_efficientnet().to(device), average)


def load_perceptual(vgg16: Path | None = None) -> EfficientNetDistance | VGGDistance:
    """Load LPIPS-VGG where its weights are given or cached, else EfficientNet-Lite0's distance.

    `vgg16` is torchvision's file of VGG16; without it, torch's own cache is looked into. The
    linear weights come from the package `lpips`, when it is installed. Which one was taken is
    the result's `name`. Raises ModelError when a file that was given cannot be used.
    """
    file = vgg16 or Path(torch.hub.get_dir()) / "checkpoints" / VGG16_FILE
    linear = _lpips_linear_file()
    if vgg16 is None and (not file.is_file() or linear is None):
        return EfficientNetDistance(load_efficientnet())
    if linear is None:
        raise ModelError(
            f"{file} was given, but the linear weights of LPIPS are missing; "
            "run: pip install --no-deps lpips"
        )
    network = VGGDistance()
    try:
        network.load_published(_torch_weights(file), _torch_weights(linear))
    except (ModelError, RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[0][:200]
        raise ModelError(f"{file} is not torchvision's VGG16 ({VGG16_FILE}): {reason}") from error
    return _freeze(network)


def _torch_weights(file: Path) -> dict[str, Tensor]:
    """Load a state dict; torch's own loader answers a hostile one with advice to run it."""
    found = read_torch_file(file)
    refuse_code(found, str(file))
    return load_all(state_dict_of(found, str(file)), found, str(file))


def _lpips_linear_file() -> Path | None:
    spec = importlib.util.find_spec("lpips")
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / "weights" / "v0.1" / "vgg.pth"
    return file if file.is_file() else None


def _load_asset(network: Network, file: str | Path) -> Network:
    """Load a network from a file in the assets, or from one somewhere else."""
    tensors, _ = load_tensors(ASSETS / file)
    load_strictly(network, {k: t.float() for k, t in tensors.items()}, source=str(file))
    return _freeze(network)


def _freeze(network: Network) -> Network:
    return network.eval().requires_grad_(False)
