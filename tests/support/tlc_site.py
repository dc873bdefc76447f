"""A web site on this machine that serves files as the TLC's does, and as it does on a bad day."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Site:
    """What the site serves, and how.

    ``cuts`` answers end after ``cut_after`` bytes, and ``refusals_after_cut`` follow; ``refusals`` are the
    codes of the next answers; a site that does not ``understand_ranges`` sends the whole file whatever is
    asked; one that is ``stuck`` answers once the event is set.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"v1"'
    cuts: int = 0
    cut_after: int = 0
    refusals: list[int] = field(default_factory=list)
    refusals_after_cut: list[int] = field(default_factory=list)
    understand_ranges: bool = True
    stuck: threading.Event | None = None
    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        """Serve a file, or a part of it."""
        site, name = self.site, self.path.rpartition("/")[2]
        asked = self.headers.get("Range")
        site.asked.append((name, asked))
        if site.stuck is not None:
            site.stuck.wait()
        if site.refusals:
            return self._refuse(site.refusals.pop(0))
        if name not in site.files:
            return self._refuse(404)
        content = site.files[name]
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "") if site.understand_ranges else None
        if found and int(found[1]) >= len(content):
            return self._refuse(416)
        return self._send(content, found)

    def _send(self, content: bytes, found: re.Match[str] | None) -> None:
        start = int(found[1]) if found else 0
        end = min(int(found[2]) + 1, len(content)) if found and found[2] else len(content)
        self.send_response(206 if found else 200)
        self.send_header("Content-Length", str(end - start))
        if self.site.etag:
            self.send_header("ETag", self.site.etag)
        if found:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        self.end_headers()
        piece = content[start:end]
        if self.site.cuts and len(piece) > self.site.cut_after:
            self.site.cuts -= 1
            self.site.refusals += self.site.refusals_after_cut
            piece = piece[: self.site.cut_after]
            self.close_connection = True
        self.wfile.write(piece)

    def _refuse(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def tlc_site(**given: Any) -> Iterator[Site]:
    """Run a site with these properties; nothing of it is left running."""
    site = Site(**given)
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}/trip-data"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        if site.stuck is not None:
            site.stuck.set()
        server.shutdown()
        server.server_close()
        thread.join()
