"""Encryption of block documents: Fernet, with a key that lies beside the database and never in it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestration.domain.errors import ConfigurationError
from orchestration.persistence.database import only_one_process

KEY_FILE = "encryption.key"
VARIABLE = "ORCHESTRATION_ENCRYPTION_KEY"


@dataclass(slots=True)
class Keyring:
    """Where the key is: given by the environment, or a 0600 file that the first process makes.

    While a rotation is under way the file has a second line, the key before, so that whatever moment the power
    fails at, one of the two opens each document; the first line is the key to encrypt with.
    """

    home: Path
    given: str | None = field(default=None, repr=False)

    @property
    def path(self) -> Path:
        """The key file."""
        return self.home / KEY_FILE

    @property
    def place(self) -> str:
        """Where the user finds the key."""
        return VARIABLE if self.given else str(self.path)

    def keys(self) -> list[str]:
        """The keys that may open a document, the current one first; none as long as nobody needed one."""
        if self.given:
            return [self.given]
        return self.path.read_text("ascii", "replace").splitlines() or [""] if self.path.exists() else []

    def key(self) -> str:
        """The current key; the first to ask makes it."""
        if not self.keys():
            with self.alone():
                if not self.keys():
                    self.replace(new_key())
        return self.keys()[0]

    def sealed(self, document: Mapping[str, Any]) -> str:
        """The document as a token that only the current key opens."""
        return str(cipher([self.key()], self.place).encrypt(json.dumps(document).encode()), "ascii")

    def opened(self, token: str, what: str) -> dict[str, Any]:
        """The document in a token; ``what`` is its name, for the error.

        Raises:
            ConfigurationError: there is no key, or none at hand opens it.
        """
        if not self.keys():
            raise ConfigurationError(
                f"There are encrypted blocks but no key: restore {self.place} from your backup, "
                f"or set {VARIABLE} to the key that they were saved with."
            )
        try:
            return dict(json.loads(cipher(self.keys(), self.place).decrypt(token.encode())))
        except _fernet().InvalidToken:
            raise ConfigurationError(
                f"{what} was encrypted with another key than the one in {self.place}; "
                f"put back the key that it was saved with (in {VARIABLE}, or the file {KEY_FILE} of your backup)."
            ) from None

    def alone(self) -> AbstractContextManager[None]:
        """Let no other process make or change the keys meanwhile."""
        return only_one_process(self.home / f"{KEY_FILE}.lock")

    def replace(self, *keys: str) -> None:
        """Have these keys from now on; the file appears whole or not at all. A given key is the giver's to change."""
        if self.given:
            self.given = keys[0]
            return
        temporary = self.path.with_name(f"{KEY_FILE}.{os.getpid()}.{threading.get_ident()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{key}\n" for key in keys)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)


def new_key() -> str:
    """A fresh key: 32 random bytes in URL-safe base64."""
    return str(_fernet().Fernet.generate_key(), "ascii")


def cipher(keys: Sequence[str], place: str) -> Any:
    """What encrypts with the first of some keys, which were found in ``place``, and opens what any of them encrypted.

    Raises:
        ConfigurationError: one of them is no key.
    """
    try:
        return _fernet().MultiFernet([_fernet().Fernet(key.encode()) for key in keys])
    except ValueError:
        raise ConfigurationError(
            f"The encryption key in {place} is not one: it must be 32 bytes in URL-safe base64 "
            '(make one with `python -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"`).'
        ) from None


def _fernet() -> Any:
    """The cipher's module; loaded on first use, because most runs need no secret and loading takes 40 ms."""
    from cryptography import fernet

    return fernet
