"""A real server with the example's store, and a real browser that watches what its pages do."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from orchestration.backend.connect import open_backend
from orchestration.backend.local import LocalBackend
from orchestration.domain.settings import Settings
from orchestration.domain.states import StoredResult
from orchestration.services.serve import is_healthy, wait_until
from tests.support.example import Example, fill

ROOT = Path(__file__).parents[2]
SECONDS = 60.0
"""That a server may take to come up on a busy machine."""


@dataclass
class Site:
    """A server's process on a store of its own; it can be stopped and started again at the same address."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.port}"

    def command(self, *words: str) -> subprocess.Popen[bytes]:
        """A command of ours on its store, which ends with the site."""
        where = {"ORCHESTRATION_HOME": str(self.home), "PYTHONPATH": str(ROOT), **self.environment}
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli", *words], env={**os.environ, **where}, cwd=self.home,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def start(self) -> None:
        """Start the server."""
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
        self.command("server", "start", "--port", str(self.port))
        assert wait_until(lambda: is_healthy(f"{self.url}/api"), SECONDS)

    def stop(self) -> None:
        """Stop the server and all else that runs."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(SECONDS)
        self.processes.clear()

    @contextmanager
    def store(self) -> Iterator[LocalBackend]:
        """The site's own store, for what no page makes."""
        backend = open_backend(Settings(self.home), StoredResult)
        assert isinstance(backend, LocalBackend)
        try:
            yield backend
        finally:
            backend.close()


@contextmanager
def site(home: Path, **environment: str) -> Iterator[tuple[Site, Example]]:
    """A server on a store that is filled with the example."""
    home.mkdir(parents=True, exist_ok=True)
    served = Site(home, environment)
    with served.store() as backend:
        example = fill(backend)
    try:
        served.start()
        yield served, example
    finally:
        served.stop()


def chromium() -> str | None:
    """The browser's program, where there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page, with what it asked for and what it complained about."""

    page: Page
    url: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, message: Any) -> None:
        if message.type == "error" and "404 (Not Found)" not in message.text:
            self.complaints.append(message.text)

    def open(self, path: str) -> Page:
        """Go to a page of the site, and wait until its scripts have run."""
        self.requests.clear()
        self.page.goto(f"{self.url}{path}", wait_until="load")
        return self.page

    def strangers(self) -> list[str]:
        """What was asked of anybody but the site."""
        return [each for each in self.requests if not each.startswith((self.url, "data:", "about:", "blob:"))]


def until_completed(page: Page) -> None:
    """Wait on the page of a run until the run has gone through."""
    expect(page.locator("[data-state]")).to_contain_text("Completed", timeout=60_000)


def tab_to(page: Page, wanted: Locator, most: int = 80) -> None:
    """Press Tab until an element has the focus, as who has no mouse does; nobody does it more often than ``most``."""
    for _ in range(most):
        if wanted.evaluate("each => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
    where = page.evaluate("document.activeElement.outerHTML")
    raise AssertionError(f"{wanted} was not reached with {most} presses of Tab; the focus is on {where[:200]}.")
