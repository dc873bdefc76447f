"""Locks on result keys, and the transactions and tasks that hold them."""

import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestration import (
    CacheKeyFnPolicy,
    FileSystemLockManager,
    IsolationLevel,
    MemoryLockManager,
    get_transaction,
    task,
    transaction,
)
from orchestration.domain.errors import ConfigurationError
from orchestration.sdk.results import FolderStorage, ResultStore

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("session")
SERIALIZABLE = IsolationLevel.SERIALIZABLE


@pytest.fixture(params=["memory", "files"])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return MemoryLockManager() if request.param == "memory" else FileSystemLockManager(tmp_path / "locks")


def test_a_lock_has_one_holder_at_a_time(locks: Any) -> None:
    assert locks.acquire_lock("key", "one")
    assert locks.is_locked("key")
    assert not locks.acquire_lock("key", "two", acquire_timeout=0.001)
    assert locks.acquire_lock("other key", "two", acquire_timeout=0)
    locks.release_lock("key", "two")
    assert locks.is_locked("key")
    locks.release_lock("key", "one")
    assert not locks.is_locked("key")
    assert locks.acquire_lock("key", "two", acquire_timeout=0)


def test_a_holder_may_ask_again(locks: Any) -> None:
    assert locks.acquire_lock("key", "one")
    assert locks.acquire_lock("key", "one", acquire_timeout=0)
    locks.release_lock("never taken", "one")


def test_a_lock_is_waited_for(locks: Any) -> None:
    taken: list[bool] = []
    locks.acquire_lock("key", "one")
    waiting = threading.Thread(target=lambda: taken.append(locks.acquire_lock("key", "two", acquire_timeout=20)))
    waiting.start()
    locks.release_lock("key", "one")
    waiting.join(20)
    assert taken == [True]


def test_a_lock_is_free_when_the_process_that_held_it_was_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from orchestration import FileSystemLockManager; "
        "print(FileSystemLockManager(sys.argv[1]).acquire_lock('key', 'one'), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, tmp_path], cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        locks = FileSystemLockManager(tmp_path)
        assert not locks.acquire_lock("key", "two", acquire_timeout=0)
        other.kill()
    assert locks.acquire_lock("key", "two", acquire_timeout=20)


def test_a_manager_travels_without_its_locks(tmp_path: Path) -> None:
    locks = FileSystemLockManager(tmp_path)
    locks.acquire_lock("key", "one")
    copy = pickle.loads(pickle.dumps(locks))
    assert not copy.acquire_lock("key", "two", acquire_timeout=0)
    locks.release_lock("key", "one")
    assert copy.acquire_lock("key", "two", acquire_timeout=0)


def test_serializable_blocks_of_one_key_follow_one_another(locks: Any, tmp_path: Path) -> None:
    store = ResultStore(FolderStorage(tmp_path / "results"), lock_manager=locks)
    inside, go_on = threading.Event(), threading.Event()
    seen: list[Any] = []

    def first() -> None:
        with transaction("key", store, isolation_level=SERIALIZABLE) as own:
            inside.set()
            assert go_on.wait(20)
            own.stage(1)

    def second() -> None:
        with transaction("key", store, isolation_level=SERIALIZABLE) as own:
            seen.append(own.is_committed())

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(20)
    assert locks.is_locked("key")
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert seen == [True]
    assert not locks.is_locked("key")


@pytest.mark.parametrize("exists", [False, True])
def test_a_failing_block_gives_its_lock_back(exists: bool, tmp_path: Path) -> None:
    locks = MemoryLockManager()
    store = ResultStore(FolderStorage(tmp_path), lock_manager=locks)
    if exists:
        store.write("key", 1)
    with pytest.raises(ValueError, match="x"), transaction("key", store, isolation_level=SERIALIZABLE):
        raise ValueError("x")
    assert not locks.is_locked("key")


def test_serializable_needs_a_lock_manager_and_leaves_nothing_behind() -> None:
    with pytest.raises(ConfigurationError, match="SERIALIZABLE needs a lock manager"):
        transaction("key", isolation_level=SERIALIZABLE).__enter__()
    assert get_transaction() is None


def test_a_task_holds_the_lock_of_its_key_while_it_works_under_a_serializable_policy() -> None:
    locks = MemoryLockManager()
    policy = CacheKeyFnPolicy(lambda context, parameters: "key")

    @task(cache_policy=policy.configure(isolation_level=SERIALIZABLE, lock_manager=locks), retries=1)
    def work(fails: bool) -> bool:
        if fails:
            raise ValueError("x")
        return locks.is_locked("key")

    assert work(fails=True, return_state=True).is_failed()
    assert not locks.is_locked("key")
    assert work(fails=False) is True
    assert not locks.is_locked("key")
    assert work(fails=False, return_state=True).name == "Cached"
    assert not locks.is_locked("key")
