"""Caching: which calls are the same call, for how long, and the log line that says so."""

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestration import (
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    RUN_ID,
    TASK_SOURCE,
    CacheKeyFnPolicy,
    CachePolicy,
    flow,
    task,
    task_input_hash,
)  # fmt: skip
from orchestration.backend.clock import utc_now
from orchestration.domain.errors import UsageError
from orchestration.sdk.client import SyncClient
from orchestration.sdk.context import Session
from orchestration.sdk.results import ResultStore, StoredValue

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.usefixtures("session")


class Counted:
    """A task that counts how often its code ran."""

    def __init__(self, **options: Any) -> None:
        self.count = 0

        @task(name="work", **options)
        def work(x: Any = None, y: Any = None) -> int:
            self.count += 1
            return self.count

        self.task = work


def _calls(work: Any, *calls: tuple[Any, ...], parameters: tuple[int, ...] = (1, 1)) -> list[int]:
    """The results of these calls in a flow run each, one run for each parameter."""
    results: list[int] = []

    @flow
    def main(month: int) -> None:
        results.extend(work(*call) for call in calls)

    for month in parameters:
        main(month)
    return results


def _lines(client: SyncClient) -> list[str]:
    return [line.message for line in client.read_logs() if line.message.startswith("Cache ")]


@pytest.mark.parametrize(
    ("policy", "parameters", "results"),
    [
        (INPUTS, (1, 1), [1, 1, 2, 1, 1, 2]),
        (TASK_SOURCE, (1, 1), [1, 1, 1, 1, 1, 1]),
        (RUN_ID, (1, 1), [1, 1, 1, 2, 2, 2]),
        (FLOW_PARAMETERS, (1, 1), [1, 1, 1, 1, 1, 1]),
        (FLOW_PARAMETERS, (1, 2), [1, 1, 1, 2, 2, 2]),
        (NO_CACHE, (1, 1), [1, 2, 3, 4, 5, 6]),
        (INPUTS + RUN_ID, (1, 1), [1, 1, 2, 3, 3, 4]),
        (INPUTS - "x", (1, 1), [1, 1, 1, 1, 1, 1]),
        (CacheKeyFnPolicy(lambda _, inputs: f"even-{inputs['x'] % 2}"), (1, 1), [1, 1, 2, 1, 1, 2]),
        (CacheKeyFnPolicy(lambda _context, _inputs: None), (1, 1), [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_policy_says_which_calls_are_the_same(
    policy: CachePolicy, parameters: tuple[int, ...], results: list[int]
) -> None:
    work = Counted(cache_policy=policy, persist_result=True).task
    assert _calls(work, (1,), (1,), (2,), parameters=parameters) == results


def test_the_default_policy_counts_once_results_are_persisted() -> None:
    assert _calls(Counted(persist_result=True).task, (1,), (1,), (2,)) == [1, 1, 2, 3, 3, 4]
    assert _calls(Counted().task, (1,), (1,)) == [1, 2, 3, 4]


def test_a_hit_is_a_state_of_its_own(client: SyncClient) -> None:
    work = Counted(cache_policy=INPUTS).task
    assert (work(1), work(1)) == (1, 1)
    first, second = client.read_task_runs()
    assert (first.state_name, second.state_name) == ("Completed", "Cached")
    assert second.run_count == 0
    assert [state.name for state in client.read_task_run_states(second.id)] == ["Pending", "Cached"]


def test_one_line_says_hit_or_miss_and_why(client: SyncClient, session: Session) -> None:
    work = Counted(cache_key_fn=lambda _context, _inputs: "the-key").task
    for each in (work, work, work.with_options(refresh_cache=True), work.with_options(cache_policy=NO_CACHE)):
        each(1)
    stored = ResultStore().write("the-key", 9, utc_now() - timedelta(seconds=1))
    work(1)
    assert _lines(client) == [
        "Cache miss: there is no result under key the-key yet",
        "Cache hit: the result under key the-key is used again",
        "Cache miss: refresh_cache asks for a new result under key the-key",
        "Cache hit: the result under key the-key is used again",
        f"Cache miss: the result under key the-key expired at {stored.expiration}",
    ]


def test_a_result_counts_until_it_expires(session: Session) -> None:
    counted = Counted(cache_policy=INPUTS, cache_expiration=timedelta(hours=1), cache_key_fn=lambda *_: "key")
    assert (counted.task(1), counted.task(1)) == (1, 1)
    found = ResultStore().find("key")
    assert found is not None
    assert found.expiration is not None
    assert timedelta(minutes=59) < found.expiration - utc_now() < timedelta(hours=1)
    ResultStore().write("key", 8, utc_now())
    assert counted.task(1) == 2


def test_a_refreshed_result_is_the_one_that_is_used_again() -> None:
    counted = Counted(cache_policy=INPUTS)
    assert counted.task(1) == 1
    assert counted.task.with_options(refresh_cache=True)(1) == 2
    assert counted.task(1) == 2


def test_an_input_that_cannot_be_hashed_is_a_miss_that_says_so(client: SyncClient) -> None:
    counted = Counted(cache_policy=INPUTS)
    lock = threading.Lock()
    assert (counted.task(lock), counted.task(lock)) == (1, 2)
    assert all("An argument cannot be a part of a cache key (cannot pickle" in line for line in _lines(client))
    assert len(_lines(client)) == 2
    without = Counted(cache_policy=INPUTS - "y")
    assert (without.task(1, lock), without.task(1, lock)) == (1, 1)


def test_a_key_function_that_raises_is_a_miss_and_not_the_task_s_failure(client: SyncClient) -> None:
    def wrong(_context: Any, inputs: dict[str, Any]) -> str:
        return str(inputs["no such argument"])

    counted = Counted(cache_key_fn=wrong)
    assert (counted.task(1), counted.task(1)) == (1, 2)
    assert "KeyError('no such argument')" in _lines(client)[0]


def test_a_broken_file_is_a_miss_and_is_written_anew(session: Session) -> None:
    counted = Counted(cache_key_fn=lambda *_: "key")
    assert counted.task(1) == 1
    path = session.settings.storage_path / "key"
    path.write_text(path.read_text()[:-10])
    assert (counted.task(1), counted.task(1)) == (2, 2)


def test_the_key_of_a_method_s_call_has_its_object_in_it() -> None:
    class Model:
        def __init__(self, name: str) -> None:
            self.name = name

        @task(cache_policy=INPUTS)
        def predict(self, x: int) -> str:
            return f"{self.name} {x}"

    assert [Model("a").predict(1), Model("b").predict(1)] == ["a 1", "b 1"]


def test_a_storage_key_names_the_file(tmp_path: Path) -> None:
    key = "{flow_run.name}/{task_run.name}-{parameters[x]}-{y}.json"
    counted = Counted(result_storage_key=key, result_storage=tmp_path, result_serializer="json")

    @flow(flow_run_name="monthly")
    def main() -> None:
        counted.task(3, "b")
        counted.task(3, "b")

    main()
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")} == {
        f"monthly/work-{number}-3-b.json" for number in range(2)
    }


@pytest.mark.parametrize("key", ["{nothing}", "{parameters[z]}", "{0}", "{flow_run.nothing}"])
def test_a_storage_key_that_cannot_be_filled_in_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match=r"result_storage_key=.* cannot be filled in .*x, y"):
        Counted(result_storage_key=key).task(1)


@pytest.mark.parametrize(
    ("options", "of_flow", "is_kept"),
    [
        ({}, {}, False),
        ({}, {"persist_result": True}, True),
        ({}, {"persist_result": False}, False),
        ({"persist_result": False}, {"persist_result": True}, False),
        ({"persist_result": True}, {"persist_result": False}, True),
        ({"cache_policy": NO_CACHE}, {"persist_result": True}, True),
        ({"cache_policy": NO_CACHE}, {}, False),
        ({"cache_policy": INPUTS}, {}, True),
        ({"cache_key_fn": task_input_hash}, {}, True),
        ({"cache_expiration": timedelta(days=1)}, {}, False),
        ({"result_serializer": "json"}, {}, True),
    ],
)
def test_the_nearest_wish_decides_whether_a_result_is_kept(
    options: dict[str, Any], of_flow: dict[str, Any], is_kept: bool
) -> None:
    work = Counted(**options).task

    @flow(**of_flow)
    def main() -> bool:
        return isinstance(work(1, return_state=True).data, StoredValue)

    assert main() is is_kept


def test_a_policy_names_where_its_keys_lie(tmp_path: Path) -> None:
    counted = Counted(cache_policy=CacheKeyFnPolicy(lambda *_: "key").configure(key_storage=tmp_path))
    assert (counted.task(1), counted.task(1)) == (1, 1)
    assert (tmp_path / "key").is_file()


def test_the_input_hash_is_a_key_function(session: Session) -> None:
    counted = Counted(cache_key_fn=task_input_hash)
    assert [counted.task(1), counted.task(1), counted.task(2)] == [1, 1, 2]
    assert task_input_hash(SimpleNamespace(task=counted.task), {"x": 1}) is not None


PROGRAM = """
from dataclasses import dataclass
from orchestration import INPUTS, TASK_SOURCE, flow, task

@dataclass
class Config:
    names: set[str]

@task(cache_policy=INPUTS + TASK_SOURCE)
def work(config, months):
    print("worked", flush=True)
    return 5

@flow
def main():
    return work(Config({"x", "y", "z"}), {"2021-01", "2021-02"})

print(main())
"""


def test_another_process_finds_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    said = []
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
        said.append((done.stdout, "Cache hit" in done.stderr))
    assert said == [("worked\n5\n", False), ("5\n", True)]
