"""Requests: sent again while the server is away, with the credentials it wants, and refusals in one sentence."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from orchestration.backend.http_transport import MOST_SECONDS, Transport, back_off
from orchestration.domain.errors import (
    ConfigurationError,
    ObjectAlreadyExists,
    ObjectNotFound,
    StoreError,
    UsageError,
)
from orchestration.domain.settings import Settings

URL = "http://server.test/api"
Handler = Callable[[httpx.Request], httpx.Response]


def _transport(handler: Handler, **settings: str) -> Transport:
    given = Settings(Path("/nowhere"), api_url=settings.pop("api_url", URL), **settings)  # type: ignore[arg-type]
    transport = Transport(given, httpx.MockTransport(handler))
    transport.waited = []  # type: ignore[attr-defined]
    transport.sleep = transport.waited.append  # type: ignore[attr-defined]
    return transport


def _answers(*answers: httpx.Response | Exception) -> Handler:
    """Each request gets the next of these."""
    left: Iterator[httpx.Response | Exception] = iter(answers)

    def answer(_request: httpx.Request) -> httpx.Response:
        given = next(left)
        if isinstance(given, Exception):
            raise given
        return given

    return answer


def _waits(transport: Transport) -> list[float]:
    waited: list[float] = transport.waited  # type: ignore[attr-defined]
    return waited


@pytest.mark.parametrize(
    "trouble",
    [httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.ReadTimeout("slow"), httpx.Response(500),
     httpx.Response(502), httpx.Response(503), httpx.Response(429), httpx.Response(408)],
    ids=repr,
)  # fmt: skip
def test_a_request_is_sent_again_until_it_is_answered(trouble: httpx.Response | Exception) -> None:
    transport = _transport(_answers(trouble, trouble, httpx.Response(200, json=1)))

    assert transport.send("POST", "/flows/", b"{}", 60).json() == 1
    assert len(_waits(transport)) == 2
    assert all(0 <= seconds <= 0.4 for seconds in _waits(transport))


@pytest.mark.parametrize(("header", "least"), [("7", 7.0), ("0.5", 0.5), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)])
def test_a_server_is_given_the_time_it_asks_for(header: str, least: float) -> None:
    busy = httpx.Response(429, headers={"Retry-After": header})
    transport = _transport(_answers(busy, httpx.Response(204)))

    transport.send("GET", "/", None, 60)

    assert _waits(transport)[0] == least if least else _waits(transport)[0] <= 0.1


def test_the_wait_doubles_up_to_a_most_and_is_drawn_by_chance() -> None:
    assert [back_off(attempt, 1.0) for attempt in range(4)] == [0.1, 0.2, 0.4, 0.8]
    assert back_off(10_000, 1.0) == MOST_SECONDS
    assert back_off(3, 0.25) == pytest.approx(0.2)
    assert back_off(5, 0.0) == 0.0


def test_a_server_that_stays_away_is_named_when_patience_ends() -> None:
    def away(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused")

    transport = _transport(away)

    with pytest.raises(StoreError) as error:
        transport.send("GET", "/health", None, 0.0)

    assert str(error.value) == (
        "The server at http://server.test/api could not be reached for 0 seconds (Connection refused); "
        "start it with `orchestrate server start`, or correct ORCHESTRATION_API_URL."
    )


def test_a_fault_of_the_server_is_not_waited_out_like_an_outage() -> None:
    """Seconds are counted as they are slept, so that the test takes none."""
    transport = _transport(lambda _request: httpx.Response(500))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestration.backend.http_transport.time.monotonic", lambda: sum(_waits(transport)))
        with pytest.raises(StoreError, match="500 Internal Server Error"):
            transport.send("POST", "/logs/", b"[]", 86_400)

    assert sum(_waits(transport)) < 61


def test_the_beginning_and_the_end_of_an_outage_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    trouble = httpx.ConnectError("refused")
    transport = _transport(_answers(*[trouble] * 5, httpx.Response(204), httpx.Response(204)))

    transport.send("GET", "/", None, 60)
    transport.send("GET", "/", None, 60)

    first, second = caplog.messages
    assert first.startswith("The server at http://server.test/api cannot be reached (refused); it is tried again")
    assert "is back after" in second


def test_a_connection_that_was_closed_meanwhile_is_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    transport = _transport(_answers(httpx.RemoteProtocolError("closed"), httpx.Response(204)))

    transport.send("GET", "/", None, 60)

    assert caplog.messages == []


def test_who_waits_stops_when_the_transport_is_closed() -> None:
    def away(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    transport = _transport(away)
    transport.sleep = lambda _seconds: transport.closed.set()

    with pytest.raises(StoreError):
        transport.send("GET", "/", None, 86_400)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, UsageError), (404, ObjectNotFound), (409, ObjectAlreadyExists), (410, ObjectNotFound), (418, StoreError),
     (413, UsageError), (422, UsageError), (401, ConfigurationError), (403, ConfigurationError)],
)  # fmt: skip
def test_a_refusal_is_not_sent_again_and_says_what_the_server_says(status: int, kind: type[Exception]) -> None:
    transport = _transport(_answers(httpx.Response(status, json={"detail": "No such thing."})))

    with pytest.raises(kind, match=r"No such thing\.") as error:
        transport.send("POST", "/flows/", b"{}", 60)

    assert type(error.value) is kind
    assert _waits(transport) == []


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_name_the_settings(status: int) -> None:
    transport = _transport(_answers(httpx.Response(status, text="Unauthorized")))

    with pytest.raises(ConfigurationError, match="set ORCHESTRATION_API_KEY, or ORCHESTRATION_API_AUTH_STRING"):
        transport.send("GET", "/flows/filter")


@pytest.mark.parametrize(
    ("answer", "said"),
    [(httpx.Response(422, json={"exception_detail": [{"loc": ["body", "name"]}]}), "body"),
     (httpx.Response(422, json=["x"]), "Unprocessable"), (httpx.Response(422, text="<html>"), "Unprocessable")],
)  # fmt: skip
def test_whatever_form_a_refusal_has_it_is_told(answer: httpx.Response, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        _transport(_answers(answer)).send("POST", "/flows/", b"{}")


def test_a_status_that_is_asked_for_is_an_answer() -> None:
    transport = _transport(_answers(httpx.Response(423, headers={"Retry-After": "2"})))

    assert transport.send("POST", "/", b"{}", allow=423).status_code == 423


def test_what_was_removed_by_a_request_whose_answer_was_lost_is_removed() -> None:
    transport = _transport(_answers(httpx.ReadError("reset"), httpx.Response(404), httpx.Response(404)))

    assert transport.send("DELETE", "/variables/name/a", None, 60).status_code == 404
    with pytest.raises(ObjectNotFound):
        transport.send("DELETE", "/variables/name/a", None, 60)


@pytest.mark.parametrize(
    ("settings", "header"),
    [({"api_key": "pnu_1"}, "Bearer pnu_1"), ({"api_auth_string": "admin:pässword"}, None), ({}, "")],
)
def test_credentials_go_with_every_request(settings: dict[str, str], header: str | None) -> None:
    seen: list[str] = []

    def look(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization", ""))
        return httpx.Response(204)

    _transport(look, **settings).send("GET", "/")

    assert seen == [f"Basic {b64encode('admin:pässword'.encode()).decode()}" if header is None else header]


def test_a_token_is_fetched_when_the_server_wants_one() -> None:
    asked: list[str] = []

    def guard(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.url.path == "/api/csrf-token":
            return httpx.Response(200, json={"token": "t", "client": request.url.params["client"]})
        if request.headers.get("Prefect-Csrf-Token") == "t" and request.headers.get("Prefect-Csrf-Client"):
            return httpx.Response(201, json={})
        return httpx.Response(403, json={"detail": "Missing CSRF token."})

    transport = _transport(guard)
    transport.send("POST", "/flows/", b"{}")
    transport.send("POST", "/flows/", b"{}")

    assert asked == ["/api/flows/", "/api/csrf-token", "/api/flows/", "/api/flows/"]


@pytest.mark.parametrize("url", ["127.0.0.1:4200/api", "ftp://server/api", "", "http://server:port/api", "http:///api"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="use an address such as http"):
        _transport(_answers(), api_url=url)
