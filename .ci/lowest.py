"""Print pyproject.toml's requirements at their lowest versions, for `make test-lowest`.

torch is left out: 2.6 is a download of some gigabytes where no CPU build is offered, so these tests
run with the torch of the test environment.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

EXTRAS = ("web", "video", "demo")  # what the chosen tests need
TOOLS = ("pytest", "httpx")  # of dev


def main() -> None:
    """Print one requirement a line."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for extra in EXTRAS for line in optional[extra])]
    wanted += [line for line in optional["dev"] if re.split("[<>=]", line)[0] in TOOLS]
    for line in wanted:
        if not line.startswith("torch>"):
            print(line.replace(">=", "==", 1))


if __name__ == "__main__":
    main()
