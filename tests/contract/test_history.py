"""What became of the runs that were expected within spans of time, and listings of inputs and events."""

from datetime import timedelta

import pytest

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import moment_text
from orchestration.domain.states import Pending, Running
from tests.support.records import flow_run

MINUTE = timedelta(minutes=1)


def test_a_history_counts_runs_by_span_and_state(backend: Backend) -> None:
    start = utc_now() - 10 * MINUTE
    for minutes in (0, 1, 1, 3, 9):
        due = start + minutes * MINUTE
        backend.create_flow_run(flow_run(expected_start_time=due, state=Pending()))
    running = backend.create_flow_run(flow_run(expected_start_time=start + MINUTE, state=Pending()))
    backend.propose_flow_run_state(running.id, Running())
    spans = backend.history("flow_runs", {}, start, 60.0, 4)
    assert [span["interval_start"] for span in spans] == [moment_text(start + each * MINUTE) for each in range(4)]
    assert [span["interval_end"] for span in spans][-1] == moment_text(start + 4 * MINUTE)
    counts = [{each["state_name"]: each["count_runs"] for each in span["states"]} for span in spans]
    assert counts == [{"Pending": 1}, {"Pending": 2, "Running": 1}, {}, {"Pending": 1}]
    (waiting,) = spans[0]["states"]
    assert waiting["sum_estimated_lateness"] == pytest.approx(600, abs=60)
    assert waiting["sum_estimated_run_time"] == 0
    ran = {each["state_type"]: each for each in spans[1]["states"]}["RUNNING"]
    assert 0 <= ran["sum_estimated_run_time"] < 60
    assert ran["sum_estimated_lateness"] == pytest.approx(540, abs=60)


def test_a_history_keeps_to_its_filters(backend: Backend) -> None:
    start = utc_now() - MINUTE
    for tag in ("a", "b"):
        backend.create_flow_run(flow_run(expected_start_time=start, state=Pending(), tags=(tag,)))
    (span,) = backend.history("flow_runs", {"flow_runs": {"tags": {"all_": ["a"]}}}, start, 60.0, 1)
    assert [each["count_runs"] for each in span["states"]] == [1]


def test_inputs_are_listed_by_the_beginning_of_their_key(own_backend: Backend) -> None:
    run_id = str(own_backend.create_flow_run(flow_run()).id)
    for key in ("a-1", "a-2", "b-1"):
        own_backend.create("inputs", {"flow_run_id": run_id, "key": key, "value": "1"})
    where = {"inputs": {"key": {"startswith_": ["a-"], "not_any_": ["a-1"]}, "flow_run_id": {"any_": [run_id]}}}
    assert [each["key"] for each in own_backend.find("inputs", Query(where))] == ["a-2"]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"event": {"startswith_": ["a."]}}, ["a.x", "a.y"]),
        ({"event": {"not_startswith_": ["a.", "c"]}}, ["b.x"]),
        ({"event": {"any_": ["b.x", "a.y"]}}, ["a.y", "b.x"]),
        ({"resource_id": {"startswith_": ["r."]}, "sequence": {"ge_": 2}}, ["a.y", "b.x"]),
        ({"occurred": {"after_": "2020-01-01T00:00:01Z"}}, ["a.y", "b.x"]),
    ],
)
def test_events_are_listed_in_the_order_in_which_they_came(
    own_backend: Backend, wanted: dict[str, object], names: list[str]
) -> None:
    for second, name in enumerate(("a.x", "a.y", "b.x")):
        moment = f"2020-01-01T00:00:0{second}Z"
        about = {"resource": {"prefect.resource.id": "r.1"}, "resource_id": "r.1", "related": [], "payload": {}}
        own_backend.create(
            "events", {"event": name, "occurred": moment, "received": moment, "id": str(new_id()), **about}
        )
    assert [each["event"] for each in own_backend.find("events", Query({"events": wanted}, "SEQUENCE_ASC"))] == names
