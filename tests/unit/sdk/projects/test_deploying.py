"""From what files say to deployments in the store, all of them or none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestration.backend.port import Backend
from orchestration.domain.errors import ConfigurationError, StoreError, UsageError
from orchestration.sdk.artifacts import Variable
from orchestration.sdk.projects.deploying import Plan, planned, save, schedule_document
from orchestration.sdk.projects.files import read_project
from tests.support.saving import saved_secret

HEAD = "deployments:\n- name: monthly\n  entrypoint: flows/train.py:train\n"
POOL = "  work_pool: {name: trips}\n"
CRON = {"cron": "0 9 3 * *", "timezone": None, "day_or": True}


def _plans(backend: Backend, folder: Path, text: str, is_dry: bool = False) -> Sequence[Plan]:
    (folder / "prefect.yaml").write_text(text)
    return [planned(backend, each, folder, is_dry=is_dry) for each in read_project(folder)[1]]


def _deploy(backend: Backend, folder: Path, more: str = "", head: str = HEAD + POOL) -> dict[str, Any]:
    (deployment_id,) = save(backend, _plans(backend, folder, head + more))
    return backend.read("deployments", id=str(deployment_id))


def test_a_deployment_is_as_the_file_says(backend: Backend, project: Path) -> None:
    said = """
  version: 2
  tags: [a, b]
  description: Learn monthly.
  parameters: {months: ["2021-01"], n: 4}
  enforce_parameter_schema: false
  paused: true
  concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}
  schedules:
  - {cron: 0 9 3 * *, timezone: America/New_York, slug: m, parameters: {n: 5}, active: false}
  - {interval: 3600}
  pull: [{prefect.deployments.steps.git_clone: {repository: r, access_token: "{{ prefect.blocks.secret.t }}"}}]
  work_pool:
    name: trips
    work_queue_name: urgent
    job_variables: {env: {A: "{{ $PATH_X }}", B: "{{ prefect.blocks.secret.t }}"}}
"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH_X", "x")
        made = _deploy(backend, project, said, HEAD)
    assert made == {
        **made, "flow_name": "train", "name": "monthly", "version": "2", "tags": ["a", "b"], "paused": True,
        "description": "Learn monthly.", "parameters": {"months": ["2021-01"], "n": 4}, "concurrency_limit": 1,
        "enforce_parameter_schema": False, "concurrency_options": {"collision_strategy": "CANCEL_NEW"},
        "entrypoint": "flows/train.py:train", "work_pool_name": "trips", "work_queue_name": "urgent",
        "job_variables": {"env": {"A": "x", "B": "{{ prefect.blocks.secret.t }}"}},
    }  # fmt: skip
    ((step,),) = (each.values() for each in made["pull_steps"])
    assert step["access_token"] == "{{ prefect.blocks.secret.t }}"
    assert made["parameter_openapi_schema"]["required"] == ["months"]
    first, second = made["schedules"]
    assert (first["slug"], first["parameters"], first["active"]) == ("m", {"n": 5}, False)
    assert (first["schedule"], second["schedule"]["interval"]) == ({**CRON, "timezone": "America/New_York"}, 3600)


def test_what_is_left_out_is_the_flows_and_the_folders(backend: Backend, project: Path) -> None:
    made = _deploy(backend, project)
    assert made["description"].startswith("Learn.")
    ((step,),) = (each.values() for each in made["pull_steps"])
    assert (step, made["work_queue_name"], made["schedules"]) == ({"directory": str(project)}, "default", [])
    assert _deploy(backend, project, "  pull: []\n")["pull_steps"] == []


def test_schedules_are_set_kept_and_cleared(backend: Backend, project: Path) -> None:
    given = _deploy(backend, project, "  schedule: {cron: 0 9 3 * *}\n")["schedules"]
    assert [each["schedule"] for each in given] == [CRON]
    for kept in ("", "  schedule: {}\n", "  schedules: null\n"):
        assert [each["id"] for each in _deploy(backend, project, kept)["schedules"]] == [given[0]["id"]]
    backend.change("deployments", {"paused": True}, id=given[0]["deployment_id"])
    assert _deploy(backend, project)["paused"]
    assert _deploy(backend, project, "  schedules: []\n")["schedules"] == []


def test_a_dry_run_tells_the_difference_and_changes_nothing(backend: Backend, project: Path) -> None:
    more = "  schedule: {cron: 0 9 3 * *}\n"
    (plan,) = _plans(backend, project, HEAD + POOL + more, is_dry=True)
    assert (plan.name, plan.known, backend.count("flows")) == ("train/monthly", None, 0)
    assert 'work_pool_name: "trips"' in list(plan.differences())
    _deploy(backend, project, more)
    (plan,) = _plans(backend, project, HEAD + POOL + more)
    assert list(plan.differences()) == []
    (plan,) = _plans(backend, project, HEAD + POOL + "  schedules: []\n  tags: a\n")
    lines = dict(line.split(": ", 1) for line in plan.differences())
    assert set(lines) == {"tags", "schedules"}
    assert (lines["tags"], lines["schedules"].endswith("-> []")) == ('[] -> ["a"]', True)


def test_what_build_steps_give_is_filled_in(backend: Backend, project: Path) -> None:
    build = 'build:\n- prefect.deployments.steps.run_shell_script: {id: sha, script: "echo 7", stream_output: false}\n'
    text = build + HEAD + POOL + '  version: "v{{ sha.stdout }}"\n  tags: ["{{ prefect.variables.team }}"]\n'
    Variable.set("team", "data")
    (plan,) = _plans(backend, project, text)
    assert (plan.wanted["version"], plan.wanted["tags"]) == ("v7", ["data"])
    (plan,) = _plans(backend, project, text, is_dry=True)
    assert plan.wanted["version"] == "v{{ sha.stdout }}"


@pytest.mark.parametrize(
    ("more", "line", "sentence"),
    [
        ("  schedule: {cron: every day}\n", 5, "is not a cron expression"),
        ("  schedules: [7]\n", 5, "7 is not of type"),
        ("  schedules:\n  - {timezone: UTC}\n", 6, "needs one of 'cron'"),
        ("  parameters: {m: 1}\n", 5, "no parameter 'm'"),
        ("  schedule: {interval: soon}\n", 5, "is a number of seconds"),
        ("  parameters: {n: x}\n", 5, "'n' does not fit"),
        ("  schedule: {rrule: soon}\n", 5, "soon"),
        ("  schedules:\n  - {cron: 0 9 3 * *, parameters: {m: 1}}\n", 6, "no parameter 'm'"),
        ("  pull: [{absent_step: {}}]\n", 5, "is no step"), ('  tags: ["{{ $ABSENT_ONE }}"]\n', 5, "ABSENT_ONE"),
        ('  paused: "{{ prefect.variables.word }}"\n', 5, "'paused': 'yes please' is not of type 'boolean'"),
        ("  work_pool: {name: absent}\n", 5, "work-pool create --type process absent"),
        ("  work_pool: {}\n", 5, "work pool"),
        ("  entrypoint: flows/absent.py:train\n", 5, "There is no file"),
    ],
)  # fmt: skip
def test_nothing_is_deployed_of_a_file_that_cannot_be_honoured(
    backend: Backend, project: Path, more: str, line: int, sentence: str
) -> None:
    Variable.set("word", "yes please")
    good = HEAD.replace("deployments:\n", "").replace("monthly", "good") + POOL
    with pytest.raises(ConfigurationError, match=rf"prefect\.yaml:{line}: .*{sentence}"):
        save(backend, _plans(backend, project, HEAD + POOL + more + good))
    assert backend.find("deployments") == []


def test_what_is_refused_half_way_is_taken_back(
    backend: Backend, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _deploy(backend, project, "  schedule: {cron: 0 9 3 * *}\n  tags: [old]\n")
    entry = HEAD.replace("deployments:\n", "") + POOL
    others = entry.replace("monthly", "second") + entry.replace("monthly", "third")
    text = HEAD + POOL + "  schedules: []\n  tags: [new]\n  paused: true\n" + others
    plans, create = _plans(backend, project, text), backend.create

    def failing(resource: str, document: Any, overwrite: bool = False) -> Any:
        if document["name"] == "third":
            raise StoreError("The disk is full.")
        return create(resource, document, overwrite)

    monkeypatch.setattr(backend, "create", failing)
    with pytest.raises(StoreError, match="full"):
        save(backend, plans)
    (after,) = backend.find("deployments")
    assert {**after, "updated": 0, "schedules": [each["schedule"] for each in after["schedules"]]} == {
        **before, "updated": 0, "schedules": [CRON],
    }  # fmt: skip


def test_secrets_are_not_shown_in_differences(backend: Backend, project: Path) -> None:
    saved_secret("t", "s3cr3t-value")
    (plan,) = _plans(backend, project, HEAD + POOL + '  description: "{{ prefect.blocks.secret.t }}"\n')
    assert not any("s3cr3t" in line for line in plan.differences())


def test_a_schedule_keeps_its_times_and_its_policy_apart() -> None:
    given = schedule_document({"interval": 60, "max_lateness": 7200, "catchup": "latest", "overlap": None})
    assert given.pop("schedule")["interval"] == 60.0
    assert given == {"max_lateness": 7200, "catchup": "latest"}
    with pytest.raises(UsageError):
        schedule_document({"cron": 7})
