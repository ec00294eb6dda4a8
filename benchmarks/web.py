"""How long the page takes: to the first aged picture, and for 1, 5 and 20 users of the slider.

Starts `reage serve` as a process of its own. The first table is of one user who opens one photo
after the other: what the server's processor works from the upload to the first picture of an older
face. `--before` names a checkout of an earlier commit, which is measured in turns with this one.

Then every user opens a photo and drags the slider: the next picture is asked for when the last one
has come, at most ten a second.

    git worktree add ../before 8bf3102
    python benchmarks/web.py ../shared/portraits/synthetic --before ../before --users 1 5 20
"""

from __future__ import annotations

import argparse
import json
import os
import re
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np

from serving import served

RAW = {"content-type": "application/octet-stream"}
PACE = 0.1  # seconds between two positions of the slider


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--users", type=int, nargs="*", default=[1, 5, 20])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--before", type=Path, metavar="CHECKOUT")
    parser.add_argument("--first", type=int, default=5, metavar="PHOTOS")
    options = parser.parse_args()
    photos = sorted(options.photos.glob("*.jpg"))
    first_pictures(photos[: options.first], options.before)
    if not options.users:
        return
    print("| users | open p50, s | first p50, s | slider p50, ms | p95, ms | a second | MB |")
    print("|---|---|---|---|---|---|---|")
    for count in options.users:
        print(measure(photos, count, options.seconds), flush=True)


def first_pictures(photos: list[Path], before: Path | None) -> None:
    """Print what a first aged picture takes, medians over photos, the two checkouts in turns."""
    checkouts = ([before] if before else []) + [Path(__file__).parent.parent]
    spent: dict[Path, list[tuple[float, float]]] = {checkout: [] for checkout in checkouts}
    with ExitStack() as stack:
        servers = {checkout: stack.enter_context(served(checkout)) for checkout in checkouts}
        for photo in photos:
            for checkout, (address, process) in servers.items():
                began, worked = time.monotonic(), processor_seconds(process)
                User(address, photo).open(quality="normal")
                now, busy = time.monotonic(), processor_seconds(process)
                spent[checkout].append((busy - worked, now - began))
    names = ["before", "now"][-len(checkouts) :]
    print("| upload to first aged picture | processor, s | most | waited for, s |")
    print("|---|---|---|---|")
    for name, found in zip(names, spent.values(), strict=True):
        busy, waited = np.array(found).T
        print(f"| {name} | {np.median(busy):.2f} | {busy.max():.2f} | {np.median(waited):.2f} |")
    if before is not None:
        one, other = (np.median(np.array(found)[:, 0]) for found in spent.values())
        print(f"| ratio | {one / other:.1f} | | |")
    print(flush=True)


def processor_seconds(pid: int) -> float:
    """What all threads of a process have worked so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(photos: list[Path], count: int, seconds: float) -> str:
    """One row of the table, of a fresh server."""
    with served() as (address, process):
        users = [User(address, photos[i % len(photos)]) for i in range(count)]
        at_once([user.open for user in users])
        end = time.monotonic() + seconds
        at_once([lambda user=user: user.drag(end) for user in users])
        memory = peak_memory(process)
    took = np.concatenate([user.took for user in users]) * 1000
    opened, first = (np.median([getattr(u, name) for u in users]) for name in ("opened", "first"))
    p50, p95 = np.percentile(took, [50, 95])
    rate = len(took) / seconds
    return (
        f"| {count} | {opened:.1f} | {first:.1f} | {p50:.0f} | {p95:.0f} | {rate:.1f} "
        f"| {memory:.0f} |"
    )


class User:
    """One visitor with a session of its own."""

    def __init__(self, address: str, photo: Path):
        self.client = httpx.Client(base_url=f"{address}api/v1", timeout=600)
        self.photo = photo
        self.opened = self.first = 0.0  # seconds to the faces, from there to an aged picture
        self.took: list[float] = []  # seconds of each picture

    def open(self, quality: str = "fast") -> None:
        """Open the photo, invert its face where that is needed, and look at an older one."""
        began = time.monotonic()
        answer = self.client.post(
            "/photos",
            params={"name": self.photo.name},
            content=self.photo.read_bytes(),
            headers=RAW,
        )
        photo = answer.raise_for_status().json()
        self.opened = time.monotonic() - began
        # What says nothing of inversions needs one.
        if "delta" in photo.get("inverting", ["delta"]):
            self.invert(photo, quality)
        self.face = photo["largest"]
        self.path = f"/photos/{photo['id']}/edited"
        (own,) = (face["age"] for face in photo["faces"] if face["number"] == self.face)
        age = min(own + 30, 80) if own <= 60 else own - 30  # as the page asks
        self.client.get(self.path, params={"ages": f"{self.face}:{age:.0f}"}).raise_for_status()
        self.first = time.monotonic() - began - self.opened

    def invert(self, photo: dict, quality: str) -> None:
        while True:  # the queue has bounds
            answer = self.client.post(f"/photos/{photo['id']}/invert", json={"quality": quality})
            if answer.status_code != 503:
                break
            time.sleep(1)
        job = answer.raise_for_status().json()
        while job["state"] not in ("done", "failed", "cancelled"):
            time.sleep(0.2)
            job = self.client.get(f"/jobs/{job['id']}").json()
        assert job["state"] == "done", json.dumps(job["error"])

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
