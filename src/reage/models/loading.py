"""Fill networks with stored tensors, whose names and shapes must match."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from reage.errors import ModelError

__all__ = [
    "Shaped",
    "Uninitialized",
    "build_empty",
    "check_names",
    "check_shapes",
    "load_strictly",
]

Network = TypeVar("Network", bound=nn.Module)
INITIALIZERS = (nn.init.kaiming_uniform_, nn.init.uniform_, nn.init.normal_)


class Uninitialized(TorchFunctionMode):
    """Skip random initialisation of networks whose weights are about to be loaded.

    The "meta" device would work too, but its first use imports torch's compiler: one more second
    at every start.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in INITIALIZERS:  # torch.nn's layers are made empty, then filled in place
            return args[0] if args else kwargs["tensor"]
        return (torch.empty if func in (torch.randn, torch.rand) else func)(*args, **kwargs)


def build_empty(make: Callable[[], Network], *, source: str) -> Network:
    """Build a network whose weights are about to be loaded; ModelError if memory runs out."""
    try:
        with Uninitialized():
            return make()
    except (RuntimeError, MemoryError, OverflowError) as error:
        reason = (str(error).splitlines() or ["out of memory"])[0][:120]
        raise ModelError(f"{source} has sizes that no network can have: {reason}") from error


class Shaped(Protocol):
    """A tensor, or the description of a tensor that is not loaded."""

    @property
    def shape(self) -> Sequence[int]: ...


def load_strictly(network: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Load tensors into a network; ModelError unless all names and shapes match."""
    check_shapes(network, tensors, source=source)
    network.load_state_dict(dict(tensors), assign=True)


def check_shapes(network: nn.Module, tensors: Mapping[str, Shaped], *, source: str) -> None:
    """Raise ModelError unless tensors, loaded or not, have the network's names and shapes."""
    wanted = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    check_names(wanted, tensors, source)
    for name, shape in wanted.items():
        if tuple(tensors[name].shape) != shape:
            raise ModelError(
                f"{source}: {name} is {list(tensors[name].shape)}, "
                f"its config needs {list(shape)}; config and weights do not belong together"
            )


def check_names(wanted: Mapping[str, object], found: Mapping[str, object], source: str) -> None:
    """Raise ModelError unless both have the same keys."""
    for what, names in (
        ("lacks", sorted(wanted.keys() - found.keys())),
        ("has unknown", sorted(found.keys() - wanted.keys())),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ModelError(f"{source} {what} {names[0]}{more}; is it a model of another kind?")
