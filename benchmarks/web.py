"""How long the slider takes for 1, 5 and 20 users at once, and what memory the server has.

Starts `reage serve` as a process of its own. Every user opens a photo, has its face inverted, then
drags the slider: the next picture is asked for when the last one has come, at most ten a second.

    python benchmarks/web.py ../shared/portraits/synthetic --users 1 5 20
"""

from __future__ import annotations

import argparse
import json
import re
import threading
import time
from pathlib import Path

import httpx
import numpy as np

from serving import served

RAW = {"content-type": "application/octet-stream"}
PACE = 0.1  # seconds between two positions of the slider


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    photos = sorted(options.photos.glob("*.jpg"))
    print("| users | open p50, s | invert p50, s | slider p50, ms | p95, ms | a second | MB |")
    print("|---|---|---|---|---|---|---|")
    for count in options.users:
        print(measure(photos, count, options.seconds), flush=True)


def measure(photos: list[Path], count: int, seconds: float) -> str:
    """One row of the table, of a fresh server."""
    with served() as (address, process):
        users = [User(address, photos[i % len(photos)]) for i in range(count)]
        at_once([user.open for user in users])
        end = time.monotonic() + seconds
        at_once([lambda user=user: user.drag(end) for user in users])
        memory = peak_memory(process)
    took = np.concatenate([user.took for user in users]) * 1000
    opened, inverted = (
        np.median([getattr(u, name) for u in users]) for name in ("opened", "inverted")
    )
    p50, p95 = np.percentile(took, [50, 95])
    rate = len(took) / seconds
    return (
        f"| {count} | {opened:.1f} | {inverted:.1f} | {p50:.0f} | {p95:.0f} | {rate:.1f} "
        f"| {memory:.0f} |"
    )


class User:
    """One visitor with a session of its own."""

    def __init__(self, address: str, photo: Path):
        self.client = httpx.Client(base_url=f"{address}api/v1", timeout=600)
        self.photo = photo
        self.opened = self.inverted = 0.0  # seconds that these took
        self.took: list[float] = []  # seconds of each picture

    def open(self) -> None:
        began = time.monotonic()
        answer = self.client.post(
            "/photos",
            params={"name": self.photo.name},
            content=self.photo.read_bytes(),
            headers=RAW,
        )
        photo = answer.raise_for_status().json()
        self.opened = time.monotonic() - began
        while True:  # the queue has bounds
            answer = self.client.post(f"/photos/{photo['id']}/invert", json={"quality": "fast"})
            if answer.status_code != 503:
                break
            time.sleep(1)
        job = answer.raise_for_status().json()
        while job["state"] not in ("done", "failed", "cancelled"):
            time.sleep(0.2)
            job = self.client.get(f"/jobs/{job['id']}").json()
        assert job["state"] == "done", json.dumps(job["error"])
        self.inverted = time.monotonic() - began - self.opened
        self.face = photo["largest"]
        self.path = f"/photos/{photo['id']}/edited"

    def drag(self, end: float) -> None:
        ages = np.random.default_rng(0).integers(10, 80, 10_000)
        for age in ages:
            began = time.monotonic()
            if began > end:
                return
            self.client.get(self.path, params={"ages": f"{self.face}:{age}"}).raise_for_status()
            spent = time.monotonic() - began
            self.took.append(spent)
            time.sleep(max(0.0, PACE - spent))


def at_once(works: list) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def peak_memory(pid: int) -> float:
    """The most memory that a process has had, MB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
