"""What a call depends on: futures and states, wherever in its arguments they are."""

import threading
from collections import OrderedDict, namedtuple
from typing import Any

import pytest

from orchestration import Completed, Failed, Running, State, TaskFuture, allow_failure, flow, task, unmapped
from orchestration.backend.clock import new_id
from orchestration.domain.errors import UpstreamTaskError
from orchestration.domain.states import StateDetails
from orchestration.sdk import futures
from orchestration.sdk.futures import Produced

Pair = namedtuple("Pair", "left right")
ONE, TWO = Completed(data=1), Completed("two", data=2)
BAD = Failed("bad", data=ValueError("bad"))


def _found(value: Any) -> list[tuple[Any, bool]]:
    return list(futures.find(value))


def test_states_are_found_wherever_they_are() -> None:
    value = [ONE, {"a": (TWO, "text", 3)}, unmapped([BAD]), {ONE}, object()]
    assert _found(value) == [(ONE, False), (TWO, False), (BAD, False), (ONE, False)]
    assert _found(allow_failure([BAD, unmapped(ONE)])) == [(BAD, True), (ONE, True)]
    assert _found(unmapped(allow_failure(BAD))) == [(BAD, True)]
    assert _found({ONE: 1}) == []


def test_results_take_the_place_of_states_and_the_kind_of_collection_stays() -> None:
    value = {"list": [ONE, 5], "pair": Pair(TWO, (ONE,)), "set": {ONE}, "bad": allow_failure([BAD])}
    replaced = futures.replaced(value, futures.value_of)
    assert replaced["list"] == [1, 5]
    assert replaced["pair"] == Pair(2, (1,))
    assert isinstance(replaced["pair"], Pair)
    assert replaced["set"] == {1}
    assert str(replaced["bad"][0]) == "bad"
    assert futures.replaced(unmapped(ONE), futures.value_of) == 1
    assert value["list"] == [ONE, 5]


@pytest.mark.parametrize("value", [[1, [2, {"a": "b"}]], {"a": [1]}, OrderedDict(a=1), Pair(1, 2), "text", object()])
def test_a_value_without_states_stays_the_same_object(value: Any) -> None:
    assert futures.replaced(value, futures.value_of) is value


def test_what_did_not_complete_stops_a_run_unless_its_failure_is_allowed() -> None:
    run_id = new_id()
    failed = BAD.evolve(details=StateDetails(task_run_id=run_id))
    futures.check(futures.find([ONE, allow_failure(failed)]))
    with pytest.raises(UpstreamTaskError, match=f"Upstream task run '{run_id}' did not reach a 'COMPLETED' state"):
        futures.check(futures.find([ONE, failed]))
    with pytest.raises(UpstreamTaskError):
        futures.check(futures.find(allow_failure(Running())))


@task
def _after(gate: threading.Event, x: Any) -> Any:
    gate.wait(20)
    if isinstance(x, Exception):
        raise x
    return x


@pytest.mark.usefixtures("session")
def test_parameters_are_resolved_once_all_that_they_wait_for_has_ended() -> None:
    gate = threading.Event()

    @flow
    def main() -> None:
        good, bad = _after.submit(gate, 1), _after.submit(gate, ValueError("x"))
        gate.set()
        assert futures.resolved({"a": [good], "b": 2}, [good, ONE]) == {"a": [1], "b": 2}
        with pytest.raises(UpstreamTaskError, match=str(bad.task_run_id)):
            futures.resolved({"a": good}, [bad])

    main()


@pytest.mark.usefixtures("session")
def test_the_runs_behind_each_argument_are_told() -> None:
    maker, of_a_task, value = new_id(), Completed(details=StateDetails(task_run_id=new_id())), {"a table": 1}
    produced, made = Produced(), _Table()
    produced.remember(made, maker)
    gate = threading.Event()
    gate.set()

    def entry(run_id: Any) -> dict[str, str]:
        return {"input_type": "task_run", "id": str(run_id)}

    @flow
    def main() -> None:
        future: TaskFuture[Any] = _after.submit(gate, 1)
        inputs = futures.task_inputs(
            {"a": [future, of_a_task], "b": made, "c": value, "d": _state_of_no_run()}, [future, ONE], produced
        )
        assert inputs == {
            "a": [entry(future.task_run_id), entry(of_a_task.details.task_run_id)],
            "b": [entry(maker)],
            "wait_for": [entry(future.task_run_id)],
        }
        assert futures.task_inputs({"b": made}, [], Produced()) == {}

    main()


class _Table:
    """Something that can be referred to weakly."""


def _state_of_no_run() -> State:
    return Completed(data=3)
