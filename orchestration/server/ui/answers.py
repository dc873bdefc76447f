"""How pages and their files travel: compressed, under a strict policy, and told apart from what programs get."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import Response

from orchestration.server.ui import words

HERE = Path(__file__).parent
# Nothing from another host, no script or style but those two files, and no frame around a page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFETY = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
FRESH = {"Cache-Control": "no-store"}
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
# Bytes below which compressing costs more than it saves.
SMALL = 1_000
_FILES = {"app.css": ("text/css", "*.css"), "app.js": ("text/javascript", "*.js")}


@cache
def static(name: str) -> tuple[bytes, str]:
    """One of the two files that all pages share, made of its parts in the order of their names, and its version."""
    body = b"\n".join(path.read_bytes() for path in sorted((HERE / "static").glob(_FILES[name][1])))
    return body, hashlib.sha256(body).hexdigest()[:12]


@cache
def templates() -> Environment:
    """The templates; all that they show is escaped."""
    loader = FileSystemLoader(HERE / "templates")
    made = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.finalize = lambda value: "" if value is None else value
    made.filters.update(words.FILTERS)
    made.globals.update(is_picture=words.is_picture, file_version=lambda name: static(name)[1])
    return made


def send_static(request: Request) -> Response:
    """One of the two files."""
    name = Path(request.url.path).name
    return packed(request, static(name)[0], _FILES[name][0], headers=FOREVER)


def page(request: Request, template: str, context: dict[str, Any], status: int = 200) -> Response:
    """A page; who looks at it, and what its requests carry, is put in."""
    access, caller = request.app.state.access, request.scope.get("caller")
    around = {
        "path": request.url.path, "query": request.query_params, "api_url": f"{request.base_url}api", "caller": caller,
        "token": access.form_token(request.scope), "may_change": caller is None or caller.role != "viewer",
    }  # fmt: skip
    html = templates().get_template(template).render({**around, **context})
    return packed(request, html.encode(), "text/html", status, FRESH)


def packed(
    request: Request, body: bytes, media_type: str, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """An answer, compressed where the browser takes that."""
    more = {**SAFETY, **(headers or {}), "Vary": "Accept-Encoding"}
    if len(body) > SMALL and "gzip" in request.headers.get("accept-encoding", ""):
        body, more["Content-Encoding"] = gzip.compress(body, 5), "gzip"
    return Response(body, status, more, media_type)
