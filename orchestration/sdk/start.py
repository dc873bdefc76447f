"""The start of a run in a process: open the store, and let runs log."""

from orchestration.sdk import session as sessions
from orchestration.sdk.logs import configure
from orchestration.sdk.redaction import take_over_last_words
from orchestration.sdk.session import Session, current_session

_configured: list[Session] = []


def started_session() -> Session:
    """The session of this process, with logging set up for it."""
    take_over_last_words()
    session = sessions._current or current_session()
    if not _configured or _configured[0] is not session:
        configure(session)
        _configured[:] = [session]
    return session
