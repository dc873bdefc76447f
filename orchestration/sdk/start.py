"""The start of a run in a process: open the store, and let runs log."""

import sys
from types import TracebackType

from orchestration.domain.errors import ConfigurationError, StoreError
from orchestration.sdk import session as sessions
from orchestration.sdk.logs import configure
from orchestration.sdk.session import Session, current_session

_configured: list[Session] = []


def started_session() -> Session:
    """The session of this process, with logging set up for it."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _say
    session = sessions._current or current_session()
    if not _configured or _configured[0] is not session:
        configure(session)
        _configured[:] = [session]
    return session


def _say(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Tell what ended a script: of its surroundings in one sentence, since no line of the script is to blame."""
    if issubclass(kind, StoreError | ConfigurationError):
        sys.stderr.write(f"{error}\n")
    else:
        sys.__excepthook__(kind, error, traceback)
