"""API keys: what is given out, and what is kept."""

from base64 import urlsafe_b64decode
from hashlib import sha256

from orchestration.domain.settings import KEY_PREFIX, Role, digest, new_key


def test_a_key_has_256_bits_and_is_known_by_its_beginning() -> None:
    key = new_key()
    assert key.startswith(KEY_PREFIX)
    assert len(urlsafe_b64decode(key.removeprefix(KEY_PREFIX) + "=")) == 32
    assert new_key() != key


def test_only_the_digest_is_kept() -> None:
    assert digest("orc_x") == sha256(b"orc_x").hexdigest()


def test_roles_are_told_by_name() -> None:
    assert [role.value for role in Role] == ["viewer", "operator", "admin"]
