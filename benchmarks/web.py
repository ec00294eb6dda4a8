"""How long the page takes: to the first aged picture, and for 1, 5 and 20 users of the slider.

Starts `reage serve` as a process of its own. The first table is of one user who opens one photo
after the other: what the server's processor works from the upload to the first picture of an older
face, and for the first step of the slider after it. `--before` names a checkout of an earlier
commit, which is measured in turns with this one.

Then every user opens a photo and drags the slider: the next picture is asked for when the last one
has come, at most ten a second. At last the first one drags while all others open their photos anew.

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
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np

from serving import served

RAW = {"content-type": "application/octet-stream"}
FIRST = ("upload to first aged picture", "processor, s", "most", "waited for, s",
         "next step: processor, s", "most", "waited for, s")  # fmt: skip
COLUMNS = ("users", "open p50, s", "first p50, s", "slider p50, ms", "p95, ms", "a second",
           "beside openers p50, ms", "p95, ms", "MB")  # fmt: skip
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
    checkouts = {"now": Path(__file__).parent.parent}
    if options.before:
        checkouts = {"before": options.before} | checkouts
    if options.first:
        first_pictures(photos[: options.first], checkouts)
    if not options.users:
        return
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for count in options.users:
        for name, checkout in checkouts.items():
            row = measure(checkout, photos, count, options.seconds)
            print(f"| {count}, {name} | {row} |", flush=True)


def first_pictures(photos: list[Path], checkouts: dict[str, Path]) -> None:
    """Print what a first aged picture takes, medians over photos, the checkouts in turns."""
    spent: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in checkouts}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(served(path)) for name, path in checkouts.items()}
        for photo in photos:
            for name, (address, process) in servers.items():
                user = User(address, photo)
                first = spent_on(lambda user=user: user.open(quality="normal"), process)
                spent[name].append((*first, *spent_on(user.step, process)))
    print(f"| {' | '.join(FIRST)} |\n{'|---' * len(FIRST)}|")
    for name, found in spent.items():
        median, most = np.median(found, 0), np.max(found, 0)
        row = (median[0], most[0], median[1], median[2], most[2], median[3])
        print(f"| {name} | {' | '.join(f'{seconds:.2f}' for seconds in row)} |")
    if len(checkouts) > 1:
        one, other = (np.median(found, 0) for found in spent.values())
        print(f"| ratio | {one[0] / other[0]:.1f} | | | {one[2] / other[2]:.1f} | | |")
    print(flush=True)


def spent_on(work: Callable[[], object], pid: int) -> tuple[float, float]:
    """Return what a process works while something is done, and how long that takes, seconds."""
    began, worked = time.monotonic(), processor_seconds(pid)
    work()
    return processor_seconds(pid) - worked, time.monotonic() - began


def processor_seconds(pid: int) -> float:
    """What all threads of a process have worked so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(checkout: Path, photos: list[Path], count: int, seconds: float) -> str:
    """One row of the table, of a fresh server."""
    with served(checkout) as (address, process):
        users = [User(address, photos[i % len(photos)]) for i in range(count)]
        at_once([user.open for user in users])
        end = time.monotonic() + seconds
        at_once([lambda user=user: user.drag(end) for user in users])
        took = np.concatenate([user.took for user in users]) * 1000
        opened, first = (np.median([getattr(u, of) for u in users]) for of in ("opened", "first"))
        beside = drag_beside(users) if count > 1 else "| "
        memory = peak_memory(process)
    p50, p95 = np.percentile(took, [50, 95])
    rate = len(took) / seconds
    return (
        f"{opened:.1f} | {first:.1f} | {p50:.0f} | {p95:.0f} | {rate:.1f} | {beside} | {memory:.0f}"
    )


def drag_beside(users: list[User]) -> str:
    """Let the first user drag while all others open their photos, and return p50 and p95, ms."""
    opening = threading.Thread(target=at_once, args=([user.open for user in users[1:]],))
    opening.start()
    users[0].took.clear()
    while opening.is_alive():
        users[0].drag(time.monotonic() + 1)
    p50, p95 = np.percentile(np.array(users[0].took) * 1000, (50, 95))
    return f"{p50:.0f} | {p95:.0f}"


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
        self.shown = round(age)
        self.client.get(self.path, params={"ages": f"{self.face}:{self.shown}"}).raise_for_status()
        self.first = time.monotonic() - began - self.opened

    def step(self) -> None:
        """Look at the age ten years below the first."""
        age = f"{self.face}:{self.shown - 10}"
        self.client.get(self.path, params={"ages": age}).raise_for_status()

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
        for age in np.random.default_rng(0).integers(10, 80, 10_000):
            began = time.monotonic()
            if began > end:
                return
            asked = {"ages": f"{self.face}:{age}", "rough": "true"}  # as the page does in a drag
            self.client.get(self.path, params=asked).raise_for_status()
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
