"""Claims on a Prefect server, which knows none: its Pending state stands for them, and it is said once what lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.http import HttpBackend
from orchestration.domain.settings import Settings
from orchestration.domain.states import StoredResult

POOL, FLOW = str(new_id()), str(new_id())


class Peer:
    """As much of a Prefect server as a worker asks for."""

    def __init__(self) -> None:
        self.runs = {str(new_id()): ["SCHEDULED"] for _ in range(2)}
        self.refused: set[str] = set()

    def document(self, run_id: str) -> dict[str, Any]:
        kind, now = self.runs[run_id][-1], utc_now().isoformat()
        policy = {"retries": 1, "retry_delay": 60}
        about = {"id": run_id, "name": "boar", "flow_id": FLOW, "flow_name": "f", "created": now, "run_count": 1}
        return {**about, "state": {"type": kind, "name": kind.title(), "id": run_id}, "empirical_policy": policy}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api")
        run_id = path.split("/")[2] if path.startswith("/flow_runs/") else ""
        if path.endswith("/get_scheduled_flow_runs"):
            due = [run_id for run_id, states in self.runs.items() if states[-1] == "SCHEDULED"]
            return httpx.Response(200, json=[{"flow_run": self.document(each)} for each in due])
        if path.endswith("/set_state"):
            kind = json.loads(request.content)["state"]["type"]
            if run_id in self.refused:
                return httpx.Response(200, json={"status": "ABORT", "details": {"reason": "It is Pending already."}})
            self.runs[run_id].append(kind)
            return httpx.Response(201, json={"status": "ACCEPT", "state": self.document(run_id)["state"]})
        if run_id in self.runs:
            return httpx.Response(200, json=self.document(run_id))
        answers: dict[str, Any] = {"/admin/version": "3.8.8", f"/flows/{FLOW}": {"id": FLOW, "name": "f"}}
        answers |= {"/work_pools/filter": [{"id": POOL, "name": "trips"}]}
        return httpx.Response(200, json=answers[path]) if path in answers else httpx.Response(404, json={})


@pytest.fixture
def peer() -> Peer:
    """A server with two runs that are due."""
    return Peer()


@pytest.fixture
def backend(peer: Peer, tmp_path: Path) -> HttpBackend:
    """A backend before it."""
    settings = Settings(tmp_path, api_url="http://127.0.0.1:4200/api", api_request_timeout=5)
    return HttpBackend(settings, StoredResult, httpx.MockTransport(peer))


def test_a_run_is_claimed_by_proposing_pending(
    backend: HttpBackend, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = peer.runs
    peer.refused.add(second)
    for _ in range(2):
        found = backend.claim_runs(UUID(POOL), (), 5, "w")
        assert [run["claim_id"] for run in found] in ([first], [])
    assert peer.runs[first] == ["SCHEDULED", "PENDING"]
    assert [record.getMessage().count("no leases") for record in caplog.records] == [1]


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        ("RUNNING", ["CRASHED", "SCHEDULED"]),
        ("CANCELLING", ["CANCELLED"]),
        ("PENDING", ["SCHEDULED"]),
        ("COMPLETED", []),
    ],
)
def test_what_a_process_left_is_proposed_by_its_worker(
    backend: HttpBackend, peer: Peer, kind: str, after: list[str]
) -> None:
    run_id = next(iter(peer.runs))
    peer.runs[run_id].append(kind)
    assert backend.renew_claims([UUID(run_id)]) == {UUID(run_id): kind}
    backend.end_claim(UUID(run_id))
    assert peer.runs[run_id] == ["SCHEDULED", kind, *after]
