"""Profiles: what a file says, and what a process sees of it."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from orchestration.domain.errors import ConfigurationError, ObjectNotFound
from orchestration.domain.settings import (
    CHOICE,
    DEFAULT,
    Profiles,
    effective_environ,
    profiles_of,
    read_settings,
    text_of,
    variable,
)

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
