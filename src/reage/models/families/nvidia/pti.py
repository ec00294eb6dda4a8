"""Generators that PTI tuned: `torch.save` of NVIDIA's whole module.

Such a file carries the source code of its classes. It is not run: the tensors are taken out of
what the pickle describes.
"""

from __future__ import annotations

from reage.errors import ModelError
from reage.models.families.converted import ConvertedGenerator
from reage.models.families.nvidia.network import PERSISTENT, from_network
from reage.models.pickles.interpreter import Record
from reage.models.pickles.torch_files import TorchFile

__all__ = ["is_module", "read_module"]

SIGN = PERSISTENT.rpartition(".")[2].encode()


def is_module(data: bytes) -> bool:
    """Whether a torch file holds a module of NVIDIA's code instead of tensors."""
    return SIGN in data


def read_module(file: TorchFile, source: str) -> ConvertedGenerator:
    """Read the generator of a file of `torch.save(G)` or `torch.save({"G_ema": G})`."""
    network = file.content
    if isinstance(network, dict):
        network = network.get("G_ema")
    if not isinstance(network, Record):
        raise ModelError(f"{source} holds no generator of NVIDIA's code; is it PTI's model file?")
    return from_network(network, source, size=file.size, source_format="pti")
