"""``python -m blocks.rotate_key``: encrypt the secrets of all saved blocks with a fresh key.

The key is the file ``encryption.key`` in ``ORCHESTRATION_HOME``, or ``ORCHESTRATION_ENCRYPTION_KEY`` where that is set;
then the new value to set is printed, and nobody but its reader has it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from orchestration.backend.blocks import LocalBlockStore
from orchestration.domain.errors import OrchestrationError
from orchestration.sdk.session import current_session


def rotate(key: str | None = None) -> str:
    """Encrypt everything anew; what to tell whoever asked for it.

    Raises:
        ConfigurationError: the key in use does not open what is stored, or the new one is no key.
    """
    session = current_session()
    store = session.backend.blocks
    if not isinstance(store, LocalBlockStore):
        raise OrchestrationError("Only the machine that holds the database can rotate its key; run this there.")
    fresh = store.rotate_key(key)
    if session.settings.encryption_key is None:
        return f"All blocks are encrypted with a new key, which lies in {session.settings.home / 'encryption.key'}."
    return f"All blocks are encrypted with a new key; from now on, set ORCHESTRATION_ENCRYPTION_KEY={fresh}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 1 refused in a sentence."""
    argparse.ArgumentParser(prog="python -m blocks.rotate_key", description=__doc__).parse_args(arguments)
    try:
        sys.stdout.write(f"{rotate()}\n")
    except OrchestrationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
