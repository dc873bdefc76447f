"""Project files of both generations, and what is wrong with them."""

from pathlib import Path

import pytest

from orchestration.domain.errors import ConfigurationError
from orchestration.sdk.projects.files import read_project

NEW = """
name: taxi
prefect-version: 3.8.8
definitions:
  monthly: &monthly {cron: 0 9 3 * *, timezone: America/New_York}
  common: &common
    work_pool: &pool {name: trips, job_variables: {env: {A: b}}}
pull:
- prefect.deployments.steps.git_clone: {repository: "https://h/x.git"}
deployments:
- <<: *common
  name: first
  entrypoint: flow.py:train
  schedules: [*monthly]
  parameters: {day: 2021-01-03, months: [2021-01]}
  build: null
- name: second
  entrypoint: flow.py:train
  work_pool: {<<: *pool, work_queue_name: urgent}
  pull: []
  schedule: {}
"""


def _read(folder: Path, **files: str) -> list[dict[str, object]]:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return [each.data for each in read_project(folder)[1]]


def test_a_file_of_prefect_3_is_read(tmp_path: Path) -> None:
    first, second = _read(tmp_path, prefect=NEW)
    assert first == {
        "name": "first", "entrypoint": "flow.py:train", "parameters": {"day": "2021-01-03", "months": ["2021-01"]},
        "schedules": [{"cron": "0 9 3 * *", "timezone": "America/New_York"}],
        "work_pool": {"name": "trips", "job_variables": {"env": {"A": "b"}}},
        "pull": [{"prefect.deployments.steps.git_clone": {"repository": "https://h/x.git"}}],
    }  # fmt: skip
    assert (second["pull"], second["schedule"]) == ([], {})
    assert second["work_pool"] == {"name": "trips", "job_variables": {"env": {"A": "b"}}, "work_queue_name": "urgent"}


def test_the_pair_of_files_of_2_10_is_read(tmp_path: Path) -> None:
    old = "deployments:\n- name: duration\n  entrypoint: f.py:main\n  schedule:\n    cron: 0 9 3 * * \n"
    pull = "pull:\n- prefect.projects.steps.git_clone_project:\n    repository: r\n"
    head = f"name: taxi\nprefect-version: 2.10.12\nbuild: null\n{pull}"
    (found,) = _read(tmp_path, prefect=head, deployment=old)
    assert found["schedule"] == {"cron": "0 9 3 * *"}
    assert found["pull"] == [{"prefect.projects.steps.git_clone_project": {"repository": "r"}}]
    assert read_project(tmp_path)[0] == {"pull": found["pull"]}


def test_files_are_looked_for_here_then_in_deployments(tmp_path: Path) -> None:
    assert read_project(tmp_path) == ({}, [])
    (tmp_path / "deployments").mkdir()
    assert _read(tmp_path / "deployments", prefect=NEW)[0] == read_project(tmp_path)[1][0].data
    (tmp_path / "prefect.yaml").write_text("name: x\n")
    assert read_project(tmp_path)[1] == []


HEAD = "deployments:\n- name: a\n  entrypoint: f.py:g\n"


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("deployments: [\n", 2, "not YAML"), ("- 1\n", 1, "is a mapping"),
        ("word\n", 1, "is a mapping"), ("deployments: {a: 1}\n", 1, "are a list"),
        ("deployments:\n- 7\n", 2, "A deployment is a mapping"),
        ("deployments:\n\n- name: a\n", 3, "with 'name' and 'entrypoint'"),
        ("deployments:\n- entrypoint: f.py:g\n", 2, "with 'name' and"),
        (HEAD + "  shedule: {cron: x}\n", 4, "no 'shedule' here, but schedule"),
        (HEAD + "  triggers:\n  - type: event\n", 5, "orchestrate notification"),
        (HEAD + "  parameters: [1]\n", 4, r"'parameters': \[1\] is not of type 'object'"),
        (HEAD + "  work_pool: trips\n", 4, "'work_pool': 'trips' is not of type 'object'"),
        (HEAD + "  concurrency_limit: true\n", 4, "True is not of type 'integer', 'object'"),
        (HEAD + "  work_pool:\n    name: p\n    queue: q\n", 6, "no 'queue' here, but name, work_queue_name"),
        (HEAD + "  schedule: {cron: x, timezon: y}\n", 4, "no 'timezon' here, but timezone"),
        (HEAD + "  schedules:\n  - cron: x\n    active: maybe\n", 6, "'schedules.0.active': 'maybe' is not of type"),
        (HEAD + "  schedule: {cron: x, catchup: some}\n", 4, "none, latest, all or all"),
        (HEAD + "  schedule: {cron: x, max_lateness: 2h}\n", 4, "is a number of seconds"),
        (HEAD + "  tags: [[a]]\n", 4, "'tags.0'"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_honoured_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"prefect\.yaml:{line}: .*{sentence}"):
        _read(tmp_path, prefect=text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "prefect.yaml").write_bytes(b"name: \xff")
    with pytest.raises(ConfigurationError, match=r"prefect\.yaml cannot be read"):
        read_project(tmp_path)


def test_a_step_is_looked_at_where_it_stands(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"prefect\.yaml:3: 'absent' is no step"):
        _read(tmp_path, prefect="name: x\npull:\n- absent: {}\n", deployment=HEAD)
    (first,) = _read(tmp_path, prefect="pull: {git_clone: {repository: r}}\n", deployment=HEAD)
    assert first["pull"] == [{"git_clone": {"repository": "r"}}]


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert _read(tmp_path, prefect="# nothing yet\n") == []
