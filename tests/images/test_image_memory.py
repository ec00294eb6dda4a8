"""A decoded picture takes little more memory than its pixels, meanwhile and afterwards."""

from __future__ import annotations

import re
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.errors import ImageError
from reage.memory import do_and_return_memory

SIZE = (4000, 2500)
MOST = {"JPEG": 9.3, "PNG": 9.3, "GIF": 6.5, "WEBP": 14.0}  # bytes a pixel; 3 of them stay
CHILD = r"""
import re, sys
from pathlib import Path
from reage.images import decode_photo
def kilobytes(name):
    return int(re.search(name + r":\s+(\d+)", Path("/proc/self/status").read_text())[1])
for file in sys.argv[1:]:
    data = Path(file).read_bytes()
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmRSS")
    photo = decode_photo(data, file)
    print(file, kilobytes("VmHWM") - before, len(photo.pixels))
    del photo
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux only")
def test_pictures_are_decoded_within_bounds(tmp_path: Path):
    turned = Image.Exif()
    turned[0x0112] = 6
    files = []
    for size in ((8, 8), SIZE):  # with the first, libraries come too
        for kind in MOST:
            files.append(tmp_path / f"{size[0]}.{kind}")
            more = {"exif": turned} if kind == "JPEG" else {}
            Image.new("RGB", size).save(files[-1], kind, **more)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, *files], capture_output=True, text=True, check=True
    )
    told = re.findall(r"4000\.(\w+) (\d+) (\d+)", child.stdout)
    assert [kind for kind, _, _ in told] == list(MOST)
    for kind, kilobytes, height in told:
        assert int(height) == SIZE[0 if kind == "JPEG" else 1]
        assert int(kilobytes) * 1024 / np.prod(SIZE) < MOST[kind], (kind, kilobytes)


def test_an_error_that_is_kept_holds_no_picture():
    held = []

    def refuse(size: int) -> None:
        picture = np.zeros(size)
        held.append(weakref.ref(picture))
        raise ImageError("no")

    with pytest.raises(ImageError) as kept:
        do_and_return_memory(refuse, 1000)
    assert str(kept.value) == "no" and held[0]() is None
    assert do_and_return_memory(lambda: 5) == 5
