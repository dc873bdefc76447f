"""Delays between attempts: numbers, lists, functions, back-off and jitter, alike for flows and tasks."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from orchestration import flow, task
from orchestration.domain.errors import UsageError
from orchestration.domain.rules import (
    MOST_DELAYS,
    NEVER,
    Attempt,
    DelaySpec,
    Reject,
    RetryPolicy,
    decide,
    exponential_backoff,
    retry_policy,
)
from orchestration.domain.states import Failed, Running
from orchestration.sdk.context import test_harness
from orchestration.sdk.lifecycle import policy_of
from tests.support.properties import below_one, delays, quick, shares

lists_of_delays = st.lists(delays, min_size=1, max_size=MOST_DELAYS)


def _waits(policy: RetryPolicy, unit_random: float = 0.0) -> list[float]:
    return [policy.delay(run_count, unit_random) for run_count in range(1, policy.retries + 1)]


@quick
@given(st.integers(0, 20), delays)
def test_one_number_serves_for_all_attempts(retries: int, seconds: float) -> None:
    assert _waits(retry_policy(retries, seconds)) == [seconds] * retries


@quick
@given(st.integers(0, 60), lists_of_delays)
def test_the_last_delay_of_a_list_serves_for_all_that_follow(retries: int, seconds: list[float]) -> None:
    waits = _waits(retry_policy(retries, seconds))
    assert waits == [*seconds, *[seconds[-1]] * retries][:retries]


@quick
@given(st.integers(0, 20), delays)
def test_a_function_is_asked_once_for_the_number_of_retries(retries: int, seconds: float) -> None:
    asked: list[int] = []

    def give(count: int) -> list[float]:
        asked.append(count)
        return [seconds + index for index in range(count)]

    assert _waits(retry_policy(retries, give)) == [seconds + index for index in range(retries)]
    assert asked == [retries]


@quick
@given(st.integers(0, 70), st.floats(0.001, 1000))
def test_back_off_doubles(retries: int, factor: float) -> None:
    waits = _waits(retry_policy(retries, exponential_backoff(factor)))
    assert waits[:1] == [factor][:retries]
    assert all(later == 2 * earlier for earlier, later in pairwise(waits[:MOST_DELAYS]))
    assert len(retry_policy(retries, exponential_backoff(factor)).delays) == min(retries, MOST_DELAYS)


@quick
@given(lists_of_delays, shares, st.integers(1, 60), below_one)
def test_jitter_stays_between_the_delay_and_its_share_more(
    seconds: list[float], jitter: float, run_count: int, unit_random: float
) -> None:
    policy, plain = retry_policy(60, seconds, jitter), retry_policy(60, seconds)
    asked = plain.delay(run_count, unit_random)
    assert asked <= policy.delay(run_count, unit_random) <= asked * (1 + jitter) * (1 + 1e-9)


@quick
@given(st.floats(0.1, 1e6), st.floats(0.01, 10), st.floats(0, 0.49), st.floats(0.5, 0.99))
def test_jitter_really_jitters(seconds: float, jitter: float, low: float, high: float) -> None:
    policy = retry_policy(1, seconds, jitter)
    assert policy.delay(1, low) < policy.delay(1, high)
    assert policy.delay(1, 0.5) == pytest.approx(seconds * (1 + jitter / 2))


def test_without_delays_there_is_no_wait() -> None:
    assert _waits(retry_policy(3, None, jitter_factor=2.0), 0.9) == [0.0, 0.0, 0.0]
    assert _waits(retry_policy(2, exponential_backoff(1.0), 0.0), 0.9) == [1.0, 2.0]


def test_as_many_attempts_are_allowed_as_retries_and_one() -> None:
    assert [retry_policy(2, None).allows(run_count) for run_count in (1, 2, 3)] == [True, True, False]
    assert not NEVER.allows(0)
    assert not NEVER.allows(1)


def test_an_attempt_that_nobody_counted_is_the_first() -> None:
    policy = retry_policy(1, [5, 10])
    assert (policy.allows(0), policy.delay(0, 0.0)) == (policy.allows(1), policy.delay(1, 0.0)) == (True, 5.0)


@pytest.mark.parametrize(
    ("retries", "delay", "jitter", "sentence"),
    [
        (-1, None, None, "retries is -1; use 0 or more."),
        (1, None, -0.1, "retry_jitter_factor is -0.1; use a number of 0 or more."),
        (1, None, math.nan, "retry_jitter_factor is nan; use a number of 0 or more."),
        (1, None, math.inf, "retry_jitter_factor is inf; use a number of 0 or more."),
        (1, -2, None, "retry_delay_seconds has a delay of -2.0; use a number of seconds, 0 or more."),
        (2, [1, math.nan], None, "retry_delay_seconds has a delay of nan; use a number of seconds, 0 or more."),
        (2, [math.inf], None, "retry_delay_seconds has a delay of inf; use a number of seconds, 0 or more."),
        (2, lambda count: [-1.0] * count, None, "retry_delay_seconds has a delay of -1.0; use a number"),
        (60, [1.0] * 51, None, "retry_delay_seconds gives 51 delays; use 50 at the most."),
    ],
)
def test_what_is_no_delay_is_refused(retries: int, delay: DelaySpec, jitter: float | None, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        retry_policy(retries, delay, jitter)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("delay", [None, 2, 0.5, [1, 2, 3], exponential_backoff(3)])
@pytest.mark.parametrize("jitter", [None, 0.5])
def test_flows_and_tasks_wait_alike(delay: float | Sequence[float] | None, jitter: float | None) -> None:
    def work() -> None: ...

    options: dict[str, Any] = {"retries": 4, "retry_delay_seconds": delay, "retry_jitter_factor": jitter}
    with test_harness() as session:
        of_flow = policy_of(flow(**options)(work), session)
        of_task = policy_of(task(**options)(work), session)
    assert of_flow == of_task == retry_policy(4, delay, jitter)


@quick
@given(lists_of_delays, shares, st.integers(1, 60), below_one)
def test_the_rules_schedule_the_retry_after_the_delay(
    seconds: list[float], jitter: float, run_count: int, unit_random: float
) -> None:
    policy, now = retry_policy(60, seconds, jitter), datetime(2024, 3, 10, 6, 59, tzinfo=UTC)
    decision = decide(Running(), Failed(), Attempt(now, run_count, policy, True, unit_random))
    assert isinstance(decision, Reject)
    assert decision.state.name == "AwaitingRetry"
    assert decision.state.details.scheduled_time == now + timedelta(seconds=policy.delay(run_count, unit_random))
