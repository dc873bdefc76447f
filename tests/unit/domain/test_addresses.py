"""Addresses of servers."""

from pathlib import Path

import pytest

from orchestration.domain.errors import ConfigurationError
from orchestration.domain.settings import Settings, check_exposure, is_loopback, server_type, url_of

OPEN = Settings(Path("home"))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (None, "ephemeral"),
        ("http://127.0.0.1:4200/api", "server"),
        ("https://api.prefect.cloud/api/accounts/a/workspaces/w", "cloud"),
        ("https://prefect.cloud.example.com/api", "server"),
        ("https://notprefect.cloud/api", "server"),
    ],
)
def test_the_type_of_a_server_follows_from_its_address(url: str | None, kind: str) -> None:
    assert server_type(url) == kind


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_nobody_else_reaches_loopback(host: str) -> None:
    assert is_loopback(host)
    check_exposure(host, OPEN, has_keys=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])  # noqa: S104 - that is the test
def test_others_reach_a_server_only_when_it_asks_who_they_are(host: str) -> None:
    with pytest.raises(ConfigurationError, match="server key create"):
        check_exposure(host, OPEN, has_keys=False)
    check_exposure(host, OPEN, has_keys=True)
    check_exposure(host, Settings(Path("home"), server_api_auth_string="a:b"), has_keys=False)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:4200/api"),
        ("0.0.0.0", "http://127.0.0.1:4200/api"),  # noqa: S104 - likewise
        ("::", "http://[::1]:4200/api"),
        ("example.com", "http://example.com:4200/api"),
    ],
)
def test_a_server_is_reached_at(host: str, url: str) -> None:
    assert url_of(host, 4200) == url
