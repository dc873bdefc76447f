"""The tutorial's journey without a mouse: each element is reached with the Tab key, as long as that takes."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.site import Site, Watched, tab_to, until_completed


def test_a_deployment_is_found_run_watched_and_its_artifact_opened(watched: Watched, workplace: str) -> None:
    page = watched.open("/")
    tab_to(page, page.get_by_role("link", name="Deployments", exact=True))
    page.keyboard.press("Enter")
    page.wait_for_url("**/deployments")
    tab_to(page, page.get_by_role("link", name="words", exact=True))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{workplace}")
    expect(page.locator("main")).to_contain_text("words.py:main")
    tab_to(page, page.get_by_role("button", name="Quick run"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/flow-run/**")
    log = page.locator("[data-logs]")
    expect(log).to_contain_text("line 1 of it", timeout=60_000)
    tab_to(page, log)
    expect(log).to_contain_text("line 19 of it", timeout=60_000)
    until_completed(page)
    page.keyboard.press("Shift+Tab")
    logs = page.get_by_role("tab", name="Logs")
    tab_to(page, logs)
    for name in ("States", "Task runs", "Artifacts"):
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name=name)).to_be_focused()
    tab_to(page, page.get_by_role("link", name="totals", exact=True))
    page.keyboard.press("Enter")
    page.wait_for_url("**/artifacts/artifact/**")
    expect(page.locator("td[data-cell]")).to_contain_text("3")


def test_a_custom_run_is_made_with_its_form(watched: Watched, workplace: str, served: Site) -> None:
    page = watched.open(workplace)
    tab_to(page, page.get_by_role("link", name="Custom run"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/run")
    tab_to(page, page.get_by_label("words"))
    page.keyboard.press("Control+A")
    page.keyboard.type("alpha\nbeta")
    tab_to(page, page.get_by_label("times"))
    page.keyboard.press("Control+A")
    page.keyboard.type("x")
    send = page.get_by_role("button", name="Run", exact=True)
    tab_to(page, send)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("times takes a whole number")
    expect(page.get_by_label("times")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("3")
    tab_to(page, page.get_by_label("loud"))
    page.keyboard.press("Space")
    tab_to(page, send)
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/flow-run/**")
    with served.store() as backend:
        made = backend.read("flow_runs", id=page.url.rsplit("/", 1)[-1])
    assert made["parameters"] == {"words": ["alpha", "beta"], "times": 3, "loud": True}


def test_the_pages_list_can_be_skipped_and_the_focus_is_seen(watched: Watched) -> None:
    page = watched.open("/runs")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    name = page.get_by_label("Name", exact=True)
    expect(name).to_be_focused()
    assert name.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"


def test_a_chart_is_one_stop_and_arrows_go_along_it(watched: Watched) -> None:
    page = watched.open("/runs")
    stops = page.locator(".chart-scatter a[tabindex='0']")
    expect(stops).to_have_count(1)
    tab_to(page, stops)
    newest = stops.get_attribute("href")
    page.keyboard.press("ArrowLeft")
    expect(stops).to_be_focused()
    assert stops.get_attribute("href") != newest
    expect(page.locator(".tip")).to_be_visible()
    page.keyboard.press("End")
    expect(stops).to_have_attribute("href", newest or "")


def test_what_has_the_focus_keeps_it_while_a_page_stays_fresh(watched: Watched, ids: dict[str, str]) -> None:
    page = watched.open("/")
    link = page.get_by_role("link", name="All runs")
    tab_to(page, link)
    page.evaluate("UI.refresh(true)")
    expect(link).to_be_focused()
    page = watched.open(f"/deployments/deployment/{ids['monthly']}")
    switch = page.get_by_role("switch")
    for said in ("false", "true"):
        tab_to(page, switch)
        page.keyboard.press("Enter")
        expect(switch).to_have_attribute("aria-checked", said)
        expect(switch).to_be_focused()
