"""Locks on result keys, and the transactions and tasks that hold them."""

import fcntl
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


def _is_locked(locks: Any) -> bool:
    """Whether anybody holds a lock."""
    if isinstance(locks, MemoryLockManager):
        return any(lock.locked() for lock in locks._locks.values())
    return any(map(_is_held, Path(locks.lock_files_directory).glob("*.lock")))


def _is_held(path: Path) -> bool:
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_block_holds_the_lock_of_its_key_and_of_no_other(locks: Any) -> None:
    with locks.held("key"):
        assert _is_locked(locks)
        with locks.held("other key"):
            assert _is_locked(locks)
    assert not _is_locked(locks)


def test_a_lock_is_given_back_when_its_block_fails(locks: Any) -> None:
    with pytest.raises(ValueError, match="x"), locks.held("key"):
        raise ValueError("x")
    assert not _is_locked(locks)


def test_a_lock_is_waited_for(locks: Any) -> None:
    seen: list[str] = []

    def take() -> None:
        with locks.held("key"):
            seen.append("second")

    waiting = threading.Thread(target=take)
    with locks.held("key"):
        waiting.start()
        seen.append("first")
    waiting.join(20)
    assert seen == ["first", "second"]


def test_a_lock_is_free_when_the_process_that_held_it_was_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from orchestration import FileSystemLockManager\n"
        "with FileSystemLockManager(sys.argv[1]).held('key'): print(True, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, tmp_path], cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        locks = FileSystemLockManager(tmp_path)
        assert _is_locked(locks)
        other.kill()
    assert not _is_locked(locks)


def test_a_manager_travels_without_its_locks(tmp_path: Path) -> None:
    locks = FileSystemLockManager(tmp_path)
    with locks.held("key"):
        copy = pickle.loads(pickle.dumps(locks))
        assert _is_locked(copy)
    assert not _is_locked(copy)


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
    assert _is_locked(locks)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert seen == [True]
    assert not _is_locked(locks)


@pytest.mark.parametrize("exists", [False, True])
def test_a_failing_block_gives_its_lock_back(exists: bool, tmp_path: Path) -> None:
    locks = MemoryLockManager()
    store = ResultStore(FolderStorage(tmp_path), lock_manager=locks)
    if exists:
        store.write("key", 1)
    with pytest.raises(ValueError, match="x"), transaction("key", store, isolation_level=SERIALIZABLE):
        raise ValueError("x")
    assert not _is_locked(locks)


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
        return _is_locked(locks)

    assert work(fails=True, return_state=True).is_failed()
    assert not _is_locked(locks)
    assert work(fails=False) is True
    assert not _is_locked(locks)
    assert work(fails=False, return_state=True).name == "Cached"
    assert not _is_locked(locks)
