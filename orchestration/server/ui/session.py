"""Who looks at a page: the session in a cookie, and what keeps other sites from using it."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope

from orchestration.backend.clock import utc_now
from orchestration.domain.keys import digest
from orchestration.server.auth import REFUSED, SAFE, Access, Caller, CsrfTokens, may

COOKIE = "orchestration-session"
LIFE = timedelta(hours=12)
# What everybody may see, so that there is a page to log in on.
OPEN = frozenset({"/login", "/ui/app.css", "/ui/app.js"})


class PageAccess(Access):
    """Tells who a caller is by a session, too: a cookie that names the digest of a key, signed and for half a day."""

    @cached_property
    def tokens(self) -> CsrfTokens:
        """What signs sessions and forms."""
        return self.csrf or CsrfTokens(self._backend)

    def caller_of(self, scope: Scope) -> Caller | None:
        """Whom a request came from; a person who is not known is sent to the page to log in on."""
        headers, path = Headers(scope=scope), scope["path"]
        if scope["method"] not in SAFE and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403, "The request was made by a page of another site.")
        if path in OPEN:
            return None
        known = "" if "authorization" in headers else self._session(headers)
        if known and self.is_on():
            return self._in_session(known, scope, headers)
        try:
            return super().caller_of(scope)
        except HTTPException as error:
            if error.status_code == 401 and _is_for_person(scope, headers):  # noqa: PLR2004
                raise HTTPException(303, REFUSED, {"Location": f"/login?next={quote(path)}"}) from None
            raise

    def cookie(self, key: str) -> str | None:
        """The session of who holds this key or auth string; ``None`` when nobody does."""
        if self._holder(key) is None:
            return None
        known = digest(key)
        return f"{known}:{self.tokens.token(f'session {known}', utc_now(), LIFE)['token']}"

    def form_token(self, scope: Scope) -> str:
        """What a page's requests carry, as "client token"; empty where nobody asks for it."""
        known = self._session(Headers(scope=scope))
        if self.csrf is None and not known:
            return ""
        client = _client(known)
        return f"{client} {self.tokens.token(client, utc_now(), LIFE)['token']}"

    def _session(self, headers: Headers) -> str:
        """The digest of the key that a valid session names, or nothing."""
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return ""
        known, _, token = (morsel.value if morsel else "").partition(":")
        valid = bool(token) and self.tokens.fault(f"session {known}", token, utc_now()) is None
        return known if valid else ""

    def _in_session(self, known: str, scope: Scope, headers: Headers) -> Caller:
        caller = self._of_digest(known)
        if caller is None:
            raise HTTPException(303, REFUSED, {"Location": "/login"})
        if scope["path"] != "/logout" and not may(caller.role, scope):
            raise HTTPException(403, f"The key {caller.name!r} is a {caller.role}'s, who may not do this.")
        if scope["method"] not in SAFE:
            client, token = headers.get("prefect-csrf-client"), headers.get("prefect-csrf-token")
            fault = "Invalid CSRF token." if client != _client(known) else None
            if fault := fault or self.tokens.fault(client, token, utc_now()):
                raise HTTPException(403, f"{fault} Load the page again.")
        return caller


def _client(known: str) -> str:
    """To whom a page's token is bound."""
    return f"page-{known[:16]}"


def _is_for_person(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "GET" and "text/html" in headers.get("accept", "")
