"""Encryption of block documents: Fernet, with a key that lies beside the database and never in it."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestration.domain.errors import ConfigurationError

KEY_FILE = "encryption.key"
VARIABLE = "ORCHESTRATION_ENCRYPTION_KEY"


@dataclass(slots=True)
class Keyring:
    """Where the key is: given by the environment, or a 0600 file that the first process makes.

    While a rotation is under way the next key waits in ``encryption.key.next``, so that whatever moment
    the power fails at, one of the two files opens the documents.
    """

    home: Path
    given: str | None = field(default=None, repr=False)
    _keys: list[str] = field(default_factory=list, repr=False)

    @property
    def path(self) -> Path:
        """The key file."""
        return self.home / KEY_FILE

    @property
    def next_path(self) -> Path:
        """The key that a rotation is about to make the current one."""
        return self.home / f"{KEY_FILE}.next"

    def describe(self) -> str:
        """Where the user finds the key."""
        return VARIABLE if self.given else str(self.path)

    def keys(self, reload: bool = False) -> list[str]:
        """The keys that may open a document, the current one first."""
        if reload or not self._keys:
            self._keys = [self.given] if self.given else self._read()
        return self._keys

    def has_key(self) -> bool:
        """Whether there is a key already; asking makes none."""
        return bool(self.given) or self.path.exists()

    def _read(self) -> list[str]:
        if not self.path.exists():
            with only_one_process(self.home):
                if not self.path.exists():
                    write_key(self.path, new_key())
        paths = [path for path in (self.path, self.next_path) if path.exists()]
        return [path.read_text(encoding="ascii", errors="replace").strip() for path in paths]


def new_key() -> str:
    """A fresh key: 32 random bytes in URL-safe base64."""
    key: bytes = _fernet_module().Fernet.generate_key()
    return key.decode()


def encrypt(document: Mapping[str, Any], key: str, place: str = VARIABLE) -> str:
    """The document as a token that only ``key`` opens."""
    token: bytes = _fernet(key, place).encrypt(json.dumps(document).encode())
    return token.decode()


def decrypt(token: str, keyring: Keyring, what: str) -> dict[str, Any]:
    """The document in a token.

    Args:
        what: the document's name, for the error.

    Raises:
        ConfigurationError: there is no key, or none at hand opens it.
    """
    key = opening_key(token, keyring)
    if key is None:
        raise ConfigurationError(
            f"{what} was encrypted with another key than the one in {keyring.describe()}; "
            f"put back the key that it was saved with (in {VARIABLE}, or the file {KEY_FILE} of your backup)."
        )
    document: dict[str, Any] = json.loads(_fernet(key, keyring.describe()).decrypt(token.encode()))
    return document


def opening_key(token: str, keyring: Keyring) -> str | None:
    """The key at hand that opens a token, those that another process has written since included.

    Raises:
        ConfigurationError: there is no key at all.
    """
    if not keyring.has_key():
        raise ConfigurationError(
            f"There are encrypted blocks but no key: restore {keyring.describe()} from your backup, "
            f"or set {VARIABLE} to the key that they were saved with."
        )
    known = (key for reload in (False, True) for key in keyring.keys(reload))
    return next((key for key in known if _opens(token, key, keyring.describe())), None)


def _opens(token: str, key: str, place: str) -> bool:
    try:
        _fernet(key, place).decrypt(token.encode())
    except _fernet_module().InvalidToken:
        return False
    return True


def check_key(key: str, place: str) -> None:
    """Refuse a text that is not a key.

    Raises:
        ConfigurationError: it is not one.
    """
    _fernet(key, place)


def write_key(path: Path, key: str) -> None:
    """Put a key into a file that only its owner may read; the file appears whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def only_one_process(home: Path) -> Iterator[None]:
    """Hold the lock on the key file of this home folder."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(home / f"{KEY_FILE}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def announce(keyring: Keyring, current: str, fresh: str) -> None:
    """Before a rotation: have on disk the key that opens the documents now, and the next one beside it."""
    if not keyring.given:
        write_key(keyring.path, current)
        write_key(keyring.next_path, fresh)
        keyring.keys(reload=True)


def conclude(keyring: Keyring, fresh: str) -> None:
    """After a rotation: let the next key take the current one's place; a given key is the giver's to change."""
    if keyring.given:
        keyring.given = fresh
    else:
        keyring.next_path.replace(keyring.path)
    keyring.keys(reload=True)


def _fernet(key: str, place: str) -> Any:
    try:
        return _fernet_module().Fernet(key.encode())
    except ValueError:
        raise ConfigurationError(
            f"The encryption key in {place} is not one: it must be 32 bytes in URL-safe base64 "
            '(make one with `python -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"`).'
        ) from None


def _fernet_module() -> Any:
    """The cipher; loaded on first use, because most runs need no secret and loading takes 40 ms."""
    from cryptography import fernet

    return fernet
