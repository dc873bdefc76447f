"""Who looks at a page: the session in a cookie, and what keeps other sites from using it."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.types import Scope

from orchestration.backend.clock import utc_now
from orchestration.domain.settings import digest
from orchestration.server.auth import REFUSED, SAFE, Access, Caller, CsrfTokens

COOKIE = "orchestration-session"
LIFE = timedelta(hours=12)
# What everybody may ask for: the page to log in on.
OPEN = frozenset({"/login", "/ui/app.css", "/ui/app.js"})


class PageAccess(Access):
    """Tells who a caller is by a session, too: a cookie that names the digest of a key, signed and for half a day."""

    @cached_property
    def tokens(self) -> CsrfTokens:
        """What signs sessions and forms."""
        return self.csrf or CsrfTokens(self._backend)

    def caller_of(self, scope: Scope) -> Caller | None:
        """Whom a request came from; a person who is not known is sent to the page to log in on."""
        headers, path, changes = Headers(scope=scope), scope["path"], scope["method"] not in SAFE
        if changes and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise HTTPException(403, "The request was made by a page of another site.")
        if path in OPEN:
            return None
        try:
            caller = super().caller_of(scope)
        except HTTPException as error:
            if error.status_code == 401 and not changes and "text/html" in headers.get("accept", ""):  # noqa: PLR2004
                raise HTTPException(303, REFUSED, {"Location": f"/login?next={quote(path)}"}) from None
            raise
        known = "" if "authorization" in headers else self._session(headers)
        if caller is not None and known and changes:
            client, token = headers.get("prefect-csrf-client"), headers.get("prefect-csrf-token")
            if client != _client(known) or self.tokens.fault(client, token, utc_now()):
                raise HTTPException(403, "Invalid CSRF token. Load the page again.")
        return caller

    def cookie(self, key: str) -> str | None:
        """The session of who holds this key or auth string; ``None`` when nobody does."""
        known = digest(key)
        token = self.tokens.token(f"session {known}", utc_now(), LIFE)["token"] if self._of_digest(known) else None
        return token and f"{known}:{token}"

    def form_token(self, scope: Scope) -> str:
        """What a page's requests carry, as "client token"; empty where nobody asks for it."""
        client = _client(known := self._session(Headers(scope=scope)))
        return f"{client} {self.tokens.token(client, utc_now(), LIFE)['token']}" if known or self.csrf else ""

    def _session(self, headers: Headers) -> str:
        """The digest of the key that a valid session names, or nothing."""
        found = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        known, _, token = found.partition(":")
        return known if token and self.tokens.fault(f"session {known}", token, utc_now()) is None else ""

    def _known(self, headers: Headers) -> Caller | None:
        known = "" if "authorization" in headers else self._session(headers)
        return self._of_digest(known) if known else super()._known(headers)


def _client(known: str) -> str:
    """To whom a page's token is bound."""
    return f"page-{known[:16]}"

