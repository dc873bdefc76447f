"""Flow runs' new states as events, for whoever watches: workers, runners, command lines and pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from orchestration.backend.clock import utc_now
from orchestration.backend.local_work import LocalWork
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.rules import Accept, Decision, Reject
from orchestration.domain.schemas.events import FLOW_RUN, ID, ROLE, changes_of, is_told_by_client
from orchestration.domain.schemas.recording import Batch
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.domain.states import State, StateDetails
from orchestration.server.feed import Feed

# Characters of a state's message that an event carries.
LONGEST = 100_000
# Events so close together name the one that they follow, since they may be delivered out of order.
TIGHT = timedelta(minutes=5)
# So long ago a state may have been made that is written only now; and between two looks for such.
LATEST, LOOK_SECONDS = timedelta(seconds=10), 0.5
RELATED = ("flow", "deployment", "work_queue", "work_pool")


class AnnouncingBackend:
    """A backend that also stores an event for each state that a flow run enters, and tells a feed of events."""

    def __init__(self, backend: Backend, feed: Feed) -> None:
        self._backend, self._feed = backend, feed
        self._looked = utc_now()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def create_flow_run(self, run: FlowRun) -> FlowRun:
        """Store a run and announce the state that it is made in."""
        return self._announced(self._backend.create_flow_run(run))

    def create_run_of_deployment(self, deployment_id: UUID, wanted: Mapping[str, Any]) -> FlowRun:
        """Store a run of a deployment and announce the state that it is made in."""
        return self._announced(self._backend.create_run_of_deployment(deployment_id, wanted))

    def propose_flow_run_state(self, run_id: UUID, state: State, force: bool = False) -> Decision:
        """Let the rules decide, and announce the state that came of it.

        A subflow's task run gets it too, as Prefect's server does it; our own engine, which tells where a run lives,
        has done so itself.
        """
        run = self._backend.flow_run(run_id)
        decision = self._backend.propose_flow_run_state(run_id, state, force)
        if isinstance(decision, Accept | Reject) and decision.state.id != run.state_id:
            self._announce(run_id, decision.state, run.state)
            if run.parent_task_run_id is not None and run.owner is None:
                same = State(decision.state.type, decision.state.name, decision.state.message)
                of_child = same.evolve(details=StateDetails(child_flow_run_id=run_id))
                self._backend.propose_task_run_state(run.parent_task_run_id, of_child, force=True)
        return decision

    def announce_others(self, store: LocalWork, now: datetime) -> float:
        """Announce what runs have entered by other ways than this: by the scheduler, a claim, or another process."""
        for each in store.untold(self._looked - LATEST):
            with suppress(ObjectNotFound):  # the run was removed
                self._announce(*each)
        self._looked = now
        return LOOK_SECONDS

    def take_events(self, events: list[Document], key: UUID | None = None) -> None:
        """Keep events; those that were told before change nothing. Those of task runs are only told on, not kept."""
        received = moment_text(utc_now())
        try:
            changes = changes_of(events)
        except ValueError as error:
            raise UsageError(str(error)) from error
        if changes:
            self._backend.record(Batch(changes, (), key, is_foreign=True))
        for event in events:
            whole = {**event, "received": received, "resource_id": event["resource"][ID]}
            if is_told_by_client(event):
                self._feed.tell([whole])
            else:
                self._keep(whole)

    def _keep(self, event: Document) -> None:
        with suppress(ObjectAlreadyExists):  # it was sent again
            self._backend.create("events", event)
            self._feed.wake()

    def _announced(self, run: FlowRun) -> FlowRun:
        if run.state is not None:
            self._announce(run.id, run.state, None)
        return run

    def _announce(self, run_id: UUID, state: State, before: State | None) -> None:
        self._keep(state_event(self._backend.read("flow_runs", id=run_id), state, before))


def state_event(run: Document, state: State, before: State | None) -> Document:
    """The event of a state that a flow run entered; its id is the state's."""
    gone = state.timestamp - before.timestamp if before and before.timestamp and state.timestamp else None
    resource_id = f"{FLOW_RUN}{run['id']}"
    return {
        "id": str(state.id),
        "occurred": moment_text(state.timestamp),
        "received": moment_text(utc_now()),
        "event": FLOW_RUN + state.name,
        "resource_id": resource_id,
        "resource": {
            ID: resource_id,
            "prefect.resource.name": run["name"],
            "prefect.run-count": str(run["run_count"]),
            "prefect.state-message": (state.message or "")[:LONGEST],
            "prefect.state-name": state.name,
            "prefect.state-timestamp": moment_text(state.timestamp),
            "prefect.state-type": state.type.value,
        },
        "related": list(_related(run)),
        "payload": {
            "intended": {"from": before and before.type.value, "to": state.type.value},
            "initial_state": before and _payload(before),
            "validated_state": _payload(state),
        },
        "follows": str(before.id) if before and gone is not None and abs(gone) < TIGHT else None,
    }


def _related(run: Document) -> Iterator[Document]:
    for kind in RELATED:
        if run.get(f"{kind}_id"):
            role = kind.replace("_", "-")
            name = {"prefect.resource.name": run[f"{kind}_name"]} if run.get(f"{kind}_name") else {}
            yield {ID: f"prefect.{role}.{run[f'{kind}_id']}", ROLE: role, **name}
    for tag in run["tags"]:
        yield {ID: f"prefect.tag.{tag}", ROLE: "tag"}


def _payload(state: State) -> Document:
    payload = {"type": state.type.value, "name": state.name}
    if state.message:
        payload["message"] = state.message[:LONGEST]
    if state.is_paused():
        payload["pause_reschedule"] = str(state.details.pause_reschedule).lower()
    return payload
