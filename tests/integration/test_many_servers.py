"""Several servers on one PostgreSQL: what they are asked at the same moment is done once, and nothing gets lost."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestration.backend.clock import new_id
from orchestration.backend.port import Backend
from orchestration.domain.schemas.catalog import BlockDocument
from orchestration.domain.schemas.runs import LogRow
from orchestration.domain.states import Crashed, Running
from tests.support.backends import Store, at_once, postgres_store, saved_schema, set_limit
from tests.support.records import at, batch, born, flow_run, log_row, task_record, went_on

SERVERS = 4


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with postgres_store(tmp_path) as made:
        yield made


@pytest.fixture
def servers(store: Store) -> list[Backend]:
    """Each with connections of its own."""
    return [store.open() for _ in range(SERVERS)]


def test_a_hundred_creations_with_one_key_make_one_run(servers: list[Backend]) -> None:
    servers[0].create_flow_run(flow_run(flow_name="train"))  # who makes the flow makes the others wait, run or no run
    work = [
        partial(servers[number % SERVERS].create_flow_run, flow_run(flow_name="train", idempotency_key="may"))
        for number in range(100)
    ]
    runs = at_once(work)
    assert len({getattr(run, "id", run) for run in runs}) == 1
    counts = [servers[0].count(resource) for resource in ("flow_runs", "flows", "flow_run_states")]
    assert counts == [2, 1, 2]


def test_slots_are_never_given_twice(servers: list[Backend]) -> None:
    """Holders come and go, and at no time are there more than the limit lets."""
    set_limit(servers[0], "database", 3)
    set_limit(servers[0], "gate", 5)
    most: list[int] = []

    def hold(number: int) -> int:
        server, taken = servers[number % SERVERS], 0
        for _ in range(6):
            lease = new_id()
            if server.try_acquire(lease, ["gate", "database"], 1, 60.0) is None:
                taken += 1
                most.append(max(limit.active_slots for limit in server.concurrency_limits()))
                assert server.renew_lease(lease, 60.0)
                server.release_lease(lease)
        return taken

    ends = at_once([partial(hold, number) for number in range(16)])
    assert [end for end in ends if not isinstance(end, int)] == []
    assert 1 <= max(most) <= 3
    assert [limit.active_slots for limit in servers[0].concurrency_limits()] == [0, 0]


def test_batches_that_meet_in_any_order_wait_for_each_other_but_not_for_ever(servers: list[Backend]) -> None:
    run_id = servers[0].create_flow_run(flow_run(state=Running())).id
    records = [task_record(run_id) for _ in range(40)]

    def record(number: int) -> None:
        mine = records[::-1] if number % 2 else records
        servers[number % SERVERS].record(batch(*map(born, mine)))
        servers[number % SERVERS].record(batch(*(went_on(each, at(Running(), 1)) for each in mine[:20]), born(mine[0])))
        servers[number % SERVERS].propose_flow_run_state(run_id, Crashed("stopped"), force=True)

    assert at_once([partial(record, number) for number in range(8)]) == [None] * 8
    assert servers[0].count("task_runs") == 40


def test_who_follows_a_log_misses_no_line(servers: list[Backend]) -> None:
    """Numbers are given in the order in which lines can be seen, also where several processes log of one run."""
    run_id = new_id()
    done: list[int] = []
    seen: list[str] = []

    def write(number: int) -> None:
        for part in range(10):
            rows: list[LogRow] = [log_row(f"{number}-{part}-{line}", run_id) for line in range(20)]
            servers[number % SERVERS].record(batch(logs=rows))
        done.append(number)

    def follow() -> None:
        after = 0
        while True:
            is_last = len(done) == 3
            page = _lines(servers[3], str(run_id), after)
            seen.extend(row["message"] for row in page)
            after = page[-1]["sequence"] if page else after
            if is_last:
                return

    work: list[Callable[[], None]] = [follow, *(partial(write, number) for number in range(3))]
    assert at_once(work) == [None] * 4
    assert sorted(seen) == sorted(f"{n}-{part}-{line}" for n in range(3) for part in range(10) for line in range(20))


def _lines(server: Any, run_id: str, after: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = server._db.read(
        "SELECT * FROM log WHERE flow_run_id = :run AND sequence > :after ORDER BY sequence",
        {"run": run_id, "after": after},
    )
    return rows


def test_the_newest_version_of_an_artifact_is_the_one_that_is_shown(servers: list[Backend]) -> None:
    document = {"key": "report", "type": "markdown", "data": "x"}
    for _ in range(20):
        made = at_once([partial(server.create, "artifacts", document) for server in servers])
        (shown,) = servers[0].find("artifact_collections")
        assert shown["latest_id"] == max(each["id"] for each in made if isinstance(each, dict))


def test_fields_that_many_merge_into_a_block_are_all_there(servers: list[Backend]) -> None:
    blocks = servers[0]
    schema = saved_schema(servers[0], "car", {"properties": {}})
    saved = blocks.create_block_document(BlockDocument(new_id(), "mine", {}, schema.id, schema.block_type_id))

    def merge(number: int) -> None:
        for part in range(3):
            store = servers[number % SERVERS]
            store.update_block_document(saved.id, {f"{number}-{part}": 1}, merge=True)

    assert at_once([partial(merge, number) for number in range(8)]) == [None] * 8
    assert len(blocks.block_document(id=saved.id).data) == 24


def test_a_queue_that_many_name_for_the_first_time_is_made_once(servers: list[Backend]) -> None:
    servers[0].create("work_pools", {"name": "pool", "type": "process"})
    flow = servers[0].create("flows", {"name": "train"})

    def deploy(number: int) -> None:
        where = {"work_pool_name": "pool", "work_queue_name": "urgent", "flow_id": flow["id"]}
        schedule = {"schedule": {"cron": "0 9 3 * *", "timezone": "UTC"}, "slug": "monthly"}
        document = {"name": f"monthly-{number % 2}", "schedules": [schedule], **where}
        servers[number % SERVERS].create("deployments", document, overwrite=True)

    assert at_once([partial(deploy, number) for number in range(8)]) == [None] * 8
    names = sorted(queue["name"] for queue in servers[0].find("work_queues"))
    assert (names, servers[0].count("deployments"), servers[0].count("schedules")) == (["default", "urgent"], 2, 2)
