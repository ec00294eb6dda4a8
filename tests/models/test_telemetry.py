"""Nothing leaves the computer: runtimes that tell their makers of their use are kept from it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from made_fran import known_fran, save_graph

STRACE = shutil.which("strace")
OUTSIDE = re.compile(r"(connect|sendto|sendmmsg)\(.*(AF_INET|msg_iov)")
LATER = "import time; time.sleep(2)"  # it is told from a thread


def calls_outside(program: str, folder: Path) -> list[str]:
    """Run a program and list its system calls that reach for another computer."""
    log = folder / "calls"
    traced = [STRACE or "", "-f", "-e", "trace=connect,sendto,sendmmsg", "-o", str(log)]
    done = subprocess.run(
        [*traced, sys.executable, "-c", program], capture_output=True, text=True, cwd=folder,
        check=False,
    )  # fmt: skip
    if "ptrace" in done.stderr:
        pytest.skip("this machine lets nobody trace")
    assert done.returncode == 0, done.stderr
    return [line for line in log.read_text().splitlines() if OUTSIDE.search(line)]


@pytest.mark.skipif(STRACE is None, reason="needs strace")
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_no_runtime_looks_up_a_host(runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip(runtime)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    if runtime == "openvino":
        program = (
            "from reage.models.graphs import import_openvino; import_openvino(); "
            f"import openvino.tools.ovc; {LATER}"
        )
    else:
        graph = save_graph(known_fran(), tmp_path / "a.onnx")
        program = (
            "from pathlib import Path; from reage.models.graphs import open_graph; "
            f"open_graph(Path({str(graph)!r}), 'onnx'); {LATER}"
        )
    assert calls_outside(program, tmp_path) == []
    assert list((tmp_path / "temporary").iterdir()) == []
