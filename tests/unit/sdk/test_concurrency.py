"""Concurrency limits: slots held, handed over, waited for, renewed and given back."""

import asyncio
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import orchestration
from orchestration import concurrency, flow, rate_limit, task
from orchestration.domain.errors import AcquireTimeoutError, ConfigurationError, StoreError, UsageError
from orchestration.sdk import concurrency as limits
from orchestration.sdk.awaiting import in_thread
from orchestration.sdk.client import SyncClient
from orchestration.sdk.concurrency import Slots
from orchestration.sdk.context import Session

ROOT = Path(orchestration.__file__).parents[1]


@pytest.fixture(autouse=True)
def _ask_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_POLL_SECONDS", 0.002)


def _limit(client: SyncClient, name: str = "db", limit: int = 1, decay: float = 0.0, active: bool = True) -> None:
    new = {"name": name, "limit": limit, "slot_decay_per_second": decay, "active": active}
    client._backend.create("concurrency_limits", new, overwrite=True)


def _taken(client: SyncClient) -> dict[str, int]:
    return {limit.name: limit.active_slots for limit in client._backend.concurrency_limits()}


def test_slots_are_held_while_the_block_runs(client: SyncClient) -> None:
    _limit(client, limit=3)
    with concurrency("db", occupy=2):
        assert _taken(client) == {"db": 2}
    assert _taken(client) == {"db": 0}


def test_slots_come_back_when_the_block_raises(client: SyncClient) -> None:
    _limit(client)
    with pytest.raises(ValueError, match="boom"), concurrency("db"):
        raise ValueError("boom")
    assert _taken(client) == {"db": 0}


def test_slots_of_several_limits_are_taken_together_or_not_at_all(client: SyncClient) -> None:
    _limit(client, "a")
    _limit(client, "b")
    with concurrency("b"), pytest.raises(AcquireTimeoutError), concurrency(["a", "b"], timeout_seconds=0):
        pass
    with concurrency("b"):
        assert _taken(client) == {"a": 0, "b": 1}
    with concurrency(["a", "b"]):
        assert _taken(client) == {"a": 1, "b": 1}


def test_the_same_slots_can_be_taken_again(client: SyncClient) -> None:
    _limit(client)
    slots = concurrency("db")
    for _ in range(2):
        with slots:
            assert _taken(client) == {"db": 1}
        assert _taken(client) == {"db": 0}


@pytest.mark.parametrize("names", [None, "", [], ()])
def test_no_name_limits_nothing(names: Any, session: Session) -> None:
    async def main() -> None:
        async with concurrency(names):
            pass

    with concurrency(names):
        asyncio.run(main())
        assert session.backend.concurrency_limits() == []


def test_a_name_without_a_limit_and_a_limit_that_is_off_let_pass(client: SyncClient) -> None:
    _limit(client, limit=0, active=False)
    with concurrency(["db", "unknown"], timeout_seconds=0):
        assert _taken(client) == {"db": 0}


def test_strict_refuses_a_name_without_a_limit(client: SyncClient) -> None:
    _limit(client)
    with pytest.raises(ConfigurationError, match="no concurrency limit 'unknown'"):
        concurrency(["db", "unknown"], strict=True).__enter__()
    with concurrency("db", strict=True):
        assert _taken(client) == {"db": 1}


def test_more_than_there_ever_are_is_refused(client: SyncClient) -> None:
    _limit(client, "other", limit=1)
    _limit(client, limit=2)
    with pytest.raises(UsageError, match=r"'db' has 2 slot\(s\), so 3 can never be had"):
        concurrency("db", occupy=3).__enter__()


def test_a_limit_of_none_is_waited_for_until_it_is_raised(client: SyncClient) -> None:
    _limit(client, limit=0)
    with pytest.raises(AcquireTimeoutError), concurrency("db", max_retries=2):
        pass
    _limit(client, limit=1)
    with concurrency("db", max_retries=0):
        assert _taken(client) == {"db": 1}


@pytest.mark.parametrize("bound", [{"timeout_seconds": 0}, {"timeout_seconds": 0.02}, {"max_retries": 3}])
def test_waiting_ends(bound: dict[str, Any], client: SyncClient) -> None:
    _limit(client)
    with concurrency("db"):
        with pytest.raises(AcquireTimeoutError, match=r"No 1 slot\(s\) of db came free in time") as caught:
            concurrency("db", **bound).__enter__()
        assert isinstance(caught.value, TimeoutError)
        assert _taken(client) == {"db": 1}


def test_a_slot_is_handed_to_the_thread_that_waits(client: SyncClient) -> None:
    _limit(client)
    told: list[str] = []
    held, asked = threading.Event(), threading.Event()

    def wait() -> None:
        held.wait()
        asked.set()
        with concurrency("db"):
            told.append("second")

    waiting = threading.Thread(target=wait)
    waiting.start()
    with concurrency("db"):
        held.set()
        asked.wait()
        told.append("first")
    waiting.join()
    assert told == ["first", "second"]


def test_no_more_than_the_limit_hold_slots_at_once(client: SyncClient) -> None:
    _limit(client, limit=2)
    lock, inside, most = threading.Lock(), [0], [0]

    @task
    def work(_number: int) -> None:
        with concurrency("db"):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            client.read_variables()  # some work
            with lock:
                inside[0] -= 1

    @flow
    def main() -> None:
        work.map(range(12))

    main()
    assert inside == [0]
    assert 1 <= most[0] <= 2


def test_slots_of_another_process_are_waited_for(client: SyncClient, session: Session) -> None:
    _limit(client)
    program = (
        "from orchestration import concurrency\nwith concurrency('db'):\n    print('held', flush=True)\n    input()\n"
    )
    environ = {"ORCHESTRATION_HOME": str(session.settings.home), "PYTHONPATH": str(ROOT)}
    other = subprocess.Popen(
        [sys.executable, "-c", program], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(AcquireTimeoutError):
            concurrency("db", timeout_seconds=0).__enter__()
        other.communicate("\n")
    with concurrency("db"):
        assert _taken(client) == {"db": 1}


def test_async_code_holds_slots_without_holding_up_its_loop(client: SyncClient) -> None:
    _limit(client)
    told: list[str] = []

    async def worker(name: str) -> None:
        async with concurrency("db"):
            told.append(f"{name} in")
            await asyncio.sleep(0)
            told.append(f"{name} out")

    async def main() -> None:
        await asyncio.gather(*(worker(name) for name in "abc"))

    asyncio.run(main())
    assert [line.endswith("in") for line in told] == [True, False] * 3
    assert _taken(client) == {"db": 0}


def test_async_waiting_ends(client: SyncClient) -> None:
    _limit(client)

    async def main() -> None:
        async with concurrency("db"):
            with pytest.raises(AcquireTimeoutError):
                await concurrency("db", timeout_seconds=0.01).__aenter__()

    asyncio.run(main())
    assert _taken(client) == {"db": 0}


def test_a_cancelled_wait_leaves_no_slot_taken(client: SyncClient, session: Session) -> None:
    _limit(client)
    asking, go_on = threading.Event(), threading.Event()

    class Slow:
        """A store that answers when it is told to."""

        def __getattr__(self, name: str) -> Any:
            return getattr(session.backend, name)

        def try_acquire(self, *args: Any) -> float | None:
            asking.set()
            go_on.wait()
            return session.backend.try_acquire(*args)

    async def main() -> None:
        slow: Any = Slow()
        slots = Slots("db", session=replace(session, backend=slow))
        entering = asyncio.ensure_future(slots.__aenter__())
        await asyncio.to_thread(asking.wait)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        go_on.set()

    asyncio.run(main())  # which waits for its worker threads
    assert _taken(client) == {"db": 0}


class _Renewals:
    """A store that counts the renewals of leases, and fails at the first."""

    def __init__(self, session: Session, wanted: int) -> None:
        self._backend = session.backend
        self._wanted = wanted
        self.count = 0
        self.enough = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def renew_lease(self, *args: Any) -> bool:
        self.count += 1
        if self.count == 1:
            raise StoreError("The store is away.")
        renewed = self._backend.renew_lease(*args)
        if self.count >= self._wanted:
            self.enough.set()
        return renewed


def test_a_lease_is_renewed_even_by_a_store_that_was_away(client: SyncClient, session: Session) -> None:
    _limit(client)
    store: Any = _Renewals(session, wanted=4)
    with Slots("db", lease_duration=0.3, session=replace(session, backend=store)):
        assert store.enough.wait(10)
        assert _taken(client) == {"db": 1}  # more than 0.3 seconds have passed


def test_a_lease_that_is_lost_is_not_renewed_any_more(client: SyncClient, session: Session) -> None:
    _limit(client)
    before = set(threading.enumerate())
    with concurrency("db", lease_duration=0.03):
        (renewing,) = set(threading.enumerate()) - before
        client._backend.delete("concurrency_limits", name="db")
        renewing.join(10)
        assert not renewing.is_alive()


def test_a_rate_is_used_up_and_comes_back(client: SyncClient) -> None:
    _limit(client, limit=2, decay=0.001)
    rate_limit("db", occupy=2)
    with pytest.raises(AcquireTimeoutError):
        rate_limit("db", occupy=2, timeout_seconds=0)
    _limit(client, limit=2, decay=1000.0)
    rate_limit(["db"], occupy=2, timeout_seconds=60)


def test_a_rate_limits_async_code_too(client: SyncClient) -> None:
    _limit(client, limit=1, decay=0.001)

    async def main() -> None:
        await rate_limit("db")
        with pytest.raises(AcquireTimeoutError):
            await rate_limit("db", timeout_seconds=0)
        await in_thread(_limit, client, limit=1, decay=1000.0)
        await rate_limit("db", timeout_seconds=60)

    asyncio.run(main())


def test_a_rate_needs_a_limit_with_a_decay(client: SyncClient) -> None:
    _limit(client)
    with pytest.raises(ConfigurationError, match="no slot_decay_per_second"):
        rate_limit("db")
    with pytest.raises(ConfigurationError, match="no concurrency limit 'unknown'"):
        rate_limit("unknown", strict=True)
    rate_limit("unknown")
    _limit(client, active=False)
    rate_limit("db")
    assert _taken(client) == {"db": 0}


@pytest.mark.parametrize("is_async", [False, True])
def test_a_tag_limit_counts_the_task_runs_of_that_tag(is_async: bool, client: SyncClient) -> None:
    _limit(client, "tag:db", limit=1)
    seen: list[dict[str, int]] = []

    @task(tags=["db", "other"])
    def work() -> None:
        seen.append(_taken(client))

    @task(tags=["db", "other"])
    async def awork() -> None:
        seen.append(_taken(client))

    @task(tags=["other"])
    def free() -> None:
        seen.append(_taken(client))

    @flow
    def main() -> None:
        for run in [(awork if is_async else work).submit() for _ in range(3)]:
            run.result()
        free()

    main()
    assert seen == [{"tag:db": 1}] * 3 + [{"tag:db": 0}]
    assert _taken(client) == {"tag:db": 0}


def test_tag_limits_are_not_looked_up_for_every_run(client: SyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: now[0]))

    @task(tags=["db"])
    def work() -> dict[str, int]:
        return _taken(client)

    assert work() == {}
    _limit(client, "tag:db")
    now[0] += 0.5
    assert work() == {"tag:db": 0}
    now[0] += 0.5
    assert work() == {"tag:db": 1}
