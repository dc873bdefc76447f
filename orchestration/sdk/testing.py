"""``test_harness``: an isolated store for tests of user code."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestration.domain.settings import read_settings
from orchestration.sdk.session import Session, open_session, swap_session


@contextmanager
def test_harness() -> Iterator[Session]:
    """Let all runs inside the block go to a store of their own, in a temporary folder that ends with it."""
    with tempfile.TemporaryDirectory(prefix="orchestration-test-", ignore_cleanup_errors=True) as folder:
        settings = replace(read_settings(os.environ, Path(folder)), home=Path(folder), api_url=None, database_url=None)
        session = open_session(settings)
        before = swap_session(session)
        try:
            yield session
        finally:
            swap_session(before)
            session.close()


test_harness.__test__ = False  # type: ignore[attr-defined]  # its name is no test's
