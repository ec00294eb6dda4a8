"""What a client of the server does again and again."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from fastapi.testclient import TestClient as AnyClient
from PIL import Image

__all__ = [
    "API",
    "MARKED",
    "RAW",
    "TestClient",
    "finished",
    "inverted",
    "opened",
    "pixels",
    "until",
]

RAW = {"content-type": "application/octet-stream"}
API = "/api/v1"
MARKED = b"ompositeWithTrainedAlgorithmicMedia"  # the mark of synthetic media


class TestClient(AnyClient):
    """Asks the server by a name that it has."""

    __test__ = False

    def __init__(self, app: Any, **options: Any):
        super().__init__(app, **{"base_url": "http://127.0.0.1:7860", **options})


def opened(client: TestClient, data: bytes, name: str = "ada.png") -> dict[str, Any]:
    answer = client.post(f"{API}/photos", params={"name": name}, content=data, headers=RAW)
    assert answer.status_code == 200, answer.text
    return answer.json()


def inverted(client: TestClient, data: bytes, **asked: Any) -> dict[str, Any]:
    photo = opened(client, data)
    answer = client.post(f"{API}/photos/{photo['id']}/invert", json={"quality": "fast"} | asked)
    assert answer.status_code == 202, answer.text
    job = finished(client, answer.json()["id"])
    assert job["state"] == "done", job
    return job["result"]["photo"]


def finished(client: TestClient, job: str, seconds: float = 120) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = client.get(f"{API}/jobs/{job}").json()
        if state["state"] in ("done", "failed", "cancelled"):
            return state
        time.sleep(0.02)
    raise AssertionError(f"the job did not end: {state}")


def until(happened: Callable[[], object], seconds: float = 120) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
