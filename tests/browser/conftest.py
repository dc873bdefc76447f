"""A server with the example, and a browser: absent, the tests are skipped at the desk and fail in CI."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.example import Example
from tests.support.site import Site, Watched, chromium, opened_browser, site


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
