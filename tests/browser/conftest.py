"""A server with the example, and a browser: absent, the tests are skipped at the desk and fail in CI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.example import Example
from tests.support.site import Site, Watched, chromium, opened_browser, site

CODE = """
import time
from orchestration import flow, get_run_logger, task
from orchestration import create_table_artifact

@task
def count(word: str) -> int:
    get_run_logger().info("counting %s", word)
    return len(word)

@flow
def main(words: list[str], times: int = 1, loud: bool = False) -> int:
    total = sum(count(word) for word in words) * times
    for step in range(20):
        get_run_logger().info("line %d of it", step)
        time.sleep(0.1)
    create_table_artifact([{"metric": "total", "value": total}], key="totals")
    return total
"""
SCHEMA = {
    "type": "object", "required": ["words"],
    "properties": {
        "words": {"title": "words", "position": 0, "type": "array", "items": {"type": "string"}},
        "times": {"title": "times", "position": 1, "type": "integer", "default": 1},
        "loud": {"title": "loud", "position": 2, "type": "boolean", "default": False},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for a module's tests: while it is open, nothing else in this process may run a loop."""
    if chromium() is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail("Chromium is not here; install it with `apt-get install chromium`.")
        pytest.skip("Chromium is not here; install it with `apt-get install chromium`.")
    with opened_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def filled(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Example]]:
    """A server whose store has the example."""
    with site(tmp_path_factory.mktemp("site")) as served:
        yield served


@pytest.fixture
def served(filled: tuple[Site, Example]) -> Site:
    """The server."""
    return filled[0]


@pytest.fixture
def ids(filled: tuple[Site, Example]) -> dict[str, str]:
    """The ids of what the example has, by name."""
    return filled[1].ids


@pytest.fixture
def watched(browser: Browser, served: Site) -> Iterator[Watched]:
    """A page that nothing may go wrong on, and that may ask nobody but the server."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, timezone_id="America/New_York")
    context.set_default_timeout(30_000)
    page = Watched(context.new_page(), served.url)
    yield page
    assert page.complaints == []
    assert page.strangers() == []
    context.close()


@pytest.fixture(scope="module")
def workplace(filled: tuple[Site, object], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The path of a deployment that a real worker runs."""
    served, folder = filled[0], tmp_path_factory.mktemp("code")
    Path(folder / "words.py").write_text(CODE)
    with served.store() as backend:
        flow = backend.create("flows", {"name": "main"})
        deployment = backend.create("deployments", {
            "name": "words", "flow_id": flow["id"], "path": str(folder), "entrypoint": "words.py:main",
            "work_pool_name": "local-pool", "parameters": {"words": ["one"]}, "parameter_openapi_schema": SCHEMA,
        })  # fmt: skip
    worker = served.command("worker", "start", "-p", "local-pool")
    yield f"/deployments/deployment/{deployment['id']}"
    worker.terminate()
