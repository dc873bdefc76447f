"""A store of its own for each test that asks, and a client to look into it."""

from collections.abc import Iterator

import pytest

from orchestration import test_harness
from orchestration.sdk.client import SyncClient
from orchestration.sdk.context import Session
from orchestration.sdk.logs import FLOW_LOGGER, ROOT, TASK_LOGGER


@pytest.fixture
def session() -> Iterator[Session]:
    for logger in (ROOT, FLOW_LOGGER, TASK_LOGGER):
        logger.disabled = False  # a tool that another test ran in this process may have silenced all loggers it found
    with test_harness() as session:
        yield session


@pytest.fixture
def client(session: Session) -> SyncClient:
    return SyncClient(session)
