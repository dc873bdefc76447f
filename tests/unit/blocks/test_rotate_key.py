"""Rotating the key of saved secrets from the command line."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks import rotate_key
from orchestration import Secret, test_harness
from orchestration.persistence import crypto
from orchestration.sdk.session import close_session


def test_secrets_open_with_the_new_key_and_not_with_the_old(capsys: pytest.CaptureFixture[str]) -> None:
    with test_harness() as session:
        Secret(value=SecretStr("hush-hush")).save("token")
        key_file = session.settings.home / "encryption.key"
        before = key_file.read_text()
        assert rotate_key.main([]) == 0
        assert key_file.read_text() != before
        assert str(key_file) in capsys.readouterr().out
        assert Secret.load("token").get() == "hush-hush"


def test_a_key_from_the_environment_is_told_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCHESTRATION_HOME", str(tmp_path))
    monkeypatch.setenv("ORCHESTRATION_ENCRYPTION_KEY", crypto.new_key())
    Secret(value=SecretStr("hush-hush")).save("token")
    assert rotate_key.main([]) == 0
    told = capsys.readouterr().out.strip()
    close_session()
    monkeypatch.setenv("ORCHESTRATION_ENCRYPTION_KEY", told.partition("ENCRYPTION_KEY=")[2])
    assert Secret.load("token").get() == "hush-hush"
    close_session()


def test_a_wrong_key_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCHESTRATION_HOME", str(tmp_path))
    Secret(value=SecretStr("hush-hush")).save("token")
    close_session()
    monkeypatch.setenv("ORCHESTRATION_ENCRYPTION_KEY", crypto.new_key())
    try:
        assert rotate_key.main([]) == 1
    finally:
        close_session()
    said = capsys.readouterr().err
    assert "ORCHESTRATION_ENCRYPTION_KEY" in said
    assert said.count("\n") == 1
