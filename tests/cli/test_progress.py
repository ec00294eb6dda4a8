"""Bars of the commands: one for each kind of work, and none where nobody looks."""

from __future__ import annotations

import io
import sys

import pytest

from reage.cli.shared.progress import StageBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(bar: StageBar) -> None:
    with bar:
        bar.update("faces", 6, 10)
        bar.update("faces", 8, 10)
        bar.write("a note")
        bar.update("people", 1, 0)


def test_every_kind_of_work_begins_anew(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    bar = StageBar("faces")
    work(bar)
    assert "faces:  80%" in terminal.getvalue() and "people: " in terminal.getvalue()
    assert (bar.bar.n, bar.bar.total) == (1, None)


@pytest.mark.parametrize(("resumed", "initial"), [(True, 5), (False, 0)])
def test_what_earlier_runs_did_takes_no_time(
    monkeypatch: pytest.MonkeyPatch, resumed: bool, initial: int
):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with StageBar(resumed=resumed) as bar:
        bar.update("faces", 6, 10)
        bar.update("faces", 8, 10)
        assert (bar.bar.initial, bar.bar.n, bar.bar.total) == (initial, 8, 10)


def test_no_bar_in_a_file(capsys: pytest.CaptureFixture[str]):
    work(StageBar("faces", resumed=True))
    assert capsys.readouterr() == ("", "a note\n")
