"""``HttpBackend``: a server that speaks Prefect's REST interface, ours or theirs, as the place where runs are kept.

A Prefect server knows no claims: there that on a run is its Pending state, and the id of the claim that of the run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate, groupby
from operator import itemgetter
from typing import Any
from uuid import UUID, uuid5

from orchestration.backend.clock import DICE, new_id, utc_now
from orchestration.backend.http_catalog import ALL, PLACES, HttpCatalog
from orchestration.backend.http_transport import encoded, httpx, retry_after
from orchestration.backend.port import Documents
from orchestration.backend.spool import Entry
from orchestration.domain import errors, rules
from orchestration.domain.schedules import left_behind
from orchestration.domain.schemas import catalog, filters, runs, wire
from orchestration.domain.settings import Settings
from orchestration.domain.states import Pending, State

# The most that a request holds, besides a line that is longer.
BODY_BYTES = 1_000_000
_LOG_FIELDS = ("name", "level", "message", "timestamp", "flow_run_id", "task_run_id")
# What servers take.
LEAST_LEASE_SECONDS, MOST_LEASE_SECONDS = 60.0, 86_400.0
_LIMITS, _LOCKED = "/v2/concurrency_limits", 423
_log = logging.getLogger("orchestration")


class HttpBackend(HttpCatalog):
    """Once a run was made, an outage of the server up to a limit fails nothing: methods wait, and records spool."""

    def __init__(self, settings: Settings, revive: wire.Revive, transport: httpx.BaseTransport | None = None) -> None:
        super().__init__(settings, transport)
        self._revive = revive
        self._flow_ids: dict[str, UUID] = {}
        self._leases: dict[UUID, str] = {}

    # -- runs --------------------------------------------------------------------------------------------------------

    def create_flow_run(self, run: runs.FlowRun) -> runs.FlowRun:
        """Store a run of the flow ``run.flow_name``; sent again, it is known by its idempotency key."""
        if run.flow_name not in self._flow_ids:
            self._flow_ids[run.flow_name] = UUID(self.ask("POST", "/flows/", {"name": run.flow_name})["id"])
        if run.parent_task_run_id is not None and not self.is_ours:
            self._announce(run.parent_task_run_id)
        names = PLACES["flow_runs"]["sent"] + (PLACES["flow_runs"]["sent_to_ours"] if self.is_ours else [])
        document = {
            **{name: getattr(run, name) for name in names}, "flow_id": self._flow_ids[run.flow_name],
            "empirical_policy": wire.policy_document(run.policy), "state": run.state and self._sendable(run.state),
            "labels": {**run.labels, **wire.owner_label(run.owner)},
            "idempotency_key": run.idempotency_key or str(run.id),
        }
        made = self._flow_run(self.ask("POST", "/flow_runs/", document))
        self._begin()
        return made

    def create_run_of_deployment(self, deployment_id: UUID, wanted: Mapping[str, Any]) -> runs.FlowRun:
        """Store a run of a deployment; ``wanted`` has what differs from it."""
        document = {"idempotency_key": str(new_id()), **wanted}
        if document.get("state"):  # Prefect's takes neither an id nor a time
            document["state"] = self._sendable(wire.state_of(document["state"]))
        return self._flow_run(self.ask("POST", f"/deployments/{deployment_id}/create_flow_run", document))

    def flow_run(self, run_id: UUID) -> runs.FlowRun:
        """The run of that id."""
        return self._flow_run(self.read("flow_runs", id=str(run_id)))

    def flow_run_states(self, run_id: UUID) -> list[State]:
        """All states of a flow run, oldest first."""
        return self._states("flow_run", run_id)

    def propose_flow_run_state(self, run_id: UUID, state: State, force: bool = False) -> rules.Decision:
        """Let the server's rules decide on a state; while it is away, wait for it."""
        final = state.details.retriable is False  # which for flow runs the interface can say by force alone
        return self._proposed("flow_runs", run_id, state, force or final)

    def record(self, batch: runs.Batch) -> None:
        """Send task runs and log lines; while the server is away they wait on the disk."""
        self._shipper.ship(entries_of(batch))

    def task_run(self, run_id: UUID) -> runs.TaskRun:
        """The task run of that id."""
        return wire.task_run_of(self.read("task_runs", id=str(run_id)), self._revive)

    def task_run_states(self, run_id: UUID) -> list[State]:
        """All states of a task run, oldest first."""
        return self._states("task_run", run_id)

    def propose_task_run_state(self, run_id: UUID, state: State, force: bool = False) -> rules.Decision:
        """Let the server's rules decide on the state of a task run."""
        return self._proposed("task_runs", run_id, state, force)

    # -- work --------------------------------------------------------------------------------------------------------

    def scheduled_runs(self, work_pool_id: UUID, queues: Sequence[str], before: datetime, limit: int) -> Documents:
        """Runs that workers of a pool may start by then, most urgent first."""
        path, _ = self._collection("scheduled_runs", {"work_pool_id": str(work_pool_id)})
        asked = {"work_queue_names": list(queues), "scheduled_before": before, "limit": limit}
        return list(self.ask("POST", path, asked))

    def claim_runs(
        self, work_pool_id: UUID, queues: Sequence[str], limit: int, holder: str, wait: float = 0.0
    ) -> Documents:
        """Take the most urgent runs that may start; waits up to ``wait`` seconds for one."""
        if self._has_leases:
            asked = {"queues": list(queues), "limit": limit, "holder": holder, "wait": wait}
            return list(self.ask("POST", f"/x/work_pools/{work_pool_id}/claim", asked))
        due = [each["flow_run"] for each in self.scheduled_runs(work_pool_id, queues, utc_now(), limit)]
        mine = [run for run in due if isinstance(self.propose_flow_run_state(UUID(run["id"]), Pending()), rules.Accept)]
        time.sleep(0 if mine else wait)
        return [{**run, "claim_id": run["id"]} for run in mine]

    def renew_claims(self, claim_ids: Sequence[UUID]) -> dict[UUID, str]:
        """Keep claims; those that are still held, each with the type of its run's state."""
        if not self._has_leases:
            return {each: str(self.flow_run(each).state_type) for each in claim_ids}
        found = self.ask("POST", "/x/claims/renew", {"claim_ids": list(claim_ids)})
        return {UUID(claim_id): kind for claim_id, kind in found.items()}

    def end_claim(self, claim_id: UUID, message: str | None = None) -> None:
        """Give up a claim; ``message`` tells what went wrong."""
        if self._has_leases:
            self.ask("POST", f"/x/claims/{claim_id}/end", {"message": message})
            return
        for state in left_behind(self.flow_run(claim_id), message, utc_now(), DICE.random()):
            self.propose_flow_run_state(claim_id, state, force=True)

    @cached_property
    def _has_leases(self) -> bool:
        """Whether the server knows leases; told once where it does not."""
        if not self.is_ours:
            lacking = "a run whose worker dies stays there as it is until somebody looks"
            _log.warning("The server at %s knows no leases; %s.", self._transport.url, lacking)
        return self.is_ours

    def concurrency_limits(self) -> list[catalog.ConcurrencyLimit]:
        """All limits by name."""
        found = self.find("concurrency_limits", filters.Query(limit=ALL))
        return sorted((wire.record_of(catalog.ConcurrencyLimit, each) for each in found), key=lambda each: each.name)

    def try_acquire(
        self, lease_id: UUID, names: Sequence[str], slots: int, seconds: float, remote: bool = True
    ) -> float | None:
        """Take slots of all the named limits, or none; to a server everybody is remote."""
        if not names or lease_id in self._leases:
            return None
        asked = {"slots": slots, "names": list(names), "lease_duration": _lasting(seconds), "lease_id": lease_id}
        answer = self.answer("POST", f"{_LIMITS}/increment-with-lease", asked, allow=_LOCKED)
        if answer.status_code == _LOCKED:
            return retry_after(answer)
        self._leases[lease_id] = answer.json()["lease_id"]
        return None

    def renew_lease(self, lease_id: UUID, seconds: float) -> bool:
        """Keep a lease for ``seconds`` from now."""
        known = self._leases.get(lease_id, lease_id)
        with suppress(errors.ObjectNotFound):
            self.ask("POST", f"{_LIMITS}/leases/{known}/renew", {"lease_duration": _lasting(seconds)})
            return True
        return False

    def release_lease(self, lease_id: UUID) -> None:
        """Give back the slots of a lease."""
        known = self._leases.pop(lease_id, None)
        if known is not None:
            self.ask("POST", f"{_LIMITS}/decrement-with-lease", {"lease_id": known})

    def take_back(self, name: str, slots: int | None = None) -> None:
        """Free slots of a limit that were taken for ever, or all its slots."""
        if slots is None:
            self.change("concurrency_limits", {"active_slots": 0}, name=name)
        else:
            self.ask("POST", f"{_LIMITS}/decrement", {"names": [name], "slots": slots})

    def close(self) -> None:
        """Give what is still on the disk a last chance, and release the connections."""
        self._shipper.close()

    # -- one step each -----------------------------------------------------------------------------------------------

    def _proposed(self, resource: str, run_id: UUID, state: State, force: bool) -> rules.Decision:
        """What the server decides; a state that is sent again keeps the id by which the server knows it."""
        proposed = state.evolve(id=state.id or new_id(), timestamp=state.timestamp or utc_now())
        self._begin()
        sent = {"state": self._sendable(proposed), "force": force}
        decision = wire.decision_of(self.ask("POST", f"/{resource}/{run_id}/set_state", sent), self._revive)
        if isinstance(decision, rules.Reject) and decision.state.details.transition_id == proposed.id:
            return rules.Accept(decision.state)  # a Prefect server's word for: this state came before
        return decision

    def _sendable(self, state: State) -> wire.Document:
        """A state as the server takes it; Prefect's gives ids and times itself, and knows a state by its transition."""
        document = wire.state_document(state)
        if self.is_ours:
            return {name: value for name, value in document.items() if value is not None}
        document["state_details"]["transition_id"] = state.id
        return {name: value for name, value in document.items() if name not in ("id", "timestamp")}

    def _announce(self, task_run_id: UUID) -> None:
        """Make a task run that a subflow's run can point to: a Prefect server takes in its events only later."""
        stub = {"id": task_run_id, "task_key": "subflow", "dynamic_key": str(task_run_id), "state": {"type": "PENDING"}}
        with suppress(errors.ObjectAlreadyExists):
            self.ask("POST", "/task_runs/", stub)

    def _flow_run(self, document: wire.Document) -> runs.FlowRun:
        run, flow_id = wire.flow_run_of(document, self._revive), document["flow_id"]
        return run if run.flow_name else run.evolve(flow_name=self.read("flows", id=flow_id)["name"])

    def _states(self, kind: str, run_id: UUID) -> list[State]:
        found = self.ask("GET", f"/{kind}_states/", params={f"{kind}_id": str(run_id)})
        return [wire.state_of(each, self._revive) for each in found]

    def _begin(self) -> None:
        """From now on an outage must not fail what goes on here."""
        if self._patience < self._limit:
            self._patience = self._limit
            self._shipper.sweep()


def _lasting(seconds: float) -> float:
    return min(max(seconds, LEAST_LEASE_SECONDS), MOST_LEASE_SECONDS)


def entries_of(batch: runs.Batch) -> Iterator[Entry]:
    """The requests of a batch: events of task runs, then log lines.

    Raises:
        StoreError: a row is not of its kind.
    """
    batch_id = batch.id or new_id()
    try:
        events = [encoded(event) for change in batch.task_runs for event in wire.events_of(change)]
        lines = [encoded(_log_document(row)) for row in batch.logs]
    except (TypeError, ValueError) as error:
        raise errors.StoreError(f"A row to be recorded is not of its kind: {error}.") from error
    for path, items in (("/events", events), ("/logs/", lines)):
        for number, body in enumerate(_bodies(items)):
            yield Entry(uuid5(batch_id, f"{path} {number}"), path, body)


def _bodies(items: Sequence[bytes]) -> Iterator[bytes]:
    """JSON lists of the items, none much longer than it has to be."""
    parts = (size // BODY_BYTES for size in accumulate(map(len, items)))
    for _, part in groupby(zip(parts, items, strict=True), itemgetter(0)):
        yield b"[%s]" % b",".join(item for _, item in part)


def _log_document(row: runs.LogRow) -> dict[str, Any]:
    document: dict[str, Any] = dict(zip(_LOG_FIELDS, row, strict=True))
    if not isinstance(document["message"], str):
        raise TypeError(f"{document['message']!r} is no text")
    return {**document, "timestamp": datetime.fromtimestamp(document["timestamp"] / 1e6, UTC).isoformat()}
