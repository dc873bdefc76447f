"""Profiles and settings from the command line."""

import os
from pathlib import Path

import pytest

from orchestration.backend.surroundings import current_settings
from orchestration.domain.settings import CHOICE
from tests.support.command_line import asked, orchestrate, table

URL, KEY = "ORCHESTRATION_API_URL", "ORCHESTRATION_API_KEY"


def test_a_profile_is_made_and_used() -> None:
    orchestrate("profile", "create", "team")
    orchestrate("profile", "use", "team")
    orchestrate("config", "set", f"{URL}=http://team/api")
    assert asked("profile", "inspect") == {URL: "http://team/api"}
    assert table("profile", "ls")[1:] == [["default", "no", "0"], ["team", "yes", "1"]]
    orchestrate("profile", "use", "default")
    assert asked("profile", "inspect") == {}
    assert asked("profile", "inspect", "team") == {URL: "http://team/api"}


def test_a_profile_that_is_or_is_not_there_is_told_of() -> None:
    assert "already" in orchestrate("profile", "create", "default", code=1)
    for command in ("use", "inspect"):
        assert "profile ls" in orchestrate("profile", command, "nope", code=1)


def test_the_file_is_its_owners_alone() -> None:
    orchestrate("config", "set", f"{KEY}=hush")
    home = Path(os.environ["ORCHESTRATION_HOME"])
    assert (home / "profiles.toml").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.iterdir()] == ["profiles.toml"]


def test_settings_of_the_profile_hold_for_the_sdk_as_well() -> None:
    orchestrate("config", "set", "PREFECT_API_URL=http://team/api", "logging_level=debug")
    settings = current_settings()
    assert (settings.api_url, settings.logging_level) == ("http://team/api", "DEBUG")
    orchestrate("config", "unset", "API_URL", "LOGGING_LEVEL")
    assert current_settings().api_url is None


def test_the_view_shows_what_is_set_and_masks_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    orchestrate("config", "set", f"{URL}=http://team/api", f"{KEY}=hush")
    monkeypatch.setenv("ORCHESTRATION_LOGGING_LEVEL", "ERROR")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "ann:word")
    monkeypatch.setenv(CHOICE, "default")
    shown = dict([*line.split(), ""][:2] for line in orchestrate("config", "view").splitlines())
    assert shown["ORCHESTRATION_PROFILE"] == "default"
    assert shown["ORCHESTRATION_API_AUTH_STRING"] == shown[KEY] == "********"
    assert shown["ORCHESTRATION_ENCRYPTION_KEY"] == ""
    assert (shown[URL], shown["ORCHESTRATION_SQLITE_SYNCHRONOUS"]) == ("http://team/api", "NORMAL")
    assert "  hush\n" in orchestrate("config", "view", "--show-secrets")
    assert asked("config", "view")["ORCHESTRATION_LOGGING_LEVEL"] == "ERROR"


def test_a_setting_that_the_environment_overrides_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, "http://mine/api")
    assert "wins" in orchestrate("config", "set", f"{URL}=http://team/api")
    assert asked("config", "view")[URL] == "http://mine/api"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["set", "API_URL"], 2, "NAME=VALUE"),
        (["set", "API_ULR=x"], 1, "no setting"),
        (["set", "HOME=/x"], 1, "environment"),
        (["set", "LOGGING_LEVEL=LOUD"], 1, "use one of"),
        (["unset", "API_ULR"], 1, "no setting"),
    ],
)
def test_a_wrong_setting_is_refused_and_nothing_is_kept(words: list[str], code: int, sentence: str) -> None:
    assert sentence in orchestrate("config", *words, code=code)
    assert asked("profile", "inspect") == {}
