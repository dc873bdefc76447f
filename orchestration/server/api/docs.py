"""A page that lists the interface, made of the OpenAPI document; it asks no other host for anything."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_STYLE = (
    "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}code{font-size:90%}li{margin:.3rem 0}"
)


@router.get("/docs", response_model=None)
async def read_docs(request: Request) -> HTMLResponse:
    """The interface for people."""
    return HTMLResponse("".join(_page(request.app.openapi())))


def _page(document: dict[str, dict[str, dict[str, dict[str, str]]]]) -> Iterator[str]:
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>Interface</title><style>{_STYLE}</style>"
    yield '<h1>Interface</h1><p>What requests and answers look like says <a href="/openapi.json">openapi.json</a>.</p>'
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            said = escape(about.get("description") or about.get("summary", ""))
            line = f"<li><code>{method.upper()} {escape(path)}</code> {said}</li>"
            groups.setdefault(str((about.get("tags") or ["Other"])[0]), []).append(line)
    for name, lines in sorted(groups.items()):
        yield f"<h2>{escape(name)}</h2><ul>{''.join(lines)}</ul>"
