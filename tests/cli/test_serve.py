"""`reage serve`: what it refuses before a model is loaded, and what others are told."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("uvicorn")
from reage.cli.main import main
from reage.cli.outputs.serve import _network_address, _tell_network


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--tls-key", "{0}/a.pem"], "--tls-key needs --tls-cert"),
        (["--tls-cert", "{0}/a.pem"], "No such file"),
        (["--tls-cert", "{0}/text.pem"], "not PEM, or not a pair"),
        (["--allow-host", "http://photos.lan"], "is not a name"),
        (["--host", "0.0.0.0"], "REAGE_PASSWORD"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    options: list[str], part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.pem").write_text("no certificate")
    with pytest.raises(SystemExit) as left:
        main(["serve", "--no-open", "--port", "0", *(o.format(tmp_path) for o in options)])
    told = capsys.readouterr().err
    assert left.value.code == 2 and told.count("\n") == 1 and part in told


def test_the_network_s_address_is_told_with_a_code_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("segno")
    _tell_network("http://192.0.2.7:7860/")
    assert capsys.readouterr().out == "In your network: http://192.0.2.7:7860/\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _tell_network("http://192.0.2.7:7860/")
    assert sum(line.count("█") for line in capsys.readouterr().out.splitlines()) > 100
    assert _network_address("192.0.2.7") == "192.0.2.7" and _network_address("0.0.0.0") != "0.0.0.0"
