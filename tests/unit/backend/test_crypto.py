"""The key of the blocks: made once, kept from others, refused when it is the wrong one."""

import re
import stat
import threading
from pathlib import Path

import pytest

from orchestration.backend.blocks import Keyring, new_key
from orchestration.domain.errors import ConfigurationError


def test_the_first_to_ask_makes_a_key_that_only_the_owner_reads(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "home")
    assert keyring.keys() == []
    key = keyring.key()
    assert keyring.path.read_text().strip() == key
    assert stat.S_IMODE(keyring.path.stat().st_mode) == 0o600
    assert keyring.keys() == [key]


def test_of_many_that_ask_at_once_one_makes_the_key(tmp_path: Path) -> None:
    start = threading.Barrier(16)
    keys: list[str] = []

    def ask() -> None:
        start.wait()
        keys.append(Keyring(tmp_path).key())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 16
    assert len(set(keys)) == 1
    assert [path.name for path in tmp_path.iterdir() if "lock" not in path.name] == ["encryption.key"]


def test_a_document_is_read_back_with_its_key_only(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    token = keyring.sealed({"a": [1, None, "ü"]})
    assert "ü" not in token
    assert keyring.opened(token, "It") == {"a": [1, None, "ü"]}
    other = Keyring(tmp_path, given=new_key())
    with pytest.raises(ConfigurationError) as caught:
        other.opened(token, "The block a/b")
    assert str(caught.value) == (
        "The block a/b was encrypted with another key than the one in ORCHESTRATION_ENCRYPTION_KEY; put back the key "
        "that it was saved with (in ORCHESTRATION_ENCRYPTION_KEY, or the file encryption.key of your backup)."
    )


@pytest.mark.parametrize("text", ["", "short", "not a key at all, but of some length ........", "é" * 44])
def test_what_is_no_key_is_refused_where_it_was_found(tmp_path: Path, text: str) -> None:
    Keyring(tmp_path).path.write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(f"The encryption key in {tmp_path}/encryption.key is not")):
        Keyring(tmp_path).sealed({})


def test_a_key_is_shown_to_nobody(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path, given=new_key())
    keyring.key()
    assert str(keyring.given) not in repr(keyring)


def test_another_process_that_rotated_is_noticed(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    keyring.key()
    other = Keyring(tmp_path)
    other.replace(new_key())
    assert keyring.opened(other.sealed({"a": 1}), "It") == {"a": 1}


def test_while_a_rotation_is_under_way_both_keys_open(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    before = keyring.key()
    fresh = new_key()
    keyring.replace(fresh, before)
    reader = Keyring(tmp_path)
    for key in (before, fresh):
        assert reader.opened(Keyring(tmp_path, key).sealed({"a": 1}), "It") == {"a": 1}
    assert Keyring(tmp_path, fresh).opened(reader.sealed({"a": 1}), "It") == {"a": 1}
    keyring.replace(fresh)
    assert keyring.keys() == Keyring(tmp_path).keys() == [fresh]
    assert stat.S_IMODE(keyring.path.stat().st_mode) == 0o600
