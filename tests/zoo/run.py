"""The zoo: odd and hostile inputs, made from seeds, and what `reage` says of each.

    python tests/zoo/run.py                 all, on all cores; prints a table and what failed
    python tests/zoo/run.py --share         a twentieth of them
    python tests/zoo/run.py --only points   those whose kind or name contains a word; shows all

Each case runs the command line in a forked process: one line of complaint on stderr, exit code 1
or 2 (0 where the input is in fact valid), below 30 s and 4 GB, nothing left, nothing executed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("", "models", "models/families"))]

SHARE = 20  # every twentieth case of a kind
# Of these, every so many: sound lists and datasets take seconds each.
RARER = {"checkpoints": 144, "runs": 80, "datasets": 60, "ZIPs and lists": 60}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", action="store_true", help="every twentieth case")
    parser.add_argument("--only", default="", help="a word in the kind or the name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seed", type=int, default=0, help="of the damaged checkpoints")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = Path(tempfile.mkdtemp(prefix="zoo"))
    try:
        return _run(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(options: argparse.Namespace, folder: Path) -> int:
    from cases import all_cases, warm_up
    from runner import Verdict, judge_all

    warm_up()
    (folder / "ground").mkdir()
    with warnings.catch_warnings(action="ignore"):  # of what makes the odd tensors
        made = list(all_cases(folder / "ground", options.seed))
    cases = [c for c in made if options.only in f"{c.kind}/{c.name}"]
    if options.share:
        seen: Counter[str] = Counter()
        cases = [
            case
            for case in cases
            if seen.update([case.kind]) or seen[case.kind] % RARER.get(case.kind, SHARE) == 1
        ]
    if options.list:
        print("\n".join(f"{case.kind}/{case.name}" for case in cases))
        return 0
    began = time.perf_counter()
    tried: Counter[str] = Counter()
    passed: Counter[str] = Counter()

    def each(verdict: Verdict) -> None:
        case = verdict.case
        tried[case.kind] += 1
        passed[case.kind] += not verdict.faults
        if verdict.faults or options.only:
            what = "; ".join(verdict.faults) or "passed"
            lines = verdict.said.strip().splitlines() or [""]
            print(
                f"{case.kind}/{case.name}: {what} ({verdict.seconds:.1f} s, "
                f"{verdict.megabytes} MB)\n    {' '.join(case.argv)[:150]}"
            )
            shown = lines if len(lines) < 6 else [*lines[:2], "...", *lines[-3:]]
            print("".join(f"    | {line[:250]}\n" for line in shown if line), end="", flush=True)

    (folder / "work").mkdir()
    judge_all(cases, folder / "work", options.jobs, each)
    print("\n| kind | inputs | passed |\n|---|---|---|")
    for kind in tried:
        print(f"| {kind} | {tried[kind]} | {passed[kind]} |")
    print(f"| all | {tried.total()} | {passed.total()} |")
    print(f"\n{time.perf_counter() - began:.0f} s")
    return int(passed.total() < tried.total())


if __name__ == "__main__":
    sys.exit(main())
