"""The one open store of this process: settings, backend and recorder, opened at the first need.

``test_harness`` puts an isolated one in its place for tests of user code.
"""

import atexit
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestration.backend import connect, port, surroundings
from orchestration.backend.recorder import Recorder
from orchestration.domain.settings import Settings, read_settings
from orchestration.sdk.results import StoredValue


@dataclass(frozen=True, slots=True)
class Session:
    """What a run needs of its surroundings."""

    settings: Settings
    backend: port.Backend
    recorder: Recorder

    def close(self) -> None:
        """Write what is left and release the store."""
        with closing(self.backend):
            self.recorder.close()


_lock = threading.RLock()
_current: Session | None = None


def current_session() -> Session:
    """The session of this process; opened from the environment when there is none."""
    global _current  # noqa: PLW0603 - one session a process is the point
    if _current is not None:
        return _current
    with _lock:
        if _current is None:
            _current = open_session(surroundings.current_settings())
            atexit.register(close_session)
        return _current


def open_session(settings: Settings) -> Session:
    """A session of its own, for these settings."""
    backend = connect.open_backend(settings, StoredValue.from_document)
    return Session(settings, backend, Recorder(backend.record))


def swap_session(session: Session | None) -> Session | None:
    """Make ``session`` the one of this process; the one before it, still open."""
    global _current
    with _lock:
        before, _current = _current, session
        return before


def _forget_session() -> None:
    """In a forked child, leave the parent's store to the parent: its connection and unwritten rows are not ours."""
    global _current  # noqa: PLW0603 - see above
    _current = None


os.register_at_fork(after_in_child=_forget_session)


def close_session() -> None:
    """Close the session of this process, if it has one."""
    before = swap_session(None)
    if before is not None:
        before.close()


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
