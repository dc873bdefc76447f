"""Settings: what each variable means, and a sentence that names it when it is wrong.

Profiles: what a file says, and what a process sees of it.

API keys: what is given out, and what is kept.

Addresses of servers.
"""

from base64 import urlsafe_b64decode
from dataclasses import fields
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from orchestration.domain.errors import ConfigurationError, ObjectNotFound
from orchestration.domain.settings import (
    CHOICE,
    DEFAULT,
    KEY_PREFIX,
    LOG_LEVELS,
    SECRETS,
    VARIABLES,
    Profiles,
    Role,
    Settings,
    check_exposure,
    digest,
    effective_environ,
    is_loopback,
    new_key,
    profiles_of,
    read_settings,
    server_type,
    text_of,
    url_of,
    variable,
)

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


URL, KEY = "ORCHESTRATION_API_URL", "ORCHESTRATION_API_KEY"
TEXT = f"""
active = "team"
[profiles.team]
{URL} = "http://team/api"
{KEY} = "k1"
ORCHESTRATION_LOGGING_LOG_PRINTS = true
ORCHESTRATION_FLOW_DEFAULT_RETRIES = 2
[profiles.own]
"""
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_the_profile_in_use_fills_what_the_environment_leaves_unset() -> None:
    seen = effective_environ({KEY: "mine", "PATH": "/bin"}, TEXT)
    assert seen[URL] == "http://team/api"
    assert seen[KEY] == "mine"
    assert seen["PATH"] == "/bin"


def test_values_that_are_not_quoted_mean_the_same() -> None:
    seen = effective_environ({}, TEXT)
    settings = read_settings(seen, Path("home"))
    assert (settings.log_prints, settings.flow_default_retries) == (True, 2)


def test_an_empty_variable_counts_as_set() -> None:
    assert effective_environ({URL: ""}, TEXT)[URL] == ""


def test_prefects_variable_wins_over_a_profile() -> None:
    seen = effective_environ({"PREFECT_API_URL": "http://theirs/api"}, TEXT)
    assert URL not in seen
    assert seen[KEY] == "k1"


def test_the_environment_names_another_profile() -> None:
    assert URL not in effective_environ({CHOICE: "own"}, TEXT)
    with pytest.raises(ObjectNotFound, match=r"'missing'.*profile ls"):
        effective_environ({CHOICE: "missing"}, TEXT)


def test_without_a_file_there_is_one_empty_profile() -> None:
    assert profiles_of("") == Profiles()
    assert effective_environ({"A": "b"}, "") == {"A": "b"}


def test_a_file_that_cannot_be_read_is_refused_in_a_sentence() -> None:
    for text in ("active = ", "profiles = 3", "[profiles]\nteam = 'x'"):
        with pytest.raises(ConfigurationError, match=r"profiles\.toml"):
            profiles_of(text)


@given(st.dictionaries(names, st.dictionaries(st.sampled_from([URL, KEY]), names), min_size=1), names)
def test_what_is_written_is_read_back(by_name: dict[str, dict[str, str]], active: str) -> None:
    profiles = Profiles(active, by_name)
    assert profiles_of(text_of(profiles)) == profiles


def test_profiles_change_without_changing_the_ones_before() -> None:
    before = Profiles()
    after = before.having("team", {URL: "http://team/api"}).using("team")
    assert (before.active, set(before.by_name)) == (DEFAULT, {DEFAULT})
    assert (after.active, after.values("team")[URL]) == ("team", "http://team/api")
    with pytest.raises(ObjectNotFound):
        before.using("team")


@pytest.mark.parametrize("name", [URL, "PREFECT_API_URL", "api_url", " API_URL "])
def test_a_setting_is_known_by_any_of_its_names(name: str) -> None:
    assert variable(name) == URL


def test_what_no_profile_can_set_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="config view"):
        variable("API_ULR")
    with pytest.raises(ConfigurationError, match="environment"):
        variable("ORCHESTRATION_HOME")


def test_a_key_has_256_bits_and_is_known_by_its_beginning() -> None:
    key = new_key()
    assert key.startswith(KEY_PREFIX)
    assert len(urlsafe_b64decode(key.removeprefix(KEY_PREFIX) + "=")) == 32
    assert new_key() != key


def test_only_the_digest_is_kept() -> None:
    assert digest("orc_x") == sha256(b"orc_x").hexdigest()


def test_roles_are_told_by_name() -> None:
    assert [role.value for role in Role] == ["viewer", "operator", "admin"]


OPEN = Settings(Path("home"))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (None, "ephemeral"),
        ("http://127.0.0.1:4200/api", "server"),
        ("https://api.prefect.cloud/api/accounts/a/workspaces/w", "cloud"),
        ("https://prefect.cloud.example.com/api", "server"),
        ("https://notprefect.cloud/api", "server"),
    ],
)
def test_the_type_of_a_server_follows_from_its_address(url: str | None, kind: str) -> None:
    assert server_type(url) == kind


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_nobody_else_reaches_loopback(host: str) -> None:
    assert is_loopback(host)
    check_exposure(host, OPEN, has_keys=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])  # noqa: S104 - that is the test
def test_others_reach_a_server_only_when_it_asks_who_they_are(host: str) -> None:
    with pytest.raises(ConfigurationError, match="server key create"):
        check_exposure(host, OPEN, has_keys=False)
    check_exposure(host, OPEN, has_keys=True)
    check_exposure(host, Settings(Path("home"), server_api_auth_string="a:b"), has_keys=False)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:4200/api"),
        ("0.0.0.0", "http://127.0.0.1:4200/api"),  # noqa: S104 - likewise
        ("::", "http://[::1]:4200/api"),
        ("example.com", "http://example.com:4200/api"),
    ],
)
def test_a_server_is_reached_at(host: str, url: str) -> None:
    assert url_of(host, 4200) == url
