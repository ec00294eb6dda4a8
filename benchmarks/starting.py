"""Start-up: whole processes that import, print the help, or load the model.

    python benchmarks/starting.py --json starting.json

In turns; torch's own import is what the others are compared with. The first edit, from the start of
the process to the file, is in `edit.py`.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from timing import Row, clocked, in_turns, line, parser, save

PROGRAMS = {
    "import torch": "import torch",
    "import reage": "import reage",
    "reage --help": "from reage.cli import main; main(['--help'])",
    "import reage.editor": "import reage.editor",
    "load the model": "import reage; reage.load()",
    "load its encoder and its loss too": "import reage; e = reage.load(); e.encoder; e.perceptual",
}


def main() -> None:
    options = parser(__doc__).parse_args()
    works = {name: clocked(partial(start, program)) for name, program in PROGRAMS.items()}
    seconds, done = in_turns(works, options.turns, options.seconds)
    rows = [Row("start of a process", seconds, done)]
    print(line(rows[0]))
    save(rows, options.json)


def start(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


if __name__ == "__main__":
    main()
