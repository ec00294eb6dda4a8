"""Fill networks with stored tensors, whose names and shapes must match."""

from __future__ import annotations

import math
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
MOST_VALUES = 600_000_000  # of a network; HyperStyle's, the largest known, has 330 million
SPARE = 10_000_000  # values that a network makes beside its weights
MAKERS = (torch.empty, torch.randn, torch.rand, torch.zeros, torch.ones)
INITIALIZERS = (nn.init.kaiming_uniform_, nn.init.uniform_, nn.init.normal_)


class Uninitialized(TorchFunctionMode):
    """Skip random initialisation of networks whose weights are about to be loaded.

    MemoryError before all that is made has more than `limit` values: a few bytes of a config can
    ask for any amount.

    The "meta" device would work too, but its first use imports torch's compiler: one more second
    at every start.
    """

    def __init__(self, limit: int = MOST_VALUES):
        super().__init__()
        self.limit = limit

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in MAKERS:
            self.limit -= _values(args, kwargs)
            if self.limit < 0:
                raise MemoryError("its config asks for more than its weights hold")
        if func in INITIALIZERS:  # torch.nn's layers are made empty, then filled in place
            return args[0] if args else kwargs["tensor"]
        return (torch.empty if func in (torch.randn, torch.rand) else func)(*args, **kwargs)


def _values(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """Return how many values a call of torch.empty and its like makes."""
    size = kwargs.get("size", args[0] if args else ())
    sizes = size if isinstance(size, Sequence) else args
    return math.prod(n for n in sizes if isinstance(n, int))


def build_empty(
    make: Callable[[], Network], *, source: str, held: Mapping[str, Shaped] | None = None
) -> Network:
    """Build a network whose weights are about to be loaded, from `held` if they are known.

    ModelError before it takes much more memory than they do.
    """
    limit = MOST_VALUES
    if held is not None:
        limit = min(2 * sum(math.prod(part.shape) for part in held.values()) + SPARE, limit)
    try:
        with Uninitialized(limit):
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
    for name, tensor in tensors.items():
        # aminmax lets NaN through and takes a fraction of the time of isfinite on all values.
        if tensor.numel() and not torch.stack(tensor.aminmax()).isfinite().all():
            raise ModelError(f"{source}: {name} has values that are not finite; it is broken")
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
