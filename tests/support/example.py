"""A store as it looks after two weeks of the example, for pages; `python -m tests.support.example FOLDER` fills one.

It has the pipeline's flow with its report and its metrics, runs that failed, crashed, run, wait or are late, a nested
subflow, deployments with schedules, a pool with a worker and one without, and blocks whose secrets nobody may see.
"""

from __future__ import annotations

import base64
import random
import struct
import sys
import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from orchestration.backend.connect import open_backend
from orchestration.backend.local import LocalBackend
from orchestration.domain import states
from orchestration.domain.schemas.catalog import BlockDocument
from orchestration.domain.schemas.runs import FlowRun, TaskRun, TaskRunChange, uuid7
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.domain.settings import Settings
from orchestration.domain.states import State, StoredResult
from orchestration.persistence import runs
from orchestration.persistence.documents import micros

NAMES = ("amber-heron", "brisk-otter", "calm-lynx", "dusky-wren", "eager-mole", "fond-stoat", "grand-ibis", "hazel-fox")
PARAMETERS: Document = {
    "type": "object",
    "properties": {
        "train_months": {
            "title": "train_months", "position": 0, "type": "array", "items": {"type": "string"},
            "description": "Months to learn from, such as 2021-01.",
        },
        "validate_month": {"title": "validate_month", "position": 1, "anyOf": [{"type": "string"}, {"type": "null"}]},
        "seed": {"title": "seed", "position": 2, "type": "integer", "default": 42},
        "rate": {"title": "rate", "position": 3, "type": "number", "default": 0.1},
        "colour": {"title": "colour", "position": 4, "enum": ["green", "yellow"], "default": "green"},
        "mail": {"title": "mail", "position": 5, "type": "boolean", "default": True},
        "since": {"title": "since", "position": 6, "anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "bounds": {
            "title": "bounds", "position": 7, "type": "array", "default": [1, 60],
            "prefixItems": [{"type": "integer"}, {"type": "integer"}], "minItems": 2, "maxItems": 2,
        },
        "training": {"$ref": "#/definitions/Training", "title": "training", "position": 8},
        "extra": {"title": "extra", "position": 9, "type": "object", "default": {}},
    },
    "definitions": {
        "Training": {
            "title": "Training", "type": "object",
            "properties": {"trials": {"type": "integer", "default": 8}, "depth": {"type": "integer", "default": 6}},
        }
    },
    "required": ["train_months"],
}  # fmt: skip
BLOCK: Document = {
    "title": "AwsCredentials", "type": "object", "block_type_slug": "aws-credentials",
    "block_schema_references": {}, "secret_fields": ["aws_secret_access_key"],
    "properties": {
        "aws_access_key_id": {"title": "AWS Access Key ID", "anyOf": [{"type": "string"}, {"type": "null"}]},
        "aws_secret_access_key": {
            "title": "AWS Secret Access Key", "anyOf": [
                {"type": "string", "format": "password", "writeOnly": True}, {"type": "null"},
            ], "description": "The key's other half; nobody sees it again.",
        },
        "region_name": {"title": "Region Name", "anyOf": [{"type": "string"}, {"type": "null"}]},
    },
}  # fmt: skip
JSON_BLOCK: Document = {
    "type": "object", "required": ["value"], "block_type_slug": "json",
    "properties": {"value": {"title": "Value", "type": "object"}},
}  # fmt: skip
SECRET = "a-secret-that-no-page-shows"
REPORT = """# Trip durations, judged on {month}

**Promoted**: version {version} beats the champion by {gain:.2f} minutes of RMSE, beyond chance.

| model | RMSE (min) | MAE (min) | R² |
|---|---:|---:|---:|
| this one | {rmse:.2f} | {mae:.2f} | 0.84 |
| champion | {champion:.2f} | 3.71 | 0.82 |
| mean of the zone pair | 7.41 | 5.02 | 0.58 |

![RMSE over the months]({picture})

## Where it errs

Trips to the airports are {short:.1f} minutes too short; those after midnight are fine.
See [the model card](/artifacts).
"""


@dataclass
class Example:
    """What an example is made with, and the ids of what tests look for."""

    backend: LocalBackend
    now: datetime
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    ids: dict[str, str] = field(default_factory=dict)

    def id(self, born: datetime) -> UUID:
        """A new id of somebody born then."""
        return uuid7(int(born.timestamp() * 1000), self.dice.getrandbits(74))

    def run(self, flow: str, begin: datetime, path: Sequence[tuple[float, State]], **given: Any) -> FlowRun:
        """A flow run that entered these states, each so many seconds after its time."""
        born = begin - timedelta(seconds=given.pop("ahead", 2))
        run = FlowRun(
            id=self.id(born), flow_id=self.id(born), flow_name=flow, created=born, expected_start_time=begin,
            name=given.pop("name", None) or f"{self.dice.choice(NAMES)}-{self.dice.randrange(90) + 10}", **given,
        )  # fmt: skip
        with self.backend._db.transaction() as tx:
            stored = run.evolve(flow_id=runs.flow_id_of(tx, flow, run.flow_id, born))
            runs.insert_flow_run(tx, stored)
            for seconds, state in path:
                at = max(born, begin + timedelta(seconds=seconds))
                before, stamped = stored.state_id, state.evolve(timestamp=at, id=self.id(at))
                stored = runs.after(stored, stamped, at)
                runs.write_state(tx, stored, before)
        return stored

    def task(
        self, run: FlowRun, name: str, span: tuple[float, float | None], end: State, after: Sequence[UUID] = ()
    ) -> UUID:
        """A task run of a flow run, begun and ended so many seconds after it began."""
        assert run.start_time is not None
        begin = run.start_time + timedelta(seconds=span[0])
        done = None if span[1] is None else run.start_time + timedelta(seconds=span[1])
        record = TaskRun(
            id=self.id(begin), flow_run_id=run.id, name=name, task_key=name.rsplit("-", 1)[0], dynamic_key=name[-1:],
            created=begin, start_time=begin, end_time=done, run_count=1, total_run_time=(span[1] or 0) - span[0],
            task_inputs={"given": [{"input_type": "task_run", "id": str(each)} for each in after]} if after else {},
        )  # fmt: skip
        path = [states.Running(timestamp=begin, id=self.id(begin))]
        if done:
            path.append(end.evolve(timestamp=done, id=self.id(done)))
        with self.backend._db.transaction() as tx:
            runs.write_task_runs(tx, [TaskRunChange(record, path, True)], None)
        return record.id

    def say(self, run: FlowRun, *lines: tuple[float, int, str], task: UUID | None = None) -> None:
        """Lines of a run's log: seconds after it began, level and text."""
        start = run.start_time or self.now
        ids = (str(run.id), str(task) if task else None)
        rows = [
            ("orchestration.flow_runs", level, text, micros(start + timedelta(seconds=at)), *ids)
            for at, level, text in lines
        ]
        with self.backend._db.transaction() as tx:
            runs.write_logs(tx, rows)

    def artifact(self, at: datetime, kind: str, data: Any, key: str | None, **about: Any) -> str:
        """A version of an artifact."""
        born = {"id": str(self.id(at)), "created": at, "updated": at, "metadata_": {}}
        return str(self.backend.create("artifacts", {**born, "type": kind, "data": data, "key": key, **about})["id"])


def picture(width: int = 360, height: int = 90) -> str:
    """A small PNG of falling bars, as the address that markdown has for it."""
    rows = b"".join(
        b"\0" + b"".join(b"\x1f\x5f\x8b" if (x // 24) % 2 and y > x // 6 else b"\xff\xff\xff" for x in range(width))
        for y in range(height)
    )

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def fill(backend: LocalBackend, now: datetime | None = None) -> Example:
    """Fill an empty store; the ids of what is in it by name."""
    made = Example(backend, now or datetime.now(UTC))
    _work(made)
    _deployments(made)
    for number in range(14):
        _training(made, made.now - timedelta(days=14 - number, hours=3), number)
    _training(made, made.now - timedelta(minutes=8), 14)
    for hour in range(24 * 7):
        _small(made, made.now - timedelta(hours=hour, minutes=made.dice.randrange(50) + 5))
    _now(made)
    _kept(made)
    return made


def _work(made: Example) -> None:
    create, now = made.backend.create, made.now
    for name in ("local-pool", "gpu-pool"):
        about = {"description": "Where the example runs.", "concurrency_limit": 4}
        pool = create("work_pools", {"name": name, "type": "process", **about})
        made.ids[name], made.ids[f"{name} queue"] = pool["id"], pool["default_queue_id"]
        heard, often = (now, 3_600) if name == "local-pool" else (now - timedelta(hours=2), 30)
        beat = {"last_heartbeat_time": heard, "heartbeat_interval_seconds": often}
        create("workers", {"work_pool_id": pool["id"], "name": f"worker-{name[:5]}", **beat})
        made.backend.change("work_queues", {"last_polled": heard}, id=pool["default_queue_id"])


MONTHLY = {"cron": "0 9 3 * *", "timezone": "America/New_York"}
DAILY = {"cron": "30 6 * * *", "timezone": "UTC"}
HOURLY = {"interval": 3600.0, "anchor_date": "2024-01-01T00:00:00Z"}
PLANS: tuple[tuple[str, str, str, Document, list[str]], ...] = (
    ("duration-prediction", "monthly", "local-pool", MONTHLY, ["ml", "monthly"]),
    ("predict-durations", "daily", "local-pool", DAILY, ["ml"]),
    ("nightly-checks", "every-hour", "gpu-pool", HOURLY, []),
)


def _deployments(made: Example) -> None:
    for flow, name, pool, schedule, tags in PLANS:
        born, file = made.now - timedelta(days=15), flow.replace("-", "_")
        with made.backend._db.transaction() as tx:
            flow_id = runs.flow_id_of(tx, flow, made.id(born), born)
        deployment = made.backend.create("deployments", {
            "flow_id": str(flow_id), "name": name, "work_pool_name": pool, "tags": tags, "version": "1.4.0",
            "entrypoint": f"pipelines/{file}/flow.py:{file}", "parameters": {"train_months": ["2021-01"]},
            "description": "Learns how long trips take, and mails a report.", "parameter_openapi_schema": PARAMETERS,
            "schedules": [{"schedule": schedule, "active": True}],
            "pull_steps": [{"git_clone": {"repository": "https://example.org/taxi.git", "branch": "main"}}],
        })  # fmt: skip
        made.ids[name] = deployment["id"]


DRIFT = "DriftError: the share of trips to airports moved from 4.1 % to 11.8 %."
TRACEBACK = f"""Task run failed: {DRIFT}
Traceback (most recent call last):
  File "flow.py", line 151, in check_drift
    drift.check()
{DRIFT}"""
OK = states.Completed()


def _of(made: Example, deployment: str, pool: str) -> dict[str, UUID]:
    return {"deployment_id": UUID(made.ids[deployment]), "work_queue_id": UUID(made.ids[f"{pool} queue"])}


def _training(made: Example, begin: datetime, number: int) -> None:
    """A run of the example, with its report and its metrics; every fifth one fails."""
    fails, rmse = number % 5 == 3, 6.4 - 0.09 * number + made.dice.random() * 0.3
    end = states.Failed(DRIFT) if fails else states.Completed("All task runs completed.")
    took = 40.0 if fails else 132 + made.dice.random() * 30
    path = [(-1, states.Scheduled(begin)), (0, states.Pending()), (1, states.Running()), (took, end)]
    training = {"seed": 42, "training": {"trials": 8, "depth": 6}}
    run = made.run(
        "duration-prediction", begin, path, tags=("ml", "monthly"), auto_scheduled=True,
        parameters={"train_months": ["2021-01"], "validate_month": "2021-02", **training},
        **_of(made, "monthly", "local-pool"),
    )  # fmt: skip
    ingest = made.task(run, "ingest-months-0", (1, 22), OK)
    child_path = [(0, states.Pending()), (0, states.Running()), (20, OK)]
    child = made.run("ingest-months", begin + timedelta(seconds=2), child_path, parent_task_run_id=ingest)
    fetched = [made.task(child, f"download-{place}", (place, 9 + place * 3), OK) for place in range(3)]
    made.task(child, "check-columns-0", (16, 19), OK, fetched)
    loads = [made.task(run, f"load-{place}", (22 + place, 30 + place * 2), OK, [ingest]) for place in range(2)]
    drift = made.task(run, "check_drift-0", (32, 37), end if fails else OK, loads)
    made.say(
        run, (1, 20, "Beginning flow run for flow 'duration-prediction'"),
        (3, 20, "Downloading 2 months from s3://nyc-taxi"), (23, 20, "Kept 72,318 of 76,518 trips of 2021-01."),
        (31, 30, "Drift: trip_distance moved by 0.12 (limit 0.10)."),
    )  # fmt: skip
    made.ids |= {"failed" if fails else "run": str(run.id), "child": str(child.id)}
    if fails:
        made.say(run, (36, 40, TRACEBACK), task=drift)
    else:
        _trained(made, run, drift, rmse, number)


def _trained(made: Example, run: FlowRun, drift: UUID, rmse: float, number: int) -> None:
    """What a run does that goes through."""
    spans = [(38 + place * 2, 62 + place * 5, states.Cached() if place == 2 else OK) for place in range(5)]
    fits = [made.task(run, f"fit_candidate-{n}", (low, high), how, [drift]) for n, (low, high, how) in enumerate(spans)]
    best = made.task(run, "train_best-0", (84, 112), OK, fits)
    judge = made.task(run, "judge-0", (112, 119), OK, [best])
    publish = made.task(run, "publish-0", (120, 125), OK, [judge])
    made.task(run, "mail_report-0", (126, 129), OK, [publish])
    made.say(
        run, (83, 20, "Fitted 5 candidates; the best is: depth 6, rate 0.1."),
        (118, 20, f"RMSE {rmse:.2f} minutes, MAE {rmse * 0.62:.2f}, R2 0.84."),
        (124, 20, "Promoted: beats the champion beyond chance."), (129, 20, "Mailed the report to one person."),
        (132, 20, "Finished in state Completed()"),
    )  # fmt: skip
    at = (run.start_time or made.now) + timedelta(seconds=123)
    of = {"flow_run_id": str(run.id), "task_run_id": str(publish)}
    month, mae = f"2022-{number % 12 + 1:02}", rmse * 0.62
    values = {
        "judged month": month, "colour": "green", "rmse": round(rmse, 3), "mae": round(mae, 3),
        "r2": round(0.7 + number / 100, 3), "trips": 60_000 + number * 811,
    }  # fmt: skip
    table, said = [{"metric": name, "value": value} for name, value in values.items()], "Errors in minutes."
    made.ids["metrics"] = made.artifact(at, "table", table, "duration-model-metrics", description=said, **of)
    text = REPORT.format(
        month=month, version=number + 1, gain=0.2, rmse=rmse, mae=mae, champion=rmse + 0.2, picture=picture(), short=2.1
    )
    subject = f"Trip durations: RMSE {rmse:.2f} minutes"
    made.ids["report"] = made.artifact(at, "markdown", text, "duration-model-report", description=subject, **of)
    made.artifact(at, "image", picture(), "residuals", description="Residuals by hour", **of)


FATES = (
    OK, states.Failed("HTTPError: 503 from the month's site after 3 attempts."),
    states.Crashed("The worker of this run was not heard of any more."),
)  # fmt: skip


def _small(made: Example, begin: datetime) -> None:
    """A run of one of the small flows; some of them fail or crash."""
    flow = made.dice.choice((("predict-durations", 12), ("nightly-checks", 3), ("zone-refresh", 1)))
    took, end = made.dice.random() * 6 + 1, made.dice.choices(FATES, (90, 6, 2))[0]
    path = [(0, states.Pending()), (0.4, states.Running()), (flow[1] + took, end)]
    run = made.run(flow[0], begin, path, tags=("ml",) if flow[0] == "predict-durations" else ())
    done = made.task(run, "read-0", (0, flow[1] / 2), OK)
    made.task(run, "write-0", (flow[1] / 2, flow[1] + took), end, [done])
    last = (took, 20 if end is OK else 40, end.message or "Finished.")
    made.say(run, (0.1, 20, f"Beginning flow run for flow {flow[0]!r}"), last)


def _now(made: Example) -> None:
    """Runs that run, wait, are late or paused at this moment."""
    now, path = made.now, [(0.0, states.Pending()), (1.0, states.Running())]
    daily = _of(made, "daily", "local-pool")
    running = made.run("predict-durations", now - timedelta(seconds=40), path, name="live-kestrel", **daily)
    done = made.task(running, "read-0", (0, 14), OK)
    made.task(running, "predict-0", (15, None), OK, [done])
    made.say(running, (0, 20, "Beginning flow run for flow 'predict-durations'"), (14, 20, "Read 61,004 trips."))
    made.ids["running"] = str(running.id)
    made.artifact(now, "progress", 43.0, "progress-bar", flow_run_id=str(running.id), description="Predicting")
    why = "It has not started: no worker of its pool is there; start one with `orchestrate worker start -p gpu-pool`."
    for ago in (35, 95):
        slot = now - timedelta(minutes=ago)
        waits = [(-60.0, states.Scheduled(slot)), (20.0, states.Late(slot, why))]
        planned = {"auto_scheduled": True, "ahead": 60, **_of(made, "every-hour", "gpu-pool")}
        late = made.run("nightly-checks", slot, waits, **planned)
        made.ids["late"] = str(late.id)
    asks = states.Paused("Are these 3 new zones right?", now + timedelta(hours=1))
    made.run("zone-refresh", now - timedelta(minutes=3), [*path, (8, asks)])
    for name, flow in (("daily", "predict-durations"), ("monthly", "duration-prediction")):
        for days in (1, 2):
            slot = now + timedelta(days=days)
            planned = {"auto_scheduled": True, "ahead": 9e5, **_of(made, name, "local-pool")}
            made.run(flow, slot, [(-9e5, states.Scheduled(slot))], **planned)


def _kept(made: Example) -> None:
    """Variables and blocks."""
    create = made.backend.create
    for name, value in (("train_months", ["2021-01"]), ("promotion_margin", 0.05), ("mail_to", "me@example.org")):
        create("variables", {"name": name, "value": value, "tags": ["example"] if name == "mail_to" else []})
    keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": SECRET, "region_name": "eu-west-1"}
    blocks: tuple[tuple[str, str, Document, Document], ...] = (
        ("aws-credentials", "AWS Credentials", BLOCK, keys), ("json", "JSON", JSON_BLOCK, {"value": {"a": 1}}),
    )  # fmt: skip
    for slug, title, fields, data in blocks:
        about = {"slug": slug, "name": title, "description": f"Keeps {title} for flows."}
        kind = create("block_types", about, overwrite=True)
        own = {"fields": fields, "capabilities": [], "version": "non-versioned", "block_type_id": kind["id"]}
        ids = UUID(create("block_schemas", own, overwrite=True)["id"]), UUID(kind["id"])
        block = made.backend.create_block_document(
            BlockDocument(made.id(made.now), f"example-{slug}", data, *ids)
        )
        made.ids[slug] = str(block.id)


def main() -> None:
    """Fill the store of a folder."""
    with closing(open_backend(Settings(Path(sys.argv[1])), StoredResult)) as backend:
        assert isinstance(backend, LocalBackend)
        made = fill(backend)
        for name, found in made.ids.items():
            print(f"{name}\t{found}")  # noqa: T201 - what the script is for
        print(moment_text(made.now))  # noqa: T201


if __name__ == "__main__":
    main()
