"""Runs on a server: what happens when it is away, unknown, or no server at all."""

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.connect import open_backend
from orchestration.backend.http import BODY_BYTES, HttpBackend, entries_of
from orchestration.backend.recorder import Recorder
from orchestration.backend.surroundings import this_process
from orchestration.domain.errors import ConfigurationError, StoreError, UsageError
from orchestration.domain.rules import Accept
from orchestration.domain.schemas.runs import Batch
from orchestration.domain.schemas.wire import owner_label
from orchestration.domain.settings import Settings
from orchestration.domain.states import Completed, Crashed, Running, StoredResult
from tests.support.listings import logs, task_runs
from tests.support.records import at, batch, born, flow_run, log_row, task_record
from tests.support.serving import Serving, own_serving

RUN_ID = str(new_id())
FLOW_ID = str(new_id())
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    """A server that these tests may stop."""
    with own_serving() as serving:
        yield serving


@pytest.fixture
def backend(server: Serving, tmp_path: Path) -> Iterator[HttpBackend]:
    """A backend on an empty store of the server."""
    opened = _open(server, tmp_path)
    yield opened
    opened.close()


def _open(server: Serving, folder: Path) -> HttpBackend:
    backend = open_backend(Settings(folder / "home", api_url=server.url(folder / "store")), StoredResult)
    assert isinstance(backend, HttpBackend)
    return backend


def _waiting(folder: Path) -> list[str]:
    return [path.suffix for path in (folder / "home" / "spool").rglob("*.*")]


# -- outages -------------------------------------------------------------------------------------------------------


def test_what_is_recorded_while_the_server_is_away_is_sent_in_order_when_it_is_back(
    server: Serving, backend: HttpBackend, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = backend.create_flow_run(flow_run())
    records = [task_record(run.id) for _ in range(3)]
    server.kill()
    for number, record in enumerate(records):
        backend.record(batch(born(record, at(Running(), 1)), logs=[log_row(f"line {number}", run.id)]))
    assert _waiting(tmp_path) == [".waiting"] * 6
    server.start()
    decision = backend.propose_flow_run_state(run.id, Running())
    assert isinstance(decision, Accept)
    assert _waiting(tmp_path) == []
    assert [each.id for each in task_runs(backend)] == [record.id for record in records]
    assert [line.message for line in logs(backend)] == ["line 0", "line 1", "line 2"]
    assert sum("cannot be reached" in line for line in caplog.messages) == 1
    assert sum("is back after" in line for line in caplog.messages) == 1


def test_a_state_waits_for_the_server_and_keeps_its_time(server: Serving, backend: HttpBackend) -> None:
    run = backend.create_flow_run(flow_run(state=Running()))
    proposed = Completed("done").evolve(id=new_id(), timestamp=utc_now())
    server.kill()
    backend._transport.sleep = lambda _seconds: server.start() if server.is_down else None
    first, again = (backend.propose_flow_run_state(run.id, proposed) for _ in range(2))
    assert isinstance(first, Accept)
    assert first == again
    assert [state.name for state in backend.flow_run_states(run.id)] == ["Running", "Completed"]
    assert backend.flow_run(run.id).end_time == proposed.timestamp


def test_what_is_published_during_an_outage_waits_as_well(server: Serving, backend: HttpBackend) -> None:
    backend.create_flow_run(flow_run())
    server.kill()
    backend._transport.sleep = lambda _seconds: server.start() if server.is_down else None
    made = backend.create("artifacts", {"key": "report", "type": "markdown", "data": "x"})
    assert backend.find("artifacts") == [made]
    assert backend.create("variables", {"name": "answer", "value": 42})["value"] == 42


def _record_and_die(server_url: str, folder: Path, run_id: UUID) -> None:
    backend = HttpBackend(Settings(folder / "home", api_url=server_url), StoredResult)
    backend.record(batch(born(task_record(run_id)), logs=[log_row("last words", run_id)]))
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_next_process_sends_what_a_killed_one_left(server: Serving, tmp_path: Path) -> None:
    url = server.url(tmp_path / "store")
    server.kill()
    process = multiprocessing.get_context("fork").Process(target=_record_and_die, args=(url, tmp_path, new_id()))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert _waiting(tmp_path) == [".waiting"] * 2
    server.start()
    backend = _open(server, tmp_path)
    backend.create_flow_run(flow_run())
    backend.close()
    assert _waiting(tmp_path) == []
    looking = _open(server, tmp_path)
    assert [line.message for line in logs(looking)] == ["last words"]
    assert len(task_runs(looking)) == 1
    looking.close()


def test_a_batch_that_is_sent_again_changes_nothing(backend: HttpBackend) -> None:
    record = task_record(new_id())
    sent = Batch([born(record, at(Running(), 1))], [log_row("once")], id=new_id())
    for _ in range(3):
        backend.record(sent)
    assert [line.message for line in logs(backend)] == ["once"]
    assert [state.name for state in backend.task_run_states(record.id)] == ["Pending", "Running"]


def test_a_process_that_ends_during_an_outage_leaves_its_records(
    server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.backend.http_transport.LEAVE_SECONDS", 0.0)
    backend = _open(server, tmp_path)
    server.kill()
    backend.record(batch(logs=[log_row("kept")]))
    backend.close()
    assert _waiting(tmp_path) == [".waiting"]
    server.start()


def test_a_run_gives_up_when_the_outage_outlasts_the_limit(
    server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.backend.http_transport.LEAVE_SECONDS", 0.0)
    settings = Settings(tmp_path / "home", api_url=server.url(tmp_path / "store"), api_outage_limit=0.2)
    backend = HttpBackend(settings, StoredResult)
    run = backend.create_flow_run(flow_run())
    server.kill()
    backend.record(batch(logs=[log_row("kept")]))
    with pytest.raises(StoreError, match="what was recorded waits on this disk, and the next run here will send it"):
        backend.propose_flow_run_state(run.id, Running())
    backend.close()
    server.start()


def test_a_forked_child_waits_for_no_lock_and_uses_no_connection_of_its_parent(backend: HttpBackend) -> None:
    backend.record(batch(logs=[log_row("parent")]))
    connection, sending = backend._transport._client, backend._shipper._changed
    with ThreadPoolExecutor(1) as sender:
        sender.submit(sending.acquire).result()
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            backend.record(batch(logs=[log_row("child")]))
            os._exit(0 if backend._transport._client is not connection else 1)
        sender.submit(sending.release).result()
    assert os.waitpid(child, 0)[1] == 0
    backend.record(batch(logs=[log_row("parent again")]))
    assert [line.message for line in logs(backend)] == ["parent", "child", "parent again"]


# -- requests ------------------------------------------------------------------------------------------------------


def test_no_request_grows_without_bound() -> None:
    rows = [log_row("x" * 1000) for _ in range(5_000)]
    entries = list(entries_of(Batch((), rows)))
    assert len(entries) > 4
    assert max(len(entry.body) for entry in entries) < BODY_BYTES + 2_000
    assert sum(len(json.loads(entry.body)) for entry in entries) == 5_000
    assert len({entry.key for entry in entries}) == len(entries)


def test_one_long_line_waits_for_no_others() -> None:
    entries = list(entries_of(Batch((), [log_row("short"), log_row("x" * 2 * BODY_BYTES), log_row("short")])))
    assert [len(json.loads(entry.body)) for entry in entries] == [1, 2]


# -- other servers -------------------------------------------------------------------------------------------------


def _backend_on(handler: Handler, tmp_path: Path) -> HttpBackend:
    settings = Settings(tmp_path / "home", api_url="http://server.test/api")
    backend = HttpBackend(settings, StoredResult, httpx.MockTransport(handler))
    backend._transport.sleep = lambda _seconds: None
    return backend


def test_what_cannot_be_sent_when_python_ends_waits_for_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    backend = _backend_on(lambda _request: httpx.Response(503), tmp_path)
    with monkeypatch.context() as ending:
        ending.setattr(threading.Thread, "start", start)
        backend.record(batch(logs=[log_row("kept")]))
        backend.close()
    assert _waiting(tmp_path) == [".waiting"]


def test_what_was_sent_when_an_interrupt_came_is_sent_again_by_its_key(tmp_path: Path) -> None:
    keys: list[str] = []

    def take(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise KeyboardInterrupt
        return httpx.Response(201)

    backend = _backend_on(take, tmp_path)
    recorder = Recorder(backend.record, is_far=True)
    recorder.log(log_row("once"))
    with pytest.raises(KeyboardInterrupt):
        recorder.flush()
    recorder.close()
    backend.close()
    assert (len(keys), len(set(keys)), _waiting(tmp_path)) == (2, 1, [])


def _prefect(answers: dict[str, Any], seen: list[tuple[str, Any]]) -> Handler:
    """A Prefect server that gives these answers by path."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api")
        seen.append((path, json.loads(request.content) if request.content else None))
        if path in ("/x/", "/admin/version"):
            return httpx.Response(404, json={"detail": "Not Found"}) if path == "/x/" else httpx.Response(200, json="3")
        return httpx.Response(200, json=answers[path])

    return answer


MADE: dict[str, Any] = {
    "id": RUN_ID,
    "flow_id": FLOW_ID,
    "name": "n",
    "created": "2024-01-01T00:00:00Z",
    "labels": {},
    "state": None,
}


def test_a_prefect_server_is_sent_only_what_it_takes(tmp_path: Path) -> None:
    seen: list[tuple[str, Any]] = []
    state = {"id": str(new_id()), "type": "RUNNING", "name": "Running", "timestamp": "2024-01-01T00:00:00Z"}
    answers = {
        "/flows/": {"id": FLOW_ID}, f"/flows/{FLOW_ID}": {"id": FLOW_ID, "name": "train"}, "/task_runs/": {},
        "/flow_runs/": MADE, f"/flow_runs/{RUN_ID}/set_state": {"status": "ACCEPT", "state": state, "details": {}},
        "/artifacts/": {"id": "1"},
    }  # fmt: skip
    backend = _backend_on(_prefect(answers, seen), tmp_path)
    parent = new_id()
    made = backend.create_flow_run(flow_run(parent_task_run_id=parent, owner=this_process()))
    backend.propose_flow_run_state(made.id, Running())
    backend.create("artifacts", {"id": "1", "key": "k", "metadata": {"a": "b"}})
    sent = dict(seen)
    assert (str(made.id), made.flow_name) == (RUN_ID, "train")
    assert {"id", "created", "expected_start_time"}.isdisjoint(sent["/flow_runs/"])
    assert owner_label(this_process()).items() <= sent["/flow_runs/"]["labels"].items()
    assert len(sent["/flow_runs/"]["idempotency_key"]) == 36
    assert sent["/task_runs/"]["id"] == str(parent), "a subflow's run needs the task run that it points to"
    proposed = sent[f"/flow_runs/{RUN_ID}/set_state"]["state"]
    assert {"id", "timestamp"}.isdisjoint(proposed)
    assert len(proposed["state_details"]["transition_id"]) == 36
    assert sent["/artifacts/"] == {"key": "k", "metadata_": {"a": "b"}}
    assert [path for path, _ in seen].count("/x/") == 1


def test_a_prefect_server_that_had_the_state_before_has_accepted_it(tmp_path: Path) -> None:
    state_id = new_id()
    details = {"transition_id": str(state_id)}
    state = {"id": str(new_id()), "type": "RUNNING", "name": "Running", "state_details": details}
    answer = {"status": "REJECT", "state": state, "details": {"reason": "This run has already made this transition."}}
    backend = _backend_on(_prefect({f"/flow_runs/{RUN_ID}/set_state": answer}, []), tmp_path)
    assert isinstance(backend.propose_flow_run_state(UUID(RUN_ID), Running().evolve(id=state_id)), Accept)


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(200, text="<html>"), httpx.Response(404, text="<html>"), httpx.Response(404, json={"detail": "x"}),
     httpx.Response(200, json=[1])],
)  # fmt: skip
def test_an_address_without_an_api_is_named(answer: httpx.Response, tmp_path: Path) -> None:
    backend = _backend_on(lambda _request: answer, tmp_path)
    with pytest.raises(ConfigurationError, match="there is no API of an orchestration server"):
        backend.create_flow_run(flow_run())


def test_nothing_runs_where_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused")

    backend = _backend_on(away, tmp_path)
    slept: list[float] = []
    backend._transport.sleep = slept.append
    monkeypatch.setattr("orchestration.backend.http_transport.time.monotonic", lambda: sum(slept))
    with pytest.raises(StoreError, match=r"could not be reached for \d+ seconds \(Connection refused\); start it with"):
        backend.create_flow_run(flow_run())
    assert 5 < sum(slept) <= 10


def test_wrong_credentials_are_named_before_anything_runs(tmp_path: Path) -> None:
    backend = _backend_on(lambda _request: httpx.Response(401, json={"detail": "Unauthorized"}), tmp_path)
    with pytest.raises(ConfigurationError, match="set ORCHESTRATION_API_KEY"):
        backend.create_flow_run(flow_run())


def test_what_the_interface_does_not_list_is_named(backend: HttpBackend) -> None:
    for resource in ("workers", "schedules", "inputs"):
        with pytest.raises(UsageError, match=f"cannot be asked for {resource} in general"):
            backend.find(resource)


def test_a_subflow_dies_with_its_flow(backend: HttpBackend) -> None:
    outer = backend.create_flow_run(flow_run(state=Running()))
    dummy = task_record(outer.id)
    backend.record(batch(born(dummy, at(Running(), 1))))
    inner = backend.create_flow_run(flow_run(state=Running(), parent_task_run_id=dummy.id))
    backend.propose_flow_run_state(outer.id, Crashed())
    assert backend.flow_run(inner.id).state_name == "Crashed"
    assert backend.task_run(dummy.id).state_name == "Crashed"
