"""The pages over a store with 100,000 flow runs, 1,000,000 task runs and 1,000,000 log lines, in a real browser.

Beside the first paint stands that of a page of one word that Python's own server sends: what the browser itself needs.
What a page of a run asks for when it is drawn already is told apart: the stream of news, which stays open and which
ended runs do not have, and the task runs beyond the first 300.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks import filling
from benchmarks.common import OURS, Contender, Options
from benchmarks.filling import Sizes
from benchmarks.report import Measure, main
from benchmarks.serving import PATIENCE, Server, serving
from orchestration.backend.connect import open_backend
from orchestration.backend.local import LocalBackend
from orchestration.domain.schemas.filters import among
from orchestration.domain.settings import Settings
from orchestration.domain.states import StoredResult
from tests.support import example
from tests.support.site import chromium, opened_browser

ROUNDS = 8
QUICK = Sizes(2_000, 20_000, 20_000, 500, 1_000)
PAGES = (
    "/", "/?span=hour", "/?span=week", "/runs", "/runs?span=week", "/runs?state=FAILED&state=CRASHED",
    "/runs?flow={flow}", "/runs?deployment={monthly}", "/runs?tag=monthly", "/runs?name=run-77", "/runs/flow-run/{big}",
    "/runs/flow-run/{run}", "/runs/flow-run/{failed}", "/runs/task-run/{task}", "/flows", "/flows/flow/{flow}",
    "/deployments", "/deployments/deployment/{monthly}", "/deployments/deployment/{monthly}/run",
    "/deployments/deployment/{monthly}/edit", "/artifacts", "/artifacts/artifact/{metrics}",
    "/artifacts/artifact/{report}", "/blocks", "/blocks/catalog", "/blocks/block/{aws-credentials}", "/variables",
    "/work-pools", "/work-pools/work-pool/gpu-pool", "/settings",
)  # fmt: skip
PAINT = "performance.getEntriesByName('first-contentful-paint').map(each => each.startTime)[0] || 0"
LOADED = """performance.getEntries().filter(each => 'transferSize' in each && !/\\/(live|news)\\?/.test(each.name))
    .map(each => each.transferSize)"""
LATER = """performance.getEntries().filter(each => each.name.includes('/news?'))
    .reduce((sum, each) => sum + each.transferSize, 0)"""
# Scroll to the end in forty steps, and tell the milliseconds of every frame.
SCROLL = """async () => {
    const box = document.querySelector('.rowsbox'), frames = [], step = box.scrollHeight / 40
    let last = performance.now()
    for (let place = 0; place < 40; place++) {
        box.scrollTop += step
        const now = await new Promise(requestAnimationFrame)
        frames.push(now - last)
        last = now
    }
    return frames
}"""


def measure(options: Options) -> Sequence[Measure]:
    """Times of the server and of the browser in milliseconds, and what a page asks for and gets."""
    if chromium() is None:
        print("Chromium is not here, so the pages are not measured: `apt-get install chromium`.", file=sys.stderr)
        return []
    sizes = Sizes() if options.runs > 1 else QUICK
    with TemporaryDirectory(prefix="benchmark-") as folder:
        home = Path(folder) / "store"
        ids = _filled(home, sizes)
        more = {"ORCHESTRATION_HOME": str(home)}
        with serving(Contender(OURS, sys.executable), Path(folder), more) as server, opened_browser() as browser:
            return _measures(server, browser, ids, sizes)


def _measures(server: Server, browser: Browser, ids: Mapping[str, str], sizes: Sizes) -> Sequence[Measure]:
    paths = [path.format(**ids) for path in PAGES]
    what = f"{len(paths)} pages, {sizes.flow_runs:,} runs"
    times = [each for path in paths for each in _answers(server, path)]
    visits = {path: [_visit(browser, server, path) for _ in range(3)] for path in paths}
    paints = [median(paint for paint, _ in some) for some in visits.values()]
    loads = [sizes for some in visits.values() for _, sizes in some]
    with _one_word() as port:
        bare = [_paint(browser, f"http://127.0.0.1:{port}/")[0] for _ in range(ROUNDS)]
    opened, told, frames, later = _big_run(browser, server, f"/runs/flow-run/{ids['big']}", ids["tasks"])
    big = f"a run with {ids['tasks']} task runs"
    return [
        Measure(what=f"server, p95, {what}", unit="ms", ours=[quantiles(times, n=20)[-1]], at_most=150),
        Measure(what=f"first contentful paint, slowest, {what}", unit="ms", ours=[max(paints)], bare=bare, at_most=500),
        Measure(what=f"requests of a page, most, {what}", unit="", ours=[max(map(len, loads))], at_most=3),
        Measure(what=f"transferred, most, {what}", unit="kB", ours=[max(map(sum, loads)) / 1e3], at_most=150),
        Measure(what=f"{big} is open, the first rows of its timeline drawn", unit="ms", ours=opened, at_most=1_000),
        Measure(what=f"{big} has told of all of them", unit="ms", ours=told),
        Measure(what=f"{big} got the rest of them in", unit="kB", ours=[each / 1e3 for each in later]),
        Measure(what=f"{big} scrolls, p95 of its frames", unit="ms", ours=[quantiles(frames, n=20)[-1]], at_most=50),
    ]


def _filled(home: Path, sizes: Sizes) -> Mapping[str, str]:
    """A store with the example of the pages and all those runs; what paths need, and how many tasks the big one ran."""
    home.mkdir()
    backend = open_backend(Settings(home), StoredResult)
    assert isinstance(backend, LocalBackend)
    ids = dict(example.fill(backend).ids)
    big = str(filling.fill(backend, sizes, random.Random(1), datetime.now(UTC)))
    some: dict[str, str] = {"big": big, "task": backend.find("task_runs")[0]["id"]}
    some["flow"] = backend.read("flow_runs", id=big)["flow_id"]
    some["tasks"] = f"{backend.count('task_runs', among('task_runs', flow_run_id=[big])):,}"
    backend.close()
    return ids | some


def _answers(server: Server, path: str) -> Iterator[float]:
    """The milliseconds of each answer but the first, which reads what no cache has."""
    with server.connection() as connection:
        for place in range(ROUNDS + 1):
            begin = time.perf_counter()
            connection.request("GET", path, headers={"Accept": "text/html", "Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, (path, answer.status)
            if place:
                yield (time.perf_counter() - begin) * 1e3


def _visit(browser: Browser, server: Server, path: str) -> tuple[float, Sequence[int]]:
    return _paint(browser, f"http://127.0.0.1:{server.port}{path}")


def _paint(browser: Browser, url: str) -> tuple[float, Sequence[int]]:
    """The milliseconds to the first paint of who was never there, and the bytes of each answer that it took."""
    with _page(browser) as page:
        page.goto(url, wait_until="load")
        end = time.monotonic() + PATIENCE
        while not (painted := page.evaluate(PAINT)):  # the pages' policy forbids Playwright's own way to wait for it
            if time.monotonic() > end:
                raise SystemExit(f"{url} was not painted.")
            time.sleep(0.02)
        return float(painted), list(page.evaluate(LOADED))


@contextmanager
def _page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that knows nothing yet."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(PATIENCE * 1e3)
    try:
        yield context.new_page()
    finally:
        context.close()


def _big_run(browser: Browser, server: Server, path: str, tasks: str) -> Sequence[list[float]]:
    """The milliseconds until the timeline has rows, until it tells of all task runs, and of frames while all scroll.

    Last, the bytes of the task runs that came when the page was drawn.
    """
    opened, told, frames, later = list[float](), list[float](), list[float](), list[float]()
    for _ in range(3):
        with _page(browser) as page:
            begin = time.perf_counter()
            page.goto(f"http://127.0.0.1:{server.port}{path}", wait_until="commit")
            page.locator(".trow").first.wait_for()
            opened.append((time.perf_counter() - begin) * 1e3)
            page.get_by_text(f"\N{MULTIPLICATION SIGN} {tasks}").first.wait_for()
            told.append((time.perf_counter() - begin) * 1e3)
            page.locator(".trow [aria-expanded]").first.click()
            frames += page.evaluate(SCROLL)
            later.append(page.evaluate(LATER))
    return opened, told, frames, later


@contextmanager
def _one_word() -> Iterator[int]:
    """The port of a server with a page of one word."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _OneWord) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _OneWord(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>bare</title><p>Hello</p>")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    main("pages", measure)
