"""What the pages answer to who asks for them rightly, wrongly, and as a program."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from orchestration.backend.connect import open_backend
from orchestration.backend.local import LocalBackend
from orchestration.domain.settings import Settings
from orchestration.domain.states import StoredResult
from orchestration.server.app import create_app
from tests.support.example import SECRET, Example, fill

PERSON = {"Accept": "text/html,*/*"}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Example]]:
    """A server's application on the example."""
    settings = Settings(Path(tmp_path_factory.mktemp("pages")))
    backend = open_backend(settings, StoredResult)
    assert isinstance(backend, LocalBackend)
    made = fill(backend)
    with TestClient(create_app(settings, backend), headers=PERSON) as client:
        yield client, made
    backend.close()


@pytest.fixture
def client(example: tuple[TestClient, Example]) -> TestClient:
    """A person's browser."""
    return example[0]


@pytest.fixture
def ids(example: tuple[TestClient, Example]) -> dict[str, str]:
    """The ids of what the example has, by name."""
    return example[1].ids


@pytest.mark.parametrize(
    "path",
    [
        "/runs?until=yesterday", "/deployments/deployment/{monthly}?month=May",
        "/deployments/deployment/{monthly}?month=2026-13", "/deployments/deployment/{monthly}?month=9999-12",
        "/deployments/deployment/{monthly}?month=0001-01",
    ],
)  # fmt: skip
def test_an_address_that_says_nonsense_is_refused_in_a_sentence(
    client: TestClient, ids: dict[str, str], path: str
) -> None:
    answer = client.get(path.format(**ids))
    assert answer.status_code == 422
    assert "The address says what cannot be" in answer.text


@pytest.mark.parametrize("said", ["after=x", "since=now", "offset=-1", "after=99999999999999999999"])
def test_a_stream_is_asked_in_its_own_words(client: TestClient, ids: dict[str, str], said: str) -> None:
    for what in ("live", "news") if "offset" not in said else ("news",):
        assert client.get(f"/runs/flow-run/{ids['run']}/{what}?{said}").status_code == 422


@pytest.mark.parametrize("path", ["/?flow=x&id=y", "/?settings=1", "/blocks/block/{json}?type=x", "/runs?skip=&state="])
def test_words_that_a_page_does_not_heed_change_nothing(client: TestClient, ids: dict[str, str], path: str) -> None:
    assert client.get(path.format(**ids)).status_code == 200


@pytest.mark.parametrize("value", [None, 3, {"a": 1}, [{"a": 1}, None]])
def test_a_variable_that_pins_nothing_known_fails_no_page(
    example: tuple[TestClient, Example], client: TestClient, value: object
) -> None:
    client.delete("/api/variables/name/pinned_artifacts")
    client.post("/api/variables/", json={"name": "pinned_artifacts", "value": value})
    found = client.post("/api/artifacts/filter", json={"artifacts": {"type": {"any_": ["table"]}}}).json()
    pages = ["/", *(f"/artifacts/artifact/{each['id']}" for each in found if each["key"])]
    assert {client.get(page).status_code for page in pages} == {200}
    assert len(pages) > 1
    client.delete("/api/variables/name/pinned_artifacts")


def test_programs_get_errors_as_before(client: TestClient) -> None:
    assert client.get("/nowhere", headers={"Accept": "*/*"}).json()["detail"] == "There is nothing at GET /nowhere."
    assert client.get("/api/nowhere").json()["detail"] == "There is nothing at GET /api/nowhere."
    assert client.get("/runs/flow-run/x").headers["content-type"].startswith("text/html")


def test_the_links_that_prefects_client_prints_lead_to_pages(client: TestClient, ids: dict[str, str]) -> None:
    paths = {
        "runs/flow-run": ids["run"], "deployments/deployment": ids["monthly"], "blocks/block": ids["json"],
        "artifacts/artifact": ids["report"], "work-pools/work-pool": "gpu-pool",
        "work-queues/work-queue": ids["gpu-pool queue"],
        "variables/variable": client.get("/api/variables/name/mail_to").json()["id"],
        "runs/task-run": client.post("/api/task_runs/filter", json={"limit": 1}).json()[0]["id"],
        "flows/flow": client.get("/api/flows/name/duration-prediction").json()["id"],
    }  # fmt: skip
    answers = {path: client.get(f"/{path}/{found}").status_code for path, found in paths.items()}
    assert answers == dict.fromkeys(paths, 200)


@pytest.mark.parametrize("slug", ["aws-credentials", "json"])
def test_the_page_of_a_block_shows_that_one(client: TestClient, ids: dict[str, str], slug: str) -> None:
    assert f"<h1>example-{slug}</h1>" in client.get(f"/blocks/block/{ids[slug]}").text


def test_no_page_shows_a_secret(client: TestClient, ids: dict[str, str]) -> None:
    assert SECRET not in client.get(f"/blocks/block/{ids['aws-credentials']}").text + client.get("/settings").text


@pytest.mark.parametrize("path", ["/", "/runs", "/flows", "/deployments", "/artifacts", "/variables", "/work-pools"])
def test_what_is_absent_is_not_shown_as_none(client: TestClient, path: str) -> None:
    assert not re.search(r"\bNone\b", client.get(path).text)


def test_files_are_kept_for_ever_and_pages_never(client: TestClient) -> None:
    page = client.get("/")
    address = page.text.split('href="/ui/app.css')[1].split('"')[0]
    assert "immutable" in client.get(f"/ui/app.css{address}").headers["cache-control"]
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-encoding"] == "gzip"


def test_pages_of_runs_follow_one_another_without_a_gap(client: TestClient) -> None:
    seen: list[str] = []
    path: str | None = "/runs"
    while path is not None:
        text = client.get(path).text
        seen += [part.split('"')[0] for part in text.split('name="run" value="')[1:]]
        links = text.split('rel="next" href="')[1:]
        path = links[0].split('"')[0].replace("&amp;", "&") if links else None
    assert len(seen) == len(set(seen))
    planned = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}, "name": {"any_": ["Scheduled"]}}}}
    every, coming = (client.post("/api/flow_runs/count", json=each).json() for each in ({}, planned))
    assert len(seen) == every - coming


def test_a_stream_tells_what_is_new_and_ends_with_its_run(client: TestClient, ids: dict[str, str]) -> None:
    with client.stream("GET", f"/runs/flow-run/{ids['run']}/live") as stream:
        told = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert told[0]["ended"]
    assert len(told[0]["nodes"]) == 13
    assert [each[3] for each in told[0]["logs"]][-1] == "Finished in state Completed()"
    seen = {"after": told[0]["last"], "since": told[0]["since"]}
    again = client.get(f"/runs/flow-run/{ids['run']}/news", params=seen)
    assert (again.json()["logs"], again.json()["nodes"]) == ([], [])


def test_a_subflow_stands_in_the_place_of_its_task_run(client: TestClient, ids: dict[str, str]) -> None:
    nodes = client.get(f"/runs/flow-run/{ids['run']}/news").json()["nodes"]
    assert [each[1].split(" / ")[0] for each in nodes if each[8]] == ["ingest-months"]


def test_the_log_is_downloaded_whole(client: TestClient, ids: dict[str, str]) -> None:
    answer = client.get(f"/runs/flow-run/{ids['failed']}/logs.txt")
    assert "attachment" in answer.headers["content-disposition"]
    assert "drift.check()" in answer.text


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("*/15 * * * *", "Every 15 minutes"), ("5 * * * *", "Every hour, 5 minutes past"),
        ("30 6 * * 1-5", "On working days at 06:30 UTC"), ("0 9 * * 1,4", "On Mondays, Thursdays at 09:00 UTC"),
        ("0 9 3 1 *", "Cron <code>0 9 3 1 *</code>"),
    ],
)  # fmt: skip
def test_a_schedule_is_told_in_words(client: TestClient, ids: dict[str, str], cron: str, said: str) -> None:
    path = f"/api/deployments/{ids['every-hour']}"
    answer = client.patch(path, json={"schedules": [{"schedule": {"cron": cron, "timezone": "UTC"}, "active": True}]})
    assert answer.status_code == 204, answer.text
    assert said in client.get(f"/deployments/deployment/{ids['every-hour']}").text


def test_a_fault_of_a_page_is_a_page_without_its_inside(
    example: tuple[TestClient, Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("orchestration.server.ui.views.bars", lambda *_: 1 / 0)
        answer = TestClient(example[0].app, headers=PERSON, raise_server_exceptions=False).get("/")
    assert answer.status_code == 500
    assert "The server failed; its log says where." in answer.text
    assert "ZeroDivision" not in answer.text
