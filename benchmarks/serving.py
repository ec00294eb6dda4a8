"""`reage serve` as a process of its own, for as long as something is measured or shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(checkout: Path | None = None) -> Iterator[tuple[str, int]]:
    """Start the server at a free port; gives its address and its process's number.

    `checkout` is another one whose code is run.
    """
    command = [sys.executable, "-m", "reage", "serve", "--port", "0", "--no-open"]
    environment = dict(os.environ)
    if checkout is not None:
        environment["PYTHONPATH"] = str(checkout.resolve() / "src")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+", server.stdout.readline())
            assert address is not None, "the server did not start"
            yield address[0], server.pid
        finally:
            server.terminate()
            server.wait(30)
