"""How much memory `reage serve` takes: one large edit, picture bombs, twenty users (Linux).

A bomb is a small file of as many pixels as the server allows. All are sent again and again by
several clients at once. Each row is the most that was resident while it was measured.

    python benchmarks/web_memory.py ../shared/portraits/synthetic
"""

from __future__ import annotations

import argparse
import io
import re
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from reage.images.deep_png import encode_deep_png
from serving import served
from web import RAW, User, at_once, peak_memory

SIDE = 7000  # pixels: 49 of the 50 megapixels that are allowed
CLIENTS = 3
DRAGGED = 15  # seconds
SWEPT = 35  # seconds until free memory is given back


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--users", type=int, default=20)
    options = parser.parse_args()
    photos = sorted(options.photos.glob("*.jpg"))
    print("| what | answers | most, MB | some time later, MB |")
    print("|---|---|---|---|")
    with served() as (address, process):
        User(address, photos[0]).open()
        row("one small photo", process, lambda: User(address, photos[0]).open())
        row("one edit of 49 megapixels", process, lambda: edit(address, enlarged(photos[0])))
        row(f"bombs, {CLIENTS} at once", process, lambda: throw(address, bombs()))
        row("both at once", process, lambda: edit_under_bombs(address, enlarged(photos[0])))
    with served() as (address, process):
        users = [User(address, photos[i % len(photos)]) for i in range(options.users)]
        row(f"{len(users)} users", process, lambda: use(users))


def row(what: str, process: int, work: object) -> None:
    """Do something, and print the memory of the server meanwhile and afterwards."""
    Path(f"/proc/{process}/clear_refs").write_text("5")  # forget the peak so far
    told = work()  # type: ignore[operator]
    peak = peak_memory(process)
    time.sleep(SWEPT)
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    print(f"| {what} | {told or 'all'} | {peak:.0f} | {int(found[1]) >> 10} |", flush=True)


def enlarged(photo: Path) -> bytes:
    """A portrait of 49 megapixels."""
    file = io.BytesIO()
    with Image.open(photo) as image:
        image.convert("RGB").resize((SIDE, SIDE)).save(file, "JPEG", quality=80)
    return file.getvalue()


def edit(address: str, data: bytes) -> str:
    answer = httpx.post(
        f"{address}api/v1/edit", params={"to": 70}, content=data, headers=RAW, timeout=600
    )
    return str(answer.status_code)


def edit_under_bombs(address: str, data: bytes) -> str:
    """Edit a large photo while others send bombs."""
    answers: list[str] = []
    both = [lambda: edit(address, data), lambda: throw(address, bombs())]
    at_once([lambda work=work: answers.append(work()) for work in both])
    return "; ".join(sorted(answers))


def bombs() -> dict[str, bytes]:
    """Small files of many pixels, by kind."""
    made = {"png, 16 bit, RGBA": encode_deep_png(np.zeros((SIDE, SIDE, 4), np.uint16))}
    image = Image.new("RGB", (SIDE, SIDE))
    options = {
        "JPEG": {"progressive": True, "quality": 30},
        "PNG": {},
        "WEBP": {"quality": 10},
        "TIFF": {"compression": "tiff_adobe_deflate"},
        "GIF": {},
    }
    for kind, more in options.items():
        file = io.BytesIO()
        image.save(file, kind, **more)
        made[kind] = file.getvalue()
    return made


def throw(address: str, made: dict[str, bytes]) -> str:
    """Send each bomb from several clients at once; count the answers by status."""
    seen: list[int] = []

    def send() -> None:
        with httpx.Client(base_url=f"{address}api/v1", timeout=600) as client:
            seen.extend(client.post("/photos", content=data, headers=RAW).status_code
                        for data in made.values())  # fmt: skip

    at_once([send] * CLIENTS)
    return ", ".join(f"{seen.count(status)} x {status}" for status in sorted(set(seen)))


def use(users: list[User]) -> None:
    at_once([user.open for user in users])
    end = time.monotonic() + DRAGGED
    at_once([lambda user=user: user.drag(end) for user in users])


if __name__ == "__main__":
    main()
