"""New events as they come, for many listeners at the price of one.

Flow runs' new states as events, for whoever watches: workers, runners, command lines and pages.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from anyio.to_thread import run_sync

from orchestration.backend.clock import utc_now
from orchestration.backend.local import LocalBackend
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, StoreError, UsageError
from orchestration.domain.rules import Accept, Decision, Reject
from orchestration.domain.schemas.filters import PAGE, Query
from orchestration.domain.schemas.runs import Batch, FlowRun
from orchestration.domain.schemas.wire import FLOW_RUN, ID, ROLE, Document, changes_of, is_told_by_client, moment_text
from orchestration.domain.states import State, StateDetails

# Between two looks at the store, where other servers may have written.
SECONDS = 0.25
# Seconds after which a row whose number was passed over is not waited for any more: its writer took it back.
LATEST = 5.0
# Rows that a slow listener may fall behind; then the oldest are dropped.
MOST_WAITING = 10_000


class Feed:
    """Looks for new rows while somebody listens: every 0.25 s, and at once when this server wrote some.

    Rows become visible out of order where several servers write, so numbers that were passed over are looked for
    again for a while. Listeners hold neither a thread nor a connection while nothing happens.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._listeners: dict[object, deque[Document]] = {}
        self._gaps: dict[int, float] = {}
        self._last = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._written = asyncio.Event()

    def wake(self) -> None:
        """Look for new rows at once; to be called from any thread."""
        self._soon(self._written.set)

    def tell(self, rows: list[Document]) -> None:
        """Hand over rows that are not stored; to be called from any thread."""
        self._soon(self._publish, rows)

    def _soon(self, do: Callable[..., None], *with_these: object) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the server is ending
                self._loop.call_soon_threadsafe(do, *with_these)

    def _publish(self, rows: list[Document]) -> None:
        for waiting in self._listeners.values():
            waiting.extend(rows)
        self._news.set()  # whoever waits goes on, whoever is busy looks before it waits
        self._news.clear()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[Document]]:
        """The rows that come from now on."""
        if self._task is None:
            self._loop, self._ready = asyncio.get_running_loop(), asyncio.Event()
            self._news, self._written = asyncio.Event(), asyncio.Event()
            self._task = asyncio.create_task(self._look())
        key, waiting = object(), deque[Document](maxlen=MOST_WAITING)
        self._listeners[key] = waiting
        try:
            await self._ready.wait()
            yield self._rows(waiting)
        finally:
            del self._listeners[key]
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = self._loop = None

    async def _rows(self, waiting: deque[Document]) -> AsyncIterator[Document]:
        while True:
            while waiting:
                yield waiting.popleft()
            await self._news.wait()

    async def _look(self) -> None:
        while True:
            try:
                await self._look_once()
            except StoreError:
                await asyncio.sleep(SECONDS)  # it may be back then

    async def _look_once(self) -> None:
        if not self._ready.is_set():
            newest = await run_sync(self._backend.find, "events", Query(sort="SEQUENCE_DESC", limit=1))
            self._gaps, self._last = {}, max((event["sequence"] for event in newest), default=0)
            self._ready.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._written.wait(), SECONDS)
        self._written.clear()
        unseen = {"events": {"sequence": {"ge_": min(self._gaps, default=self._last + 1)}}}
        found = await run_sync(self._backend.find, "events", Query(unseen, "SEQUENCE_ASC"))
        self._publish(self._new(found))
        if len(found) >= PAGE:
            self._written.set()

    def _new(self, rows: list[Document]) -> list[Document]:
        """Those that were not handed over before; takes note of numbers that are missing among them."""
        now = asyncio.get_running_loop().time()
        new = [row for row in rows if row["sequence"] > self._last or row["sequence"] in self._gaps]
        numbers = {row["sequence"] for row in new}
        newest = max(numbers, default=self._last)
        missing = {number: now for number in range(self._last + 1, newest) if number not in numbers}
        known = {number: since for number, since in self._gaps.items() if number not in numbers}
        self._gaps = {number: since for number, since in (known | missing).items() if now - since < LATEST}
        self._last = max(self._last, newest)
        return new


# Characters of a state's message that an event carries.
LONGEST = 100_000
# Events so close together name the one that they follow, since they may be delivered out of order.
TIGHT = timedelta(minutes=5)
# So long ago a state may have been made that is written only now; and between two looks for such.
LATE, LOOK_SECONDS = timedelta(seconds=10), 0.5
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

    def announce_others(self, store: LocalBackend, now: datetime) -> float:
        """Announce what runs have entered by other ways than this: by the scheduler, a claim, or another process."""
        for each in store.untold(self._looked - LATE):
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
        "id": str(state.id), "event": FLOW_RUN + state.name, "resource_id": resource_id,
        "occurred": moment_text(state.timestamp), "received": moment_text(utc_now()),
        "resource": {
            ID: resource_id, "prefect.resource.name": run["name"], "prefect.run-count": str(run["run_count"]),
            "prefect.state-type": state.type.value, "prefect.state-name": state.name,
            "prefect.state-message": (state.message or "")[:LONGEST],
            "prefect.state-timestamp": moment_text(state.timestamp),
        },
        "related": list(_related(run)),
        "payload": {
            "intended": {"from": before and before.type.value, "to": state.type.value},
            "initial_state": before and _payload(before),
            "validated_state": _payload(state),
        },
        "follows": str(before.id) if before and gone is not None and abs(gone) < TIGHT else None,
    }  # fmt: skip


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
