"""What surrounds a process."""

from pathlib import Path

import pytest

from orchestration.backend.surroundings import current_environ, current_settings, read_profiles
from orchestration.domain.errors import ConfigurationError, ObjectNotFound
from orchestration.domain.settings import CHOICE, Profiles


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "profiles.toml"
    path.parent.mkdir()
    path.write_text('active = "team"\n[profiles.team]\nORCHESTRATION_API_URL = "http://team/api"\n[profiles.own]\n')
    return path


def test_a_profile_completes_the_environment(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert current_settings().api_url == "http://team/api"
    monkeypatch.setenv(CHOICE, "own")
    assert current_settings().api_url is None
    monkeypatch.setenv("ORCHESTRATION_API_URL", "http://mine/api")
    assert current_environ()["ORCHESTRATION_API_URL"] == "http://mine/api"
    assert current_settings().home == profiles.parent


def test_without_a_file_the_environment_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert current_settings().api_url is None
    assert read_profiles() == Profiles()
    monkeypatch.setenv(CHOICE, "team")
    with pytest.raises(ObjectNotFound, match="'team'"):
        current_settings()


def test_a_file_that_is_no_text_is_refused_in_a_sentence(profiles: Path) -> None:
    profiles.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        current_settings()
