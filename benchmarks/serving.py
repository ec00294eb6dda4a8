"""`reage serve` as a process of its own, for as long as something is measured or shown."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """Start the server at a free port; gives its address and its process's number."""
    command = [sys.executable, "-m", "reage", "serve", "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+", server.stdout.readline())
            assert address is not None, "the server did not start"
            yield address[0], server.pid
        finally:
            server.terminate()
            server.wait(30)
