"""Who may look, who may change, and what a page does while its server is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from orchestration.domain.settings import Role, digest, new_key
from tests.support.site import Site, Watched, site

AUTH = "admin:a-long-word"


@pytest.fixture(scope="module")
def guarded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, dict[str, str], str]]:
    """A server that asks who one is, and a viewer's key."""
    with site(tmp_path_factory.mktemp("guarded"), ORCHESTRATION_SERVER_API_AUTH_STRING=AUTH) as (served, example):
        key = new_key()
        with served.store() as backend:
            backend.create("api_keys", {"name": "a viewer", "role": Role.VIEWER, "digest": digest(key)})
        yield served, example.ids, key


def _logged_in(page: Page, served: Site, key: str, path: str = "/") -> Page:
    page.goto(served.url + path)
    page.locator("#key").fill(key)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(served.url + path)
    return page


def test_who_is_not_known_logs_in_first(browser: Browser, guarded: tuple[Site, dict[str, str], str]) -> None:
    served = guarded[0]
    page = browser.new_page()
    page.goto(f"{served.url}/runs")
    page.locator("#key").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert").first).to_contain_text("Nobody has this key")
    page.locator("#key").fill(AUTH)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{served.url}/runs")
    cookie = page.context.cookies()[0]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert AUTH not in cookie["value"]
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{served.url}/login")
    page.goto(f"{served.url}/runs")
    expect(page.locator("#key")).to_be_visible()
    page.close()


def test_an_admin_changes_things_and_a_forged_request_does_not(
    browser: Browser, guarded: tuple[Site, dict[str, str], str]
) -> None:
    served, ids, _ = guarded
    page = _logged_in(browser.new_page(), served, AUTH, f"/deployments/deployment/{ids['daily']}")
    page.get_by_role("switch").click()
    expect(page.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    forged = f"/api/deployments/{ids['daily']}/resume_deployment"
    assert page.evaluate("async (url) => (await fetch(url, {method: 'POST'})).status", forged) == 403
    with served.store() as backend:
        assert backend.read("deployments", id=ids["daily"])["paused"]
    page.close()


def test_a_viewer_sees_no_way_to_change_anything(browser: Browser, guarded: tuple[Site, dict[str, str], str]) -> None:
    served, ids, key = guarded
    page = _logged_in(browser.new_page(), served, key, f"/deployments/deployment/{ids['monthly']}")
    expect(page.get_by_role("button", name="Quick run")).to_have_count(0)
    asked = """async (url) => {
        const [client, token] = document.querySelector("meta[name='csrf']").content.split(" ");
        const headers = {"Prefect-Csrf-Client": client, "Prefect-Csrf-Token": token};
        return (await fetch(url, {method: "POST", headers})).status;
    }"""
    assert page.evaluate(asked, f"/api/deployments/{ids['monthly']}/pause_deployment") == 403
    for path in ("run", "edit"):
        page.goto(f"{served.url}/deployments/deployment/{ids['monthly']}/{path}")
        expect(page.locator("main")).to_contain_text("You may look")
        expect(page.locator("main button.main, main button.danger")).to_have_count(0)
    page.close()


def test_who_is_logged_out_meanwhile_is_led_to_the_login(
    browser: Browser, guarded: tuple[Site, dict[str, str], str]
) -> None:
    served, _, key = guarded
    page = _logged_in(browser.new_page(viewport={"width": 360, "height": 740}), served, key)
    expect(page.get_by_role("button", name="Log out")).to_be_in_viewport()
    page.context.clear_cookies()
    page.evaluate("UI.refresh(true)")
    expect(page.locator("#key")).to_be_visible()
    page.wait_for_url(f"{served.url}/login**")
    page.close()


def test_a_page_waits_for_its_server_and_goes_on_by_itself(browser: Browser, tmp_path: Path) -> None:
    with site(tmp_path / "leaving") as (served, example):
        page = browser.new_page()
        watched = Watched(page, served.url)
        watched.open(f"/runs/flow-run/{example.ids['run']}")
        served.stop()
        expect(page.locator("#banner")).to_contain_text("The server does not answer", timeout=30_000)
        expect(page.locator("#banner [data-copy]")).to_be_visible()
        served.start()
        expect(page.locator("#banner")).to_be_hidden(timeout=30_000)
        expect(page.locator("h1")).to_be_visible()
        page.close()
