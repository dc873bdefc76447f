"""Transactions: results are written together or not at all, and undone by hooks when something fails."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from orchestration import (
    CommitMode,
    Task,
    Transaction,
    flow,
    get_transaction,
    task,
    transaction,
)
from orchestration.sdk.client import SyncClient
from orchestration.sdk.context import Session
from orchestration.sdk.results import FolderStorage, JSONSerializer, ResultStore

pytestmark = pytest.mark.usefixtures("session")


class Story:
    """Tasks that tell of their commits and rollbacks."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def task(self, name: str) -> Task[[], str]:
        def commit(_: Transaction) -> None:
            self.told.append(f"{name} committed")

        def rollback(_: Transaction) -> None:
            self.told.append(f"{name} rolled back")

        return task(name=name, on_commit=[commit], on_rollback=[rollback])(lambda: name)


@pytest.fixture
def story() -> Story:
    return Story()


def test_tasks_in_a_block_are_committed_at_its_end_in_order(story: Story) -> None:
    a, b = story.task("a"), story.task("b")

    @flow
    def main() -> None:
        with transaction() as around:
            a()
            assert story.told == []
            assert not around.is_committed()
            b()
        assert around.is_committed()

    main()
    assert story.told == ["a committed", "b committed"]


def test_a_failing_block_rolls_its_tasks_back_last_first(story: Story, client: SyncClient) -> None:
    a, b = story.task("a"), story.task("b")

    @flow
    def main() -> None:
        with transaction():
            a()
            b()
            raise ValueError("x")

    assert main(return_state=True).message == "Flow run encountered an exception: ValueError: x"
    assert story.told == ["b rolled back", "a rolled back"]
    run = client.read_task_runs()[0]
    assert [state.name for state in client.read_task_run_states(run.id)] == [
        "Pending", "Running", "Completed", "RolledBack",
    ]  # fmt: skip


def test_a_failing_task_rolls_back_those_before_it_but_not_itself(story: Story) -> None:
    a = story.task("a")

    @task(on_rollback=[lambda _: story.told.append("never")])
    def fail() -> None:
        raise ValueError("x")

    @flow
    def main() -> None:
        with transaction():
            a()
            fail()

    assert main(return_state=True).is_failed()
    assert story.told == ["a rolled back"]


def test_a_task_without_a_block_commits_at_once(story: Story) -> None:
    a = story.task("a")

    @flow
    def main() -> None:
        a()
        story.told.append("after")
        raise ValueError("x")

    main(return_state=True)
    assert story.told == ["a committed", "after"]


@pytest.mark.parametrize("fails", [False, True])
def test_inner_blocks_end_with_the_outer_one(story: Story, fails: bool) -> None:
    a, b, c = story.task("a"), story.task("b"), story.task("c")

    @flow
    def main() -> None:
        with transaction():
            a()
            with transaction() as inner:
                b()
            assert not inner.is_committed()
            c()
            if fails:
                raise ValueError("x")

    main(return_state=True)
    assert story.told == (
        ["c rolled back", "b rolled back", "a rolled back"] if fails else ["a committed", "b committed", "c committed"]
    )


def test_a_failing_inner_block_leaves_the_outer_one_alone(story: Story) -> None:
    a, b = story.task("a"), story.task("b")

    @flow
    def main() -> None:
        with transaction() as outer:
            a()
            with pytest.raises(ValueError, match="inner"), transaction() as inner:
                b()
                raise ValueError("inner")
            assert inner.is_rolled_back()
        assert outer.is_committed()

    main()
    assert story.told == ["b rolled back", "a committed"]


def test_an_eager_block_commits_each_task_at_its_end(story: Story) -> None:
    a = story.task("a")

    @flow
    def main() -> None:
        with transaction(commit_mode=CommitMode.EAGER):
            a()
            assert story.told == ["a committed"]
            raise ValueError("x")

    main(return_state=True)
    assert story.told == ["a committed"]


@pytest.mark.parametrize("commits", [False, True])
def test_a_block_that_is_off_commits_only_when_told(story: Story, commits: bool) -> None:
    a = story.task("a")

    @flow
    def main() -> None:
        with transaction(commit_mode=CommitMode.OFF) as around:
            a()
            if commits:
                around.commit()

    main()
    assert story.told == (["a committed"] if commits else ["a rolled back"])


def test_a_commit_hook_that_fails_rolls_back_what_is_left(story: Story, client: SyncClient) -> None:
    a, b = story.task("a"), story.task("b")

    @b.on_commit
    def refuse(_: Transaction) -> None:
        raise ValueError("cannot commit")

    @flow
    def main() -> Any:
        with transaction() as around:
            a()
            b()
        return around.state

    assert main() == "COMMITTED"
    assert story.told == ["a committed", "b committed", "b rolled back"]
    assert any("An error was encountered while committing" in line.message for line in client.read_logs())


def test_a_rollback_hook_that_fails_stops_the_rest_and_hides_nothing(story: Story) -> None:
    a, b = story.task("a"), story.task("b")

    @b.on_rollback
    def refuse(_: Transaction) -> None:
        raise RuntimeError("hook")

    @flow
    def main() -> None:
        with transaction():
            a()
            b()
            raise ValueError("the flow's own")

    with pytest.raises(ValueError, match="the flow's own"):
        main()
    assert story.told == ["a rolled back"]


def test_values_are_shared_with_hooks_and_inner_blocks() -> None:
    seen: list[Any] = []

    @task(on_rollback=[lambda around: seen.append(around.get("path"))])
    def work() -> None: ...

    @flow
    def main() -> None:
        with transaction() as outer:
            outer.set("path", "a.txt")
            assert get_transaction() is outer
            with transaction() as inner:
                inner.set("own", 1)
                seen.extend([inner.get("path"), inner.get("own"), inner.get("none", 9)])
                with pytest.raises(ValueError, match="The transaction has no value 'none'"):
                    inner.get("none")
                with pytest.raises(ValueError, match="no value 'own'"):
                    outer.get("own")
            work()
            raise ValueError("x")

    main(return_state=True)
    assert seen == ["a.txt", 1, 9, "a.txt"]
    assert get_transaction() is None


def test_a_task_has_a_transaction_of_its_own() -> None:
    seen: list[Any] = []

    @task(on_commit=[lambda own: seen.append(own.get("rows"))])
    def work() -> None:
        own = get_transaction()
        assert own is not None
        own.set("rows", 5)

    work()
    assert seen == [5]


def test_tasks_that_a_failing_task_called_are_rolled_back(story: Story) -> None:
    inner = story.task("inner")

    @task
    def outer() -> None:
        inner()
        raise ValueError("x")

    assert outer(return_state=True).is_failed()
    assert story.told == ["inner rolled back"]


def test_a_key_writes_the_staged_value_once() -> None:
    @flow
    def main() -> list[Any]:
        seen: list[Any] = []
        for value in (1, 2):
            with transaction(key="shared") as once:
                seen.append(once.is_committed())
                once.stage({"v": value})
        stored = once.read()
        assert stored is not None
        return [*seen, stored.load()]

    assert main() == [False, True, {"v": 1}]


def test_a_value_can_be_written_again_or_not_at_all(tmp_path: Path) -> None:
    store = ResultStore(FolderStorage(tmp_path), JSONSerializer())
    for value, options in ((1, {}), (2, {"overwrite": True}), (3, {"overwrite": True, "write_on_commit": False})):
        with transaction("key", store, **options) as own:  # type: ignore[arg-type]
            own.stage(value)
    stored = store.find("key")
    assert stored is not None
    assert stored.load() == 2


def test_nothing_is_written_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), transaction("key", ResultStore(FolderStorage(tmp_path))) as own:
        own.stage(1)
        raise ValueError("x")
    assert own.rollback() is False
    assert own.commit() is False
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_cannot_be_written_undoes_the_block(tmp_path: Path) -> None:
    undone: list[str] = []
    with transaction("key", ResultStore(FolderStorage(tmp_path), JSONSerializer())) as own:
        own.stage({1, 2}, [lambda _: undone.append("undone")])
    assert own.is_rolled_back()
    assert undone == ["undone"]


def test_a_store_without_a_place_has_the_one_of_the_settings(session: Session) -> None:
    with transaction("key", ResultStore(serializer=JSONSerializer())) as own:
        own.stage(1)
    assert (session.settings.storage_path / "key").is_file()
    assert ResultStore().find("other") is None


@pytest.mark.parametrize("fails", [False, True])
def test_async_blocks_do_the_same(story: Story, fails: bool) -> None:
    a = story.task("a")

    @flow
    async def main() -> None:
        async with transaction(key="async") as own:
            a()
            own.stage(1)
            if fails:
                raise ValueError("x")

    asyncio.run(main(return_state=True))
    assert story.told == (["a rolled back"] if fails else ["a committed"])
