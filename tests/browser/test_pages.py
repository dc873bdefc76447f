"""Every page: few requests, no complaint, nobody else asked, nothing that people who cannot see or use a mouse lack."""

from __future__ import annotations

from urllib.request import Request, urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.support.site import Site, Watched

PAGES = {
    "dashboard": "/", "dashboard of a week": "/dashboard?span=week", "runs": "/runs",
    "failed runs": "/runs?state=FAILED&tag=ml",
    "run": "/runs/flow-run/{run}", "failed run": "/runs/flow-run/{failed}",
    "late run": "/runs/flow-run/{late}",
    "running run": "/runs/flow-run/{running}", "subflow run": "/runs/flow-run/{child}",
    "task run": "/runs/task-run/{task}",
    "flows": "/flows", "flow": "/flows/flow/{flow}", "deployments": "/deployments",
    "deployment": "/deployments/deployment/{monthly}", "form": "/deployments/deployment/{monthly}/run?like={run}",
    "edit": "/deployments/deployment/{monthly}/edit",
    "artifacts": "/artifacts", "table": "/artifacts/artifact/{metrics}",
    "report": "/artifacts/artifact/{report}", "key": "/artifacts/key/residuals", "blocks": "/blocks",
    "catalogue": "/blocks/catalog", "new block": "/blocks/catalog/json", "block": "/blocks/block/{aws-credentials}",
    "variables": "/variables", "pools": "/work-pools", "pool": "/work-pools/work-pool/gpu-pool",
    "queue": "/work-queues/work-queue/{gpu-pool queue}", "settings": "/settings", "login": "/login",
    "nothing": "/nothing/here",
}  # fmt: skip
MOST_BYTES = 150_000


@pytest.fixture
def paths(served: Site, ids: dict[str, str]) -> dict[str, str]:
    """The pages of this example."""
    with served.store() as backend:
        task = backend.find("task_runs")[0]["id"]
        flow = backend.find("flows")[0]["id"]
    return {name: path.format(task=task, flow=flow, **ids) for name, path in PAGES.items()}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_three_requests_and_can_be_used_by_everybody(
    name: str, watched: Watched, paths: dict[str, str]
) -> None:
    page = watched.open(paths[name])
    expect(page.locator("main h1").first).to_be_visible()
    files = [each for each in watched.requests if "/live?" not in each and not each.startswith("data:")]
    assert len(files) <= 3
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    grave = [each["id"] for each in found.response["violations"] if each["impact"] in ("serious", "critical")]
    assert grave == [], found.generate_report()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_colours_have_contrast_in_light_and_dark(
    browser: Browser, served: Site, paths: dict[str, str], scheme: str
) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    for name in ("dashboard", "run", "failed run", "deployment", "table", "form"):
        page.goto(served.url + paths[name])
        found = Axe().run(page, options={"runOnly": ["color-contrast"]})
        assert found.violations_count == 0, (name, found.generate_report())
    context.close()


def test_nothing_is_wider_than_a_phone(browser: Browser, served: Site, paths: dict[str, str]) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    wide = {}
    for name, path in paths.items():
        page.goto(served.url + path)
        wide[name] = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert {name: width for name, width in wide.items() if width > 360} == {}


def test_pages_travel_light_and_under_a_strict_policy(served: Site, paths: dict[str, str]) -> None:
    for path in paths.values():
        ask = Request(served.url + path, headers={"Accept": "text/html", "Accept-Encoding": "gzip"})  # noqa: S310
        try:
            with urlopen(ask, timeout=60) as answer:  # noqa: S310
                policy, body = answer.headers["Content-Security-Policy"], answer.read()
        except OSError as error:
            assert getattr(error, "code", 0) == 404
            continue
        assert len(body) <= MOST_BYTES
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy


def test_titles_name_what_a_page_is_about(watched: Watched, ids: dict[str, str], served: Site) -> None:
    with served.store() as backend:
        name = backend.read("flow_runs", id=ids["failed"])["name"]
    page = watched.open(f"/runs/flow-run/{ids['failed']}")
    expect(page).to_have_title(f"{name} · Failed · duration-prediction")


def test_times_are_those_of_the_viewer_with_utc_on_hover(watched: Watched, ids: dict[str, str]) -> None:
    page = watched.open(f"/runs/flow-run/{ids['run']}")
    time = page.locator(".facts time").first
    utc, shown = time.get_attribute("title") or "", time.inner_text()
    assert utc.endswith("UTC")
    assert utc[11:13] != shown.split()[-1][:2]


def test_filters_stand_in_the_address_and_pages_follow_one_another(watched: Watched) -> None:
    page = watched.open("/runs")
    first = page.locator("tbody .name").first.inner_text()
    page.get_by_role("link", name="Older runs").click()
    page.wait_for_url("**until=**")
    expect(page.locator("tbody .name").first).not_to_have_text(first)
    page.locator("label.FAILED").click()
    page.wait_for_url("**state=FAILED**")
    expect(page.locator("tbody .state").first).to_have_text("Failed")
    states = set(page.locator("tbody .state").all_inner_texts())
    assert states == {"Failed"}


def test_runs_are_narrowed_by_days_that_somebody_chooses(watched: Watched) -> None:
    page = watched.open("/runs")
    page.get_by_role("textbox", name="From").fill("2001-02-03")
    page.wait_for_url("**since=2001-02-03**")
    expect(page.locator("tbody .name").first).to_be_visible()
    page.get_by_role("textbox", name="Before").fill("2001-02-04")
    page.wait_for_url("**until=2001-02-04**")
    expect(page.locator("main")).to_contain_text("No run fits")


def test_runs_are_narrowed_by_a_tag_that_somebody_types(watched: Watched) -> None:
    page = watched.open("/runs")
    page.get_by_label("Tag").fill("monthly")
    page.keyboard.press("Enter")
    page.wait_for_url("**tag=monthly**")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(15)
    expect(rows.filter(has=page.get_by_role("link", name="monthly", exact=True))).to_have_count(15)


def test_a_deployment_is_run_from_a_phone(browser: Browser, served: Site) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(f"{served.url}/deployments")
    for button in page.get_by_role("button", name="Quick run").all():
        box = button.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 360
    expect(page.get_by_role("link", name="Deployments", exact=True)).to_be_in_viewport(ratio=1)
    context.close()


def test_a_command_is_copied_where_a_browser_lends_no_clipboard(watched: Watched, ids: dict[str, str]) -> None:
    page = watched.open(f"/runs/flow-run/{ids['late']}")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    copy = page.locator("[data-why] [data-copy]")
    copy.click()
    expect(copy).to_have_text("Copied")


def test_what_is_not_there_says_so_on_a_page(watched: Watched) -> None:
    page = watched.open("/runs/flow-run/00000000-0000-0000-0000-000000000000")
    expect(page.locator("main")).to_contain_text("There is no flow run")
    watched.requests.clear()
