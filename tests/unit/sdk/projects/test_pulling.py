"""The steps that give a run its code."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestration.backend.port import Backend
from orchestration.domain.errors import ConfigurationError
from orchestration.sdk.projects.pulling import pull, read_step, run_steps
from tests.support.repositories import git, repository
from tests.support.s3_server import make_bucket, s3_server
from tests.support.saving import saved_secret

CLONE, ENTER = "prefect.deployments.steps.git_clone", "prefect.deployments.steps.set_working_directory"
SHELL, INSTALL = (f"prefect.deployments.steps.{name}" for name in ("run_shell_script", "pip_install_requirements"))


def test_without_steps_the_code_is_where_the_run_is(tmp_path: Path) -> None:
    assert pull([], tmp_path / "run") == tmp_path / "run"
    assert (tmp_path / "run").is_dir()


@pytest.mark.parametrize(
    "name",
    ["prefect.projects.steps.git_clone_project", "prefect.projects.steps.git_clone", CLONE,
     "prefect.deployments.steps.pull.git_clone", "prefect.deployments.steps.pull.agit_clone", "git_clone"],
)  # fmt: skip
def test_a_repository_is_cloned_by_any_name_of_the_step(tmp_path: Path, name: str) -> None:
    origin = repository(tmp_path / "taxi", {"n": "1"})
    code = pull([{name: {"repository": origin.as_uri(), "branch": "main", "access_token": None}}], tmp_path / "run")
    assert (code, (code / "n").read_text()) == (tmp_path / "run" / "taxi-main", "1")
    named = {"repository": str(origin), "commit_sha": git(origin, "rev-parse", "HEAD"), "clone_directory_name": "mine"}
    assert pull([{name: named}], tmp_path / "run").name == "mine"


def test_a_step_may_use_what_an_earlier_one_gave(tmp_path: Path, backend: Backend) -> None:
    origin = repository(tmp_path / "taxi", {"deep/n": "1"})
    saved_secret("token", "t0ken-t0ken")
    steps: list[dict[str, Any]] = [
        {CLONE: {"id": "clone", "repository": origin.as_uri(), "access_token": "{{ prefect.blocks.secret.token }}"}},
        {ENTER: {"directory": "{{ clone.directory }}/deep"}},
        {SHELL: {"id": "say", "script": "cat n", "stream_output": False}},
        {SHELL: {"script": "touch {{ say.stdout }}.txt"}},
    ]
    assert {path.name for path in pull(steps, tmp_path / "run").iterdir()} == {"n", "1.txt"}


def test_a_folder_is_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "code").mkdir()
    for directory in (str(tmp_path / "code"), "~/code", "../code"):
        assert pull([{ENTER: {"directory": directory}}], tmp_path / "run") == tmp_path / "code"
    with pytest.raises(ConfigurationError, match="There is no folder"):
        pull([{ENTER: {"directory": "absent"}}], tmp_path / "run")


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ({"script": "echo 'a b'\n\necho c"}, "a b\nc"), ({"script": "echo $A"}, "$A"),
        ({"script": "pwd", "directory": "sub"}, "sub"),
        ({"script": "echo $A ${A}", "expand_env_vars": True, "env": {"A": "1"}}, "1 1"),
        ({"script": "echo $A | tr 1 2", "shell": True, "env": {"A": "1"}}, "2"),
    ],
)  # fmt: skip
def test_a_script_runs_line_by_line(
    tmp_path: Path, given: Mapping[str, Any], printed: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sub").mkdir()
    assert run_steps([{SHELL: given}], tmp_path)["stdout"].removeprefix(f"{tmp_path}{os.sep}") == printed
    assert capfd.readouterr().out.strip().endswith(printed)


def test_a_script_that_fails_ends_the_steps(tmp_path: Path) -> None:
    script = "sh -c 'echo no such month >&2; exit 3'\ntouch never"
    with pytest.raises(ConfigurationError, match=r"exit code 3: no such month"):
        run_steps([{SHELL: {"script": script}}], tmp_path)
    with pytest.raises(ConfigurationError, match="`no-such-program` cannot be started"):
        run_steps([{SHELL: {"script": "no-such-program"}}], tmp_path)
    assert not (tmp_path / "never").exists()


def test_requirements_are_installed(tmp_path: Path) -> None:
    (tmp_path / "needs.txt").write_text("# nothing\n")
    given = {"requirements_file": "needs.txt", "stream_output": False}
    assert run_steps([{INSTALL: given}], tmp_path)["stderr"] is not None
    with pytest.raises(ConfigurationError, match=r"requirements\.txt"):
        run_steps([{INSTALL: {"stream_output": False}}], tmp_path)


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ({"my.own.step": {}}, "'my.own.step' is no step that is known here; there are git_clone"),
        ({CLONE: {}}, "needs 'repository'"), ({CLONE: None}, "needs 'repository'"),
        ({CLONE: {"repository": "x", "brunch": "y"}}, "does not take 'brunch'; it takes repository, branch"),
        ({CLONE: {"repository": "x"}, ENTER: {}}, "no step"), ({}, "no step"), ("git_clone", "needs 'repository'"),
    ],
)  # fmt: skip
def test_what_is_no_step_is_refused(step: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        read_step(step)


def test_code_is_downloaded_from_a_bucket(tmp_path: Path, backend: Backend) -> None:
    with s3_server() as url:
        make_bucket(url, {"code/flows/train.py": b"1", "other": b"2"}, name="code-bucket")
        given = {
            "bucket": "code-bucket", "folder": "code", "client_parameters": {"endpoint_url": url},
            "credentials": {"aws_access_key_id": "k", "aws_secret_access_key": "s3cr3t", "region_name": "us-east-1"},
        }  # fmt: skip
        for name in ("prefect_aws.deployments.steps.pull_from_s3", "prefect_aws.projects.steps.pull_project_from_s3"):
            code = pull([{name: given}], tmp_path / "run")
            assert (code / "flows" / "train.py").read_text() == "1"
            assert not (code / "other").exists()
