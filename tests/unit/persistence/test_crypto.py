"""The key of the blocks: made once, kept from others, refused when it is the wrong one."""

import re
import stat
import threading
from pathlib import Path

import pytest

from orchestration.domain.errors import ConfigurationError
from orchestration.persistence.crypto import Keyring, decrypt, encrypt, new_key


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
    token = encrypt({"a": [1, None, "ü"]}, keyring.key())
    assert "ü" not in token
    assert decrypt(token, keyring, "It") == {"a": [1, None, "ü"]}
    other = Keyring(tmp_path, given=new_key())
    with pytest.raises(ConfigurationError) as caught:
        decrypt(token, other, "The block a/b")
    assert str(caught.value) == (
        "The block a/b was encrypted with another key than the one in ORCHESTRATION_ENCRYPTION_KEY; put back the key "
        "that it was saved with (in ORCHESTRATION_ENCRYPTION_KEY, or the file encryption.key of your backup)."
    )


@pytest.mark.parametrize("text", ["", "short", "not a key at all, but of some length ........", "é" * 44])
def test_what_is_no_key_is_refused_where_it_was_found(tmp_path: Path, text: str) -> None:
    Keyring(tmp_path).path.write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(f"The encryption key in {tmp_path}/encryption.key is not")):
        encrypt({}, Keyring(tmp_path).key(), Keyring(tmp_path).describe())


def test_a_key_is_shown_to_nobody(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path, given=new_key())
    keyring.key()
    assert str(keyring.given) not in repr(keyring)


def test_another_process_that_rotated_is_noticed(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    keyring.key()
    fresh = new_key()
    Keyring(tmp_path).replace(fresh)
    assert decrypt(encrypt({"a": 1}, fresh), keyring, "It") == {"a": 1}


def test_while_a_rotation_is_under_way_both_keys_open(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    before = keyring.key()
    fresh = new_key()
    keyring.replace(before, fresh)
    reader = Keyring(tmp_path)
    for key in (before, fresh):
        assert decrypt(encrypt({"a": 1}, key), reader, "It") == {"a": 1}
    keyring.replace(fresh)
    assert keyring.keys() == Keyring(tmp_path).keys() == [fresh]
    assert stat.S_IMODE(keyring.path.stat().st_mode) == 0o600
