"""Runs that are made, claimed, renewed, lost, cancelled and tried again in any order that Hypothesis thinks of."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from orchestration.backend.clock import utc_now
from orchestration.backend.connect import open_backend
from orchestration.backend.local import LocalBackend
from orchestration.domain.rules import Abort, Accept, Reject
from orchestration.domain.schedules import LEASE_SECONDS
from orchestration.domain.settings import Settings
from orchestration.domain.states import Cancelling, Completed, Failed, Running, State, StateDetails, StoredResult

FINAL, RETRIES, LIMIT = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}, 1, 3
LIVING = st.sampled_from([Running(), Completed(), Failed("It failed.")])


class Claims(RuleBasedStateMachine):
    """A pool in a store, and what must hold of it; the clock is the scheduler's, so leases end when it says so."""

    backend: LocalBackend

    runs: Bundle[UUID] = Bundle("runs")
    claims: Bundle[tuple[UUID, UUID]] = Bundle("claims")
    done: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.made, self.held = list[UUID](), dict[UUID, UUID]()

    @initialize()
    def deploy(self) -> None:
        self.done["examples"] += 1
        name = f"trips-{self.done['examples']}"
        flow_id = self.backend.create("flows", {"name": "train"}, overwrite=True)["id"]
        self.pool = UUID(self.backend.create("work_pools", {"name": name, "type": "process"})["id"])
        self.backend.change("work_pools", {"concurrency_limit": LIMIT}, name=name)
        about = {"name": name, "flow_id": flow_id, "work_pool_name": name}
        self.deployment = UUID(self.backend.create("deployments", about)["id"])

    @rule(target=runs)
    def create(self) -> UUID:
        wanted = {"empirical_policy": {"retries": RETRIES, "retry_delay": 0}}
        self.made.append(self.backend.create_run_of_deployment(self.deployment, wanted).id)
        return self.made[-1]

    @rule(target=claims, limit=st.integers(1, 3))
    def claim(self, limit: int) -> Any:
        before = self._active()
        found = self.backend.claim_runs(self.pool, (), limit, "worker")
        mine = [(UUID(run["id"]), UUID(run["claim_id"])) for run in found]
        assert len(mine) <= min(limit, max(0, LIMIT - before)), "the limit of the pool holds"
        assert not self.held.keys() & {run_id for run_id, _ in mine}, "nobody else holds a claim on it"
        self.held.update(mine)
        self.done["claimed"] += len(mine)
        return multiple(*mine)

    @rule(claim=claims, state=LIVING)
    def live(self, claim: tuple[UUID, UUID], state: State) -> None:
        """What a process proposes; it may have lost its claim long ago."""
        run_id, claim_id = claim
        before = self.backend.flow_run_states(run_id)
        if state.is_running() and before[-1].is_running():
            return  # a process begins a run once
        decision = self.backend.propose_flow_run_state(run_id, state.evolve(details=StateDetails(claim_id=claim_id)))
        if self.held.get(run_id) != claim_id:
            assert isinstance(decision, Abort), "who lost the claim is told so"
            assert self.backend.flow_run_states(run_id) == before, "and records nothing"
            self.done["fenced"] += 1
        self.done[type(decision).__name__] += 1

    @rule(claim=claims)
    def heartbeat(self, claim: tuple[UUID, UUID]) -> None:
        run_id, claim_id = claim
        assert (claim_id in self.backend.renew_claims([claim_id])) == (self.held.get(run_id) == claim_id)

    @rule(claim=consumes(claims), message=st.none() | st.just("It was killed."))
    def end(self, claim: tuple[UUID, UUID], message: str | None) -> None:
        run_id, claim_id = claim
        before = self.backend.flow_run_states(run_id)
        self.backend.end_claim(claim_id, message)
        if self.held.get(run_id) == claim_id:
            del self.held[run_id]
            assert self._type(run_id) not in ("PENDING", "RUNNING", "CANCELLING"), "its slot is free"
        else:
            assert self.backend.flow_run_states(run_id) == before

    @rule(seconds=st.sampled_from([0.0, LEASE_SECONDS - 1, LEASE_SECONDS + 1]))
    def expire(self, seconds: float) -> None:
        self.backend.expire_claims(utc_now() + timedelta(seconds=seconds))
        if seconds > LEASE_SECONDS:
            self.done["expired"] += len(self.held)
            assert all(self._type(run_id) not in ("PENDING", "RUNNING", "CANCELLING") for run_id in self.held)
            self.held.clear()

    @rule(run_id=runs)
    def cancel(self, run_id: UUID) -> None:
        state = self.backend.flow_run(run_id).state
        decision = self.backend.propose_flow_run_state(run_id, Cancelling())
        assert isinstance(decision, Accept | Reject | Abort)
        if state is not None and state.is_final():
            assert self._type(run_id) == state.type.value, "what has ended stays so"
        assert self._type(run_id) != "CANCELLING" or run_id in self.held, "somebody is there to end it"
        self.done["cancelled"] += not isinstance(decision, Abort)

    def _type(self, run_id: UUID) -> str:
        return str(self.backend.flow_run(run_id).state_type)

    def _active(self) -> int:
        return sum(self._type(run_id) in ("PENDING", "RUNNING", "CANCELLING") for run_id in self.made)

    @invariant()
    def every_run_tells_a_possible_story(self) -> None:
        for run_id in self.made:
            states = self.backend.flow_run_states(run_id)
            begun = sum(state.is_running() for state in states)
            assert begun <= 1 + RETRIES, "no more attempts than its flow allows"
            assert sum(state.is_completed() for state in states) <= 1
            stamps = [state.timestamp or datetime.max for state in states]
            assert stamps == sorted(stamps)

    @invariant()
    def what_is_under_way_is_held(self) -> None:
        under_way = {run_id for run_id in self.made if self._type(run_id) in ("PENDING", "RUNNING")}
        assert under_way <= self.held.keys(), "an active run without a claim would stay so for ever"


@pytest.mark.parametrize("examples", [60, pytest.param(250, marks=pytest.mark.reliability)])
def test_whatever_happens_claims_are_exclusive_and_every_run_can_end(
    examples: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = open_backend(Settings(tmp_path), StoredResult)
    assert isinstance(backend, LocalBackend)
    Claims.backend, Claims.done = backend, Counter()
    same, steps = examples < 100, 40  # the quick form is the same one each time
    long = settings(
        max_examples=examples, stateful_step_count=steps, derandomize=same, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    with closing(backend):
        run_state_machine_as_test(Claims, settings=long)
    with capsys.disabled():
        sys.stdout.write(json.dumps(Claims.done) + "\n")
    assert min(Claims.done[name] for name in ("claimed", "fenced", "expired", "cancelled")) > 0
