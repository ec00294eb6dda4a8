"""Run the same work on a Ray cluster: Ray Data passes the items to a pool of actors."""

from __future__ import annotations

import importlib.util
import logging
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from reage.errors import ReageError, UsageError
from reage.extras import how_to_install
from reage.jobs.processes import in_processes
from reage.threads import cores

__all__ = ["check_ray", "distribute", "keep_cluster", "on_cluster"]

Item = TypeVar("Item")
Made = TypeVar("Made")
MOST_BLOCKS = 2000  # parts of the items; a killed run loses one part per worker
CONNECT = 10  # seconds to wait for a cluster's answer
LOCAL_MEMORY = 128 << 20  # bytes of a local cluster's object store; items and answers are small


def check_ray(address: str) -> None:
    """Raise UsageError if Ray is not installed or the address is invalid."""
    if importlib.util.find_spec("ray") is None:
        raise UsageError(f"--ray needs Ray: {how_to_install('ray')}")
    host, _, port = address.rpartition(":")
    if address not in ("local", "auto") and not (host and port.isdecimal()):
        raise UsageError(f"--ray {address!r} is not understood; give local, auto or HOST:PORT")


def distribute(
    items: Sequence[Item],
    make: Callable[[], Callable[[Item], Made]],
    workers: int | None,
    ray: str | None,
) -> Iterator[Made]:
    """Process all items in local processes or, if `ray` is an address, on a cluster.

    Yields results as they finish. `workers` None: one per core. Each worker calls `make` once.
    """
    if ray is None:
        return in_processes(items, make, workers or cores())
    return on_cluster(items, make, ray, workers)


def on_cluster(
    items: Sequence[Item],
    make: Callable[[], Callable[[Item], Made]],
    address: str,
    workers: int | None,
) -> Iterator[Made]:
    """Process all items on a cluster; yields results as they finish.

    Each actor calls `make` once, before its first item. `address` is local (a temporary cluster
    on this machine), auto, or HOST:PORT. `workers` None: one actor per core.
    """
    check_ray(address)
    if not items:
        return
    with _connection(address, workers) as cores:
        import ray
        from ray.data import ActorPoolStrategy

        rows = [{"item": pickle.dumps(item)} for item in items]
        size = min(workers or cores, len(items))
        todo = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS)).map(
            _Actor,  # type: ignore[arg-type]
            fn_constructor_args=(make,),
            compute=ActorPoolStrategy(size=size),
            num_cpus=1,
        )
        with _plain_errors(address):
            for row in todo.iter_rows():
                answer = pickle.loads(row["made"])
                if isinstance(answer, BaseException):
                    raise answer
                yield answer


class _Actor:
    """One worker. It returns errors as answers, so that the caller can raise them unchanged."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]]):
        self.make = make
        self.work: Callable[[Any], Any] | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, bytes]:
        try:
            if self.work is None:
                import torch

                torch.set_num_threads(1)  # as in processes: sums come in the same order
                self.work = self.make()
            return {"made": pickle.dumps(self.work(pickle.loads(row["item"])))}
        except ReageError as error:
            return {"made": pickle.dumps(error)}


@contextmanager
def keep_cluster(address: str | None, workers: int | None) -> Iterator[None]:
    """Keep a cluster connection open across calls; do nothing without an address."""
    if address is None:
        yield
        return
    with _connection(address, workers):
        yield


@contextmanager
def _connection(address: str, workers: int | None) -> Iterator[int]:
    """Connect to a cluster unless already connected; yields its number of cores."""
    check_ray(address)
    import ray

    own = not ray.is_initialized()
    if own:
        _connect(address, workers)
    try:
        yield max(int(ray.cluster_resources().get("CPU", 1)), 1)
    finally:
        if own:
            ray.shutdown()


def _connect(address: str, workers: int | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    _check_reachable(address)
    options: dict[str, Any] = {}
    if address == "local":
        options = {
            "num_cpus": workers,
            "include_dashboard": False,
            "object_store_memory": LOCAL_MEMORY,
        }
    environment = {"env_vars": {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "20000"}}
    try:
        ray.init(
            address=address,
            logging_level=logging.ERROR,
            log_to_driver=False,
            configure_logging=True,
            runtime_env=environment,
            **options,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ReageError(f"{_UNREACHED.format(address)} ({_first_line(error)})") from error
    _quieten()


_UNREACHED = "no Ray cluster answers at {!r}: give the HOST:PORT of its head, auto, or local"


def _check_reachable(address: str) -> None:
    """Check that the cluster answers; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host:
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT).close()
        except (OSError, OverflowError) as error:
            raise ReageError(_UNREACHED.format(address)) from error


def _quieten() -> None:
    """Silence Ray's progress bars and logs."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def _plain_errors(address: str) -> Iterator[None]:
    """Turn errors of the cluster into a one-line ReageError."""
    from ray.exceptions import RayError

    try:
        yield
    except RayError as error:
        raise ReageError(
            f"the Ray cluster at {address!r} failed: {_first_line(error)}; give the same command "
            "again to resume"
        ) from error


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200].rstrip(".")
