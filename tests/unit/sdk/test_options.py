"""``with_options``: a copy with other options."""

from datetime import timedelta
from typing import Any

import pytest

from orchestration import INPUTS, ThreadPoolTaskRunner, flow, task
from orchestration.domain.errors import UsageError

pytestmark = pytest.mark.usefixtures("session")


@task(tags=["a"], retries=2, name="work")
def _work(x: int) -> int:
    return x


@flow(retries=1)
def _main(x: int) -> int:
    return x


def test_a_copy_changes_what_is_named_and_keeps_the_rest() -> None:
    copy = _work.with_options(name="other", cache_expiration=timedelta(days=1), cache_policy=INPUTS)
    assert (copy.name, copy.retries, copy.cache_policy) == ("other", 2, INPUTS)
    assert copy.tags == _work.tags == {"a"}
    assert (_work.name, _work.cache_policy) == ("work", None)
    assert copy(3) == 3


def test_values_take_the_form_that_the_decorator_gives_them() -> None:
    copy = _work.with_options(tags=["z"], timeout_seconds=3, retries=0, on_failure=None)
    assert copy.tags == {"z"}
    assert (copy.timeout_seconds, copy.retries, copy.on_failure_hooks) == (3.0, 0, [])
    assert copy.with_options(tags=None, timeout_seconds=None).timeout_seconds is None


def test_retries_that_were_used_before_are_worked_out_anew() -> None:
    calls: list[int] = []

    @task
    def fail() -> None:
        calls.append(1)
        raise ValueError("x")

    fail(return_state=True)
    fail.with_options(retries=2)(return_state=True)
    assert len(calls) == 4


def test_a_flow_can_be_copied_too() -> None:
    runner = ThreadPoolTaskRunner(max_workers=1)
    copy = _main.with_options(task_runner=runner, validate_parameters=False, name="n")
    assert (copy.task_runner, copy.should_validate_parameters, copy.retries, copy.name) == (runner, False, 1, "n")
    assert copy(*["no number"], return_state=True).result() == "no number"
    assert _main.should_validate_parameters


def test_hooks_of_a_copy_are_its_own() -> None:
    def tell(*_: Any) -> None: ...

    for original in (_work, _main):
        copy = original.with_options(name="copy")
        copy.on_completion(tell)
        assert copy.on_completion_hooks == [tell]
        assert original.on_completion_hooks == []


@pytest.mark.parametrize("option", ["nope", "fn", "isasync", "task_key", "_binder", "on_completion_hooks"])
def test_what_is_no_option_is_refused(option: str) -> None:
    with pytest.raises(UsageError, match=f"Task\\('work'\\) has no option '{option}'; it has name, description, tags"):
        _work.with_options(**{option: 1})
