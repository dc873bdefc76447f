"""What travels as JSON comes back as it was: states, decisions, policies, and the process that a run lives in."""

import json
from typing import Any

import pytest
from hypothesis import given

from orchestration.backend.clock import new_id
from orchestration.domain.rules import Abort, Accept, Decision, Reject, Wait
from orchestration.domain.schemas.catalog import artifact_of, variable_of
from orchestration.domain.schemas.runs import Owner, TaskRun, changed_task_run
from orchestration.domain.schemas.wire import (
    PROCESS_LABEL,
    StoredDocument,
    decision_document,
    decision_of,
    flow_run_of,
    moment_of,
    owner_label,
    owner_of,
    policy_document,
    policy_of,
    state_document,
    state_of,
    task_run_of,
)
from orchestration.domain.states import Completed, Failed, Running, Scheduled, State
from tests.support.properties import policies, quick
from tests.support.records import BORN, at, later

KEPT = StoredDocument({"storage_key": "a", "expiration": None})
STATES = [at(Running(), 1), at(Scheduled(later(60)), 2), at(Failed("no"), 3), at(Completed(data=KEPT), 4)]


def _sent(document: Any) -> Any:
    return json.loads(json.dumps(document))


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_a_state_comes_back(state: State) -> None:
    back = state_of(_sent(state_document(state)))
    assert back == state
    assert back.data == state.data or state.data is None


def test_what_a_server_keeps_of_a_result_it_gives_as_it_came() -> None:
    assert KEPT.load() == KEPT.as_document() == {"storage_key": "a", "expiration": None}


@pytest.mark.parametrize(
    "decision", [Accept(STATES[0]), Reject(STATES[2], "because"), Wait(7, "later"), Abort("never")], ids=repr
)
def test_a_decision_comes_back(decision: Decision) -> None:
    assert decision_of(_sent(decision_document(decision, STATES[0])), StoredDocument) == decision


def test_an_abort_shows_the_state_that_stays() -> None:
    assert decision_document(Abort("never"), STATES[0])["state"]["name"] == "Running"
    assert decision_document(Abort("never"), None)["state"] is None


def test_a_wait_is_told_in_whole_seconds_and_never_none() -> None:
    seconds = [decision_document(Wait(wait, ""), None)["details"]["delay_seconds"] for wait in (0.0, 0.2, 1.2)]
    assert seconds == [1, 1, 2]


@given(policies)
@quick
def test_a_policy_comes_back(policy: Any) -> None:
    back = policy_of(_sent(policy_document(policy)))
    assert (back == policy) or not policy.retries


def test_the_process_of_a_run_travels_as_a_label() -> None:
    owner = Owner("host pid:[4026531836]", "boot", 12, "345")
    assert owner_of(owner_label(owner)) == owner
    assert owner_label(None) == {}
    for label in ("", "a/b", "host/boot/x/345", "a/b/1/c/d"):
        assert owner_of({PROCESS_LABEL: label}) is None
    assert owner_of({}) is None


def test_a_time_without_a_zone_is_meant_in_utc() -> None:
    assert moment_of("2024-05-17T08:30:00") == moment_of("2024-05-17T10:30:00+02:00") == BORN
    assert moment_of(None) is None


def test_a_run_comes_back_with_the_process_that_it_lives_in() -> None:
    run_id, flow_id, owner = str(new_id()), str(new_id()), Owner("host", "boot", 12, "345")
    document = {
        "id": run_id, "flow_id": flow_id, "name": "oak", "created": "2024-05-17T08:30:00Z", "run_count": 2,
        "labels": owner_label(owner), "state": state_document(STATES[0]), "empirical_policy": {"retries": 1},
        "tags": ["a"], "unknown": 1,
    }  # fmt: skip
    run = flow_run_of(_sent(document))
    assert (str(run.id), str(run.flow_id), run.created, run.owner, run.tags) == (run_id, flow_id, BORN, owner, ("a",))
    assert (run.state, run.policy.retries, run.run_count) == (STATES[0], 1, 2)
    task = task_run_of({**document, "task_key": "fit", "dynamic_key": "0", "state": None})
    assert (task.task_key, task.state) == ("fit", None)


def test_what_is_no_text_is_no_name() -> None:
    with pytest.raises(TypeError, match="3 is no text"):
        task_run_of({"id": str(new_id()), "name": 3})


def test_artifacts_and_variables_come_back() -> None:
    known = {"id": str(new_id()), "created": "2024-05-17T08:30:00Z", "updated": "2024-05-17T08:30:00Z"}
    assert artifact_of({**known, "key": "report", "metadata_": {"a": "b"}}).metadata == {"a": "b"}
    assert variable_of({**known, "name": "n", "value": None, "tags": []}).value is None


def test_a_run_that_is_told_of_from_outside_is_recorded_as_it_stands() -> None:
    run = TaskRun(id=new_id(), name="fit-0", created=BORN, task_key="fit", dynamic_key="0", run_count=2)
    change = changed_task_run(run, [STATES[0]])
    assert (change.record.id, change.record.run_count, change.is_new) == (run.id, 2, False)
