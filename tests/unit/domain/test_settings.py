"""Settings: what each variable means, and a sentence that names it when it is wrong."""

from dataclasses import fields
from pathlib import Path

import pytest

from orchestration.domain.errors import ConfigurationError
from orchestration.domain.settings import LOG_LEVELS, SECRETS, VARIABLES, Settings, read_settings

USER = Path("/home/rider")

GIVEN = {
    "HOME": ("/srv/orchestration", "home", Path("/srv/orchestration")),
    "API_URL": (" http://127.0.0.1:4200/api ", "api_url", "http://127.0.0.1:4200/api"),
    "API_KEY": ("pnu_1", "api_key", "pnu_1"),
    "API_AUTH_STRING": ("admin:pass", "api_auth_string", "admin:pass"),
    "SERVER_API_AUTH_STRING": ("admin:word", "server_api_auth_string", "admin:word"),
    "API_REQUEST_TIMEOUT": ("2.5", "api_request_timeout", 2.5),
    "API_OUTAGE_LIMIT": ("600", "api_outage_limit", 600.0),
    "SERVER_CSRF_PROTECTION_ENABLED": ("true", "server_csrf_protection", True),
    "DATABASE_URL": ("postgresql://db/x", "database_url", "postgresql://db/x"),
    "SQLITE_SYNCHRONOUS": ("full", "sqlite_synchronous", "FULL"),
    "ENCRYPTION_KEY": ("k", "encryption_key", "k"),
    "LOGGING_LEVEL": ("debug", "logging_level", "DEBUG"),
    "LOGGING_TO_API_ENABLED": ("off", "logging_to_store", False),
    "LOGGING_EXTRA_LOGGERS": (" boto3, ,mlflow ,", "logging_extra_loggers", ("boto3", "mlflow")),
    "LOGGING_LOG_PRINTS": ("Yes", "log_prints", True),
    "RESULTS_PERSIST_BY_DEFAULT": ("1", "persist_results", True),
    "LOCAL_STORAGE_PATH": ("/srv/results", "local_storage_path", Path("/srv/results")),
    "TASK_RUNNER_THREAD_POOL_MAX_WORKERS": ("8", "task_runner_max_workers", 8),
    "FLOW_DEFAULT_RETRIES": ("2", "flow_default_retries", 2),
    "FLOW_DEFAULT_RETRY_DELAY_SECONDS": ("0.5", "flow_default_retry_delay_seconds", 0.5),
    "TASK_DEFAULT_RETRIES": ("3", "task_default_retries", 3),
    "TASK_DEFAULT_RETRY_DELAY_SECONDS": ("10", "task_default_retry_delay_seconds", 10.0),
}
"""By variable: a text, and the field and value that it gives."""

WRONG = [
    ("SQLITE_SYNCHRONOUS", "off", "use one of FULL, NORMAL."),
    ("LOGGING_LEVEL", "LOUD", "use one of CRITICAL, DEBUG, ERROR, INFO, WARNING."),
    ("LOGGING_TO_API_ENABLED", "maybe", "use true or false."),
    ("LOGGING_LOG_PRINTS", "2", "use true or false."),
    ("RESULTS_PERSIST_BY_DEFAULT", "ja", "use true or false."),
    ("TASK_RUNNER_THREAD_POOL_MAX_WORKERS", "0", "use a whole number, 1 or more."),
    ("TASK_RUNNER_THREAD_POOL_MAX_WORKERS", "2.5", "use a whole number, 1 or more."),
    ("FLOW_DEFAULT_RETRIES", "-1", "use a whole number, 0 or more."),
    ("TASK_DEFAULT_RETRIES", "\u00b2", "use a whole number, 0 or more."),
    ("FLOW_DEFAULT_RETRY_DELAY_SECONDS", "soon", "use a number of seconds, 0 or more."),
    ("FLOW_DEFAULT_RETRY_DELAY_SECONDS", "-0.1", "use a number of seconds, 0 or more."),
    ("TASK_DEFAULT_RETRY_DELAY_SECONDS", "nan", "use a number of seconds, 0 or more."),
    ("TASK_DEFAULT_RETRY_DELAY_SECONDS", "inf", "use a number of seconds, 0 or more."),
]


def _read(**variables: str) -> Settings:
    return read_settings({f"ORCHESTRATION_{name}": value for name, value in variables.items()}, USER)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = read_settings({}, USER)
    assert settings == Settings(home=USER / ".orchestration")
    assert settings.database_path == USER / ".orchestration" / "orchestration.db"
    assert settings.storage_path == USER / ".orchestration" / "storage"


@pytest.mark.parametrize("variable", sorted(GIVEN))
def test_a_variable_sets_its_field_and_no_other(variable: str) -> None:
    text, field, value = GIVEN[variable]
    settings, default = _read(**{variable: text}), read_settings({}, USER)
    assert getattr(settings, field) == value
    changed = {each.name for each in fields(Settings) if getattr(settings, each.name) != getattr(default, each.name)}
    assert changed == {field}


def test_every_field_has_its_variable() -> None:
    assert {field for _, field, _ in GIVEN.values()} == {each.name for each in fields(Settings)}
    assert len(fields(Settings)) <= 25


@pytest.mark.parametrize("variable", sorted(GIVEN))
@pytest.mark.parametrize("blank", ["", "   "])
def test_a_blank_variable_is_none(variable: str, blank: str) -> None:
    assert _read(**{variable: blank}) == read_settings({}, USER)


@pytest.mark.parametrize(("variable", "text", "advice"), WRONG)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(variable: str, text: str, advice: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _read(**{variable: text})
    assert str(refused.value) == f"ORCHESTRATION_{variable} is {text!r}; {advice}"


@pytest.mark.parametrize("level", LOG_LEVELS)
def test_every_log_level_is_known(level: str) -> None:
    assert _read(LOGGING_LEVEL=level.lower()).logging_level == level


@pytest.mark.parametrize("text", ["true", "TRUE", "on", "1", "yes"])
def test_flags_may_be_said_in_several_ways(text: str) -> None:
    assert _read(LOGGING_LOG_PRINTS=text).log_prints
    assert not _read(LOGGING_TO_API_ENABLED={"true": "false", "on": "off", "1": "0"}.get(text, "no")).logging_to_store


@pytest.mark.parametrize(("name", "field"), [("API_URL", "api_url"), ("API_KEY", "api_key"), ("HOME", "home")])
def test_prefects_variable_is_read_where_ours_is_unset(name: str, field: str) -> None:
    theirs, ours = {f"PREFECT_{name}": "/theirs"}, {f"ORCHESTRATION_{name}": "/ours"}
    assert str(getattr(read_settings(theirs, USER), field)) == "/theirs"
    assert str(getattr(read_settings(theirs | {f"ORCHESTRATION_{name}": " "}, USER), field)) == "/theirs"
    assert str(getattr(read_settings(theirs | ours, USER), field)) == "/ours"


def test_other_variables_of_prefect_are_not_ours() -> None:
    assert read_settings({"PREFECT_LOGGING_LEVEL": "nonsense"}, USER) == read_settings({}, USER)


def test_the_home_folder_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert _read(HOME="here").home == tmp_path / "here"
    assert _read(HOME="~/there").home == Path("/home/somebody/there")
    assert _read(LOCAL_STORAGE_PATH="results").storage_path == tmp_path / "results"


def test_the_list_of_variables_agrees() -> None:
    assert {field: f"ORCHESTRATION_{name}" for name, (_, field, _) in GIVEN.items()} == VARIABLES


def test_secrets_are_known_and_kept_out_of_sight() -> None:
    assert {"ORCHESTRATION_API_KEY", "ORCHESTRATION_DATABASE_URL"} < SECRETS
    settings = read_settings(dict.fromkeys(SECRETS, "hush-hush"), Path("home"))
    assert "hush-hush" not in repr(settings)
