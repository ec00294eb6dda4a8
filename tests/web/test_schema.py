"""The API answers what openapi.json says, whatever it is asked: schemathesis over all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

pytest.importorskip("uvicorn")
schemathesis = pytest.importorskip("schemathesis")
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from loopback import listening
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from web_client import API, RAW

from reage.editor import Editor
from reage.web.app import create_app
from reage.web.settings import ServerSettings

pytestmark = pytest.mark.slow

PLENTY = 10**9
# A file of any bytes is no photo, and further parameters are ignored.
NOT_PROMISED = [positive_data_acceptance, negative_data_rejection]
EXAMPLES = 12  # of a route and mode
LIMITS = ServerSettings(requests_a_minute=PLENTY, uploads_a_minute=PLENTY, jobs_each=3)


@pytest.fixture(scope="module")
def address(small_editor: Editor) -> Iterator[str]:
    with listening(create_app(small_editor, LIMITS)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def described(address: str) -> Any:
    return schemathesis.openapi.from_url(f"{address}{API}/openapi.json")


@pytest.fixture(scope="module")
def visitor(address: str, portrait: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """The cookies of a session, and what it has: an open photo and a job."""
    import httpx

    with httpx.Client(base_url=address, timeout=60) as client:
        photo = client.post(f"{API}/photos", content=portrait, headers=RAW).json()["id"]
        job = client.post(f"{API}/photos/{photo}/invert", json={"quality": "fast"}).json()["id"]
        client.get(f"{API}/jobs/{job}/events")
        return dict(client.cookies), {"photo_id": photo, "job_id": job}


MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.lower())
def test_every_answer_is_as_described(
    described: Any, visitor: tuple[dict[str, str], dict[str, str]], mode: Any
) -> None:
    findings = []
    for found in described.get_all_operations():
        operation = found.ok()
        try:
            try_out(operation, mode, *visitor)
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - shown together
            findings.append(f"{operation.label}: {type(error).__name__} {error}"[:1500])
    assert not findings, "\n\n".join(findings)


def try_out(operation: Any, mode: Any, cookies: dict[str, str], own: dict[str, str]) -> None:
    """Ask one route many things, mostly about what the visitor has."""

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        theirs = cookies if not case.path.endswith("/session") else {}  # which would be closed
        if case.method != "DELETE":
            for name in own.keys() & case.path_parameters.keys():
                case.path_parameters[name] = own[name]
        case.call_and_validate(cookies=theirs, timeout=60, excluded_checks=NOT_PROMISED)

    with suppress(Unsatisfiable):  # nothing can be wrong about it
        ask()
