"""Variables, artifacts, work pools and queues, concurrency limits: what people keep by hand."""

import json

import pytest

from orchestration.backend.clock import new_id
from orchestration.backend.port import Backend
from tests.support.command_line import asked, orchestrate, table

# -- variables ------------------------------------------------------------------------------------


def test_a_variable_is_set_got_and_unset() -> None:
    orchestrate("variable", "set", "months", '["2021-01"]', "--tag", "a", "--tag", "b")
    orchestrate("variable", "set", "place", "New York")
    assert json.loads(orchestrate("variable", "get", "months")) == ["2021-01"]
    assert orchestrate("variable", "get", "place") == '"New York"\n'
    assert table("variable", "ls")[1][:4] == ["months", "2021-01", "a,", "b"]
    assert asked("variable", "inspect", "months")["tags"] == ["a", "b"]
    assert orchestrate("variable", "unset", "place") == "Deleted variable 'place'.\n"
    assert orchestrate("variable", "delete", "months") == "Deleted variable 'months'.\n"
    assert asked("variable", "ls") == []


def test_a_variable_that_is_there_is_changed_only_when_asked() -> None:
    orchestrate("variable", "set", "n", "1")
    assert orchestrate("variable", "set", "n", "2", code=1) == (
        "There is already a variable 'n'; --overwrite changes it.\n"
    )
    orchestrate("variable", "set", "n", "2", "--overwrite")
    assert orchestrate("variable", "get", "n") == "2\n"
    assert "variable ls" in orchestrate("variable", "get", "m", code=1)


def test_long_listings_are_read_page_by_page(backend: Backend) -> None:
    for number in range(205):
        backend.create("variables", {"name": f"v{number:03}", "value": number})
    assert [each["value"] for each in asked("variable", "ls", "--limit", 203)] == list(range(203))
    assert len(asked("variable", "ls", "--limit", 1000)) == 205


# -- artifacts ------------------------------------------------------------------------------------


@pytest.fixture
def versions(backend: Backend) -> list[str]:
    """Two versions of a report, and one table without a key."""
    given = [{"key": "report", "type": "markdown", "data": text} for text in ("# old", "# new")]
    return [str(backend.create("artifacts", each)["id"]) for each in [*given, {"type": "table", "data": "[]"}]]


def test_artifacts_are_listed_by_their_latest_version(versions: list[str]) -> None:
    assert [each["key"] for each in asked("artifact", "ls")] == ["report"]
    assert table("artifact", "ls")[1][1:3] == ["report", "markdown"]
    assert len(versions) == 3


def test_the_versions_of_an_artifact_are_shown_newest_first(versions: list[str]) -> None:
    assert [each["data"] for each in asked("artifact", "inspect", "report")] == ["# new", "# old"]
    assert [each["data"] for each in asked("artifact", "inspect", "report", "--limit", 1)] == ["# new"]
    assert "artifact ls" in orchestrate("artifact", "inspect", "nope", code=1)


def test_an_artifact_is_deleted_whole_or_by_version(versions: list[str], backend: Backend) -> None:
    orchestrate("artifact", "delete", versions[1])
    assert [each["data"] for each in asked("artifact", "inspect", "report")] == ["# old"]
    assert "Deleted 1 version(s)" in orchestrate("artifact", "delete", "report")
    assert [each["id"] for each in backend.find("artifacts")] == versions[2:]
    assert "no artifact" in orchestrate("artifact", "delete", "report", code=1)
    assert "no artifact" in orchestrate("artifact", "delete", new_id(), code=1)


# -- work pools and queues ------------------------------------------------------------------------


def test_a_work_pool_is_made_as_in_the_tutorial() -> None:
    orchestrate("work-pool", "create", "--type", "process", "trips_prediction_pool")
    made = asked("work-pool", "inspect", "trips_prediction_pool")
    assert (made["type"], made["is_paused"]) == ("process", False)
    assert "--overwrite" in orchestrate("work-pool", "create", "trips_prediction_pool", code=1)
    orchestrate("work-pool", "create", "trips_prediction_pool", "--overwrite", "--paused")
    assert asked("work-pool", "inspect", made["id"])["is_paused"]


def test_a_work_pool_is_changed() -> None:
    orchestrate("work-pool", "create", "trips")
    for words, field, value in (
        (["pause", "trips"], "is_paused", True),
        (["resume", "trips"], "is_paused", False),
        (["set-concurrency-limit", "trips", 3], "concurrency_limit", 3),
        (["clear-concurrency-limit", "trips"], "concurrency_limit", None),
    ):
        assert "'trips'" in orchestrate("work-pool", *words)
        assert asked("work-pool", "inspect", "trips")[field] == value
    assert table("work-pool", "ls")[1][:3] == ["trips", "process", "NOT_READY"]
    orchestrate("work-pool", "delete", "trips")
    assert asked("work-pool", "ls") == []


def test_queues_are_told_apart_by_their_pools() -> None:
    for pool in ("trips", "reports"):
        orchestrate("work-pool", "create", pool)
        orchestrate("work-queue", "create", "urgent", "--pool", pool, "--priority", 1)
    assert "give the id" in orchestrate("work-queue", "pause", "urgent", code=2)
    orchestrate("work-queue", "pause", "trips/urgent")
    orchestrate("work-queue", "set-concurrency-limit", "reports/urgent", 7)
    assert asked("work-queue", "inspect", "trips/urgent")["is_paused"]
    shown = asked("work-queue", "inspect", "reports/urgent")
    assert (shown["is_paused"], shown["concurrency_limit"], shown["priority"]) == (False, 7, 1)
    assert sorted(each["name"] for each in asked("work-queue", "ls")) == ["default", "default", "urgent", "urgent"]
    orchestrate("work-queue", "delete", "trips/urgent")
    assert len(asked("work-queue", "ls")) == 3
    assert "already a work queue" in orchestrate("work-queue", "create", "urgent", "-p", "reports", code=1)
    assert "default-agent-pool" in orchestrate("work-queue", "create", "urgent", code=1)


# -- concurrency limits ---------------------------------------------------------------------------


def test_a_tag_limits_its_tasks(backend: Backend) -> None:
    orchestrate("concurrency-limit", "create", "db", 2)
    assert backend.try_acquire(new_id(), ["tag:db"], 2, 60) is None
    assert table("concurrency-limit", "ls")[1][1:] == ["db", "2", "2"]
    assert asked("concurrency-limit", "inspect", "db")["active_slots"] == 2
    assert asked("gcl", "ls") == []
    orchestrate("concurrency-limit", "delete", "db")
    assert orchestrate("concurrency-limit", "delete", "db", code=1) == (
        "There is no concurrency limit 'db'; list them with `orchestrate concurrency-limit ls`.\n"
    )


def test_a_named_limit_is_made_changed_and_switched() -> None:
    orchestrate("gcl", "create", "api", "--limit", 5, "--slot-decay-per-second", 0.5)
    assert "change that one" in orchestrate("gcl", "create", "api", "-l", 1, code=1)
    for words, field, value in (
        (["disable", "api"], "active", False),
        (["enable", "api"], "active", True),
        (["update", "api", "--limit", 9], "limit", 9),
        (["update", "api", "--slot-decay-per-second", 0], "slot_decay_per_second", 0),
    ):
        orchestrate("global-concurrency-limit", *words)
        assert asked("gcl", "inspect", "api")[field] == value
    assert asked("gcl", "inspect", "api")["active"]
    assert table("gcl", "ls")[1] == ["api", "9", "yes", "0", "0.0"]
    orchestrate("gcl", "delete", "api")
    assert asked("gcl", "ls") == []
