"""What tests of the REST interface need there, made through it."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from orchestration.domain.schemas.wire import Document

UNKNOWN = "9b0d8d4e-3f0f-4a49-9a2b-0d6f2f1e0000"
"""An id that nothing has."""


class Made:
    """Makes what a test needs through the interface, and gives the documents."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def __call__(self, path: str, **fields: Any) -> Document:
        answer = self._client.post(path, json=fields)
        assert answer.status_code == 201, answer.text
        made: Document = answer.json()
        return made

    def flow_run(self, **fields: Any) -> Document:
        """A new run of the flow ``train``."""
        flow = self._client.post("flows/", json={"name": fields.pop("flow", "train")}).json()
        return self("flow_runs/", flow_id=flow["id"], **fields)

    def state(self, run_id: str, kind: str, **fields: Any) -> Document:
        """What the rules decide on a state for a flow run."""
        body = {"state": {"type": kind, **fields}}
        decided: Document = self._client.post(f"flow_runs/{run_id}/set_state", json=body).json()
        return decided
