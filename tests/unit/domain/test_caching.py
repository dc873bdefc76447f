"""Cache policies: what makes two calls the same, added, subtracted, and where their keys lie."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from orchestration.domain import caching
from orchestration.domain.caching import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    NONE,
    RUN_ID,
    TASK_SOURCE,
    CacheKeyFnPolicy,
    CachePolicy,
    CompoundCachePolicy,
)
from orchestration.domain.errors import UsageError
from tests.support.properties import quick

POLICIES = {"inputs": INPUTS, "source": TASK_SOURCE, "run": RUN_ID, "parameters": FLOW_PARAMETERS}
FLOW_RUN, TASK_RUN = UUID(int=1), UUID(int=2)


def _hash(*values: Any) -> str:
    return "|".join(repr(sorted(value.items()) if isinstance(value, Mapping) else value) for value in values)


TOOLS: Any = {"hash_objects": _hash, "source_of": lambda task: f"def {task}(): ..."}


@dataclass
class Call:
    """One call of a task, as a policy sees it."""

    inputs: dict[str, Any] = field(default_factory=lambda: {"x": 1})
    parameters: dict[str, Any] = field(default_factory=lambda: {"month": "2021-01"})
    task: str = "fit"
    flow_run: UUID | None = FLOW_RUN
    task_run: UUID = TASK_RUN

    def key(self, policy: CachePolicy) -> str | None:
        run = SimpleNamespace(flow_run_id=self.flow_run, id=self.task_run)
        context = SimpleNamespace(task=self.task, task_run=run)
        return policy.compute_key(context, self.inputs, self.parameters, **TOOLS)


@pytest.mark.parametrize(
    ("policy", "same", "other"),
    [
        ("inputs", Call(parameters={}, task="y", flow_run=None), Call(inputs={"x": 2})),
        ("source", Call(inputs={}, parameters={}), Call(task="score")),
        ("run", Call(inputs={}, task="y", task_run=FLOW_RUN), Call(flow_run=TASK_RUN)),
        ("parameters", Call(inputs={}, task="y"), Call(parameters={"month": "2021-02"})),
    ],
)
def test_a_policy_looks_at_its_one_thing(policy: str, same: Call, other: Call) -> None:
    chosen = POLICIES[policy]
    assert Call().key(chosen) is not None
    assert same.key(chosen) == Call().key(chosen) != other.key(chosen)


def test_outside_a_flow_a_run_is_the_task_run() -> None:
    assert Call(flow_run=None).key(RUN_ID) == str(TASK_RUN)


def test_nothing_to_look_at_is_no_key() -> None:
    assert Call(inputs={}).key(INPUTS) is None
    assert Call(parameters={}).key(FLOW_PARAMETERS) is None
    for policy in (TASK_SOURCE, RUN_ID):
        assert policy.compute_key(None, {"x": 1}, {}, **TOOLS) is None
    assert Call().key(NO_CACHE) is None
    assert NONE is NO_CACHE


def test_a_function_may_give_the_key() -> None:
    policy = CacheKeyFnPolicy(lambda context, inputs: f"{context.task}-{inputs['x']}")
    assert Call().key(policy) == "fit-1"
    assert Call().key(CacheKeyFnPolicy()) is None


def test_a_policy_without_compute_key_says_what_is_missing() -> None:
    with pytest.raises(NotImplementedError, match="Give your CachePolicy a compute_key method"):
        Call().key(CachePolicy())


@quick
@given(st.lists(st.sampled_from(sorted(POLICIES)), min_size=2, max_size=5))
def test_a_sum_is_the_same_call_only_where_all_its_parts_say_so(names: list[str]) -> None:
    total = POLICIES[names[0]]
    for name in names[1:]:
        total += POLICIES[name]
    assert isinstance(total, CompoundCachePolicy)
    assert total.policies == tuple(POLICIES[name] for name in names), "flat, in order"
    others = {
        "inputs": Call(inputs={"x": 2}), "source": Call(task="score"), "run": Call(flow_run=TASK_RUN),
        "parameters": Call(parameters={"month": "2021-02"}),
    }  # fmt: skip
    for name, other in others.items():
        assert (other.key(total) == Call().key(total)) == (name not in names)


def test_keys_of_none_do_not_count_in_a_sum() -> None:
    total = INPUTS + TASK_SOURCE
    assert Call(inputs={}).key(total) is not None
    assert Call(inputs={}, parameters={}).key(INPUTS + FLOW_PARAMETERS) is None


@pytest.mark.parametrize("policy", [*POLICIES.values(), DEFAULT])
def test_no_cache_adds_nothing(policy: CachePolicy) -> None:
    assert policy + NO_CACHE is policy
    assert NO_CACHE + policy is policy


def test_the_default_is_inputs_source_and_run() -> None:
    assert isinstance(DEFAULT, CompoundCachePolicy)
    assert DEFAULT.policies == (INPUTS, TASK_SOURCE, RUN_ID)


def test_a_subtracted_argument_does_not_count() -> None:
    verbose, quiet = Call(inputs={"x": 1, "verbose": True}), Call(inputs={"x": 1, "verbose": False})
    for policy in (INPUTS, INPUTS + TASK_SOURCE, DEFAULT):
        less = policy - "verbose"
        assert verbose.key(policy) != quiet.key(policy)
        assert verbose.key(less) == quiet.key(less) != Call(inputs={"x": 2, "verbose": True}).key(less)
    both = INPUTS - "verbose" - "x"
    assert verbose.key(both) == Call(inputs={"x": 9, "verbose": 9}).key(both)


@pytest.mark.parametrize("policy", [TASK_SOURCE, RUN_ID, FLOW_PARAMETERS, NO_CACHE])
def test_subtracting_from_a_policy_that_has_no_arguments_changes_nothing(policy: CachePolicy) -> None:
    assert policy - "verbose" is policy


@pytest.mark.parametrize("policy", [INPUTS, TASK_SOURCE, DEFAULT])
def test_only_names_can_be_subtracted(policy: CachePolicy) -> None:
    with pytest.raises(UsageError, match="Subtract the name of an argument from a cache policy, as in INPUTS"):
        policy - 3  # type: ignore[operator]


def test_a_configured_policy_is_a_copy() -> None:
    policy = INPUTS.configure(key_storage="keys", lock_manager="locks", isolation_level="SERIALIZABLE")
    assert (policy.key_storage, policy.lock_manager, policy.isolation_level) == ("keys", "locks", "SERIALIZABLE")
    assert (INPUTS.key_storage, INPUTS.lock_manager, INPUTS.isolation_level) == (None, None, None)
    assert policy.configure(key_storage="elsewhere").lock_manager == "locks"
    assert Call().key(policy) == Call().key(INPUTS)


@pytest.mark.parametrize("name", ["key_storage", "lock_manager", "isolation_level"])
def test_a_sum_keeps_what_any_of_its_parts_names(name: str) -> None:
    here = {name: "a"}
    for total in (INPUTS.configure(**here) + RUN_ID, RUN_ID + INPUTS.configure(**here) + TASK_SOURCE):
        assert getattr(total, name) == "a"
        assert getattr(total - "x", name) == "a"
    assert getattr(INPUTS.configure(**here) + RUN_ID.configure(**here), name) == "a"


@pytest.mark.parametrize("name", ["key_storage", "lock_manager", "isolation_level"])
def test_a_sum_of_two_places_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"name two different values of {name}; give them the same one"):
        INPUTS.configure(**{name: "a"}) + RUN_ID.configure(**{name: "b"})


def test_a_policy_of_ones_own_adds_up_like_the_others() -> None:
    class Weekly(CachePolicy):
        def compute_key(
            self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
        ) -> str | None:
            return "week-9"

    total = Weekly() + INPUTS
    assert Call().key(Weekly()) == "week-9"
    assert Call().key(total) not in (None, Call().key(INPUTS))


def test_the_module_offers_prefects_names() -> None:
    policies = {"INPUTS", "TASK_SOURCE", "RUN_ID", "FLOW_PARAMETERS", "NO_CACHE", "NONE", "DEFAULT"}
    assert {name for name in policies if not isinstance(getattr(caching, name, None), CachePolicy)} == set()
