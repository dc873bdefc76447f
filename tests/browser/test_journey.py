"""What people do on the pages, from the first look at a deployment to the result of its run."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.support.example import SECRET
from tests.support.site import Site, Watched, until_completed


def test_a_quick_run_is_followed_live_to_its_end(watched: Watched, workplace: str) -> None:
    page = watched.open("/deployments")
    page.get_by_role("link", name="words", exact=True).click()
    page.get_by_role("button", name="Quick run").click()
    page.wait_for_url("**/runs/flow-run/**")
    expect(page.locator("[data-logs]")).to_contain_text("line 3 of it", timeout=60_000)
    expect(page.locator("[data-state]")).to_contain_text("Running")
    until_completed(page)
    expect(page.locator(".timeline")).to_contain_text("count")
    expect(page.locator("[data-logs]")).to_contain_text("count-0 counting one")
    expect(page.get_by_role("tab", name="Artifacts 1")).to_be_visible()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_role("link", name="totals", exact=True).click()
    expect(page.locator("td[data-cell]")).to_contain_text("3")


def test_a_form_takes_values_of_all_kinds(watched: Watched, ids: dict[str, str], served: Site) -> None:
    page = watched.open(f"/deployments/deployment/{ids['monthly']}/run")
    page.get_by_label("train_months").fill("2021-01\n2021-02")
    page.get_by_label("rate").fill("0.25")
    page.get_by_label("colour").select_option("yellow")
    page.get_by_label("mail").uncheck()
    page.get_by_label("since").fill("2024-02-29")
    page.get_by_role("group", name="bounds").get_by_label("2").fill("90")
    page.get_by_role("group", name="training").get_by_label("trials").fill("3")
    page.get_by_label("extra").fill("{'a': 1}")
    page.get_by_label("When").fill("2035-01-02T03:04")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("extra is not JSON")
    page.get_by_label("extra").fill('{"a": [1, null]}')
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/flow-run/**")
    expect(page.locator("[data-why]")).to_contain_text("It waits for its time")
    with served.store() as backend:
        made = backend.read("flow_runs", id=page.url.rsplit("/", 1)[-1])
    assert made["expected_start_time"].startswith("2035-01-02T08:04")
    assert made["parameters"] == {
        "train_months": ["2021-01", "2021-02"], "seed": 42, "rate": 0.25, "colour": "yellow", "mail": False,
        "since": "2024-02-29", "bounds": [1, 90], "training": {"trials": 3, "depth": 6}, "extra": {"a": [1, None]},
    }  # fmt: skip


def test_a_run_is_copied_with_its_parameters(watched: Watched, ids: dict[str, str]) -> None:
    page = watched.open(f"/runs/flow-run/{ids['run']}")
    page.get_by_role("link", name="Copy to new run").click()
    expect(page.get_by_label("validate_month")).to_have_value("2021-02")
    expect(page.get_by_label("trials")).to_have_value("8")


def test_a_schedule_is_switched_off_and_on(watched: Watched, ids: dict[str, str], served: Site) -> None:
    page = watched.open(f"/deployments/deployment/{ids['daily']}")
    switch = page.get_by_role("switch")
    expect(page.locator("main")).to_contain_text("Every day at 06:30 UTC")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    with served.store() as backend:
        assert backend.read("deployments", id=ids["daily"])["paused"]
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")


def test_a_click_on_a_day_fills_in_for_it(watched: Watched, ids: dict[str, str], served: Site) -> None:
    page = watched.open(f"/deployments/deployment/{ids['monthly']}?month=2026-02")
    page.locator("#calendar button").nth(2).click()
    expect(page.get_by_label("Time UTC")).to_have_value("2026-02-03T14:00")
    page.get_by_role("button", name="Make the run").click()
    page.wait_for_url("**/runs/flow-run/**")
    with served.store() as backend:
        made = backend.read("flow_runs", id=page.url.rsplit("/", 1)[-1])
    assert made["expected_start_time"].startswith("2026-02-03T14:00:00")
    assert "backfill" in made["tags"]
    page = watched.open(f"/deployments/deployment/{ids['monthly']}?month=2026-02")
    page.locator("#calendar button").nth(2).click()
    page.get_by_role("button", name="Make the run").click()
    page.wait_for_url(f"**/runs/flow-run/{made['id']}")


def test_a_block_is_edited_and_its_secret_stays_hidden(watched: Watched, ids: dict[str, str], served: Site) -> None:
    page = watched.open(f"/blocks/block/{ids['aws-credentials']}")
    assert SECRET not in page.content()
    page.get_by_label("Region Name").fill("us-east-1")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/blocks")
    with served.store() as backend:
        saved = {each.name: each.data for each in backend.block_documents(include_secrets=True)}
    assert saved["example-aws-credentials"]["region_name"] == "us-east-1"
    assert saved["example-aws-credentials"]["aws_secret_access_key"] == SECRET


def test_a_block_is_made_from_its_schema(watched: Watched, served: Site) -> None:
    page = watched.open("/blocks/catalog/json")
    page.get_by_label("Name").fill("settings")
    page.get_by_label("Value").fill(json.dumps({"b": [1, 2]}))
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/blocks/block/**")
    with served.store() as backend:
        assert backend.block_document(slug="json", name="settings").data == {"value": {"b": [1, 2]}}


def test_a_variable_is_made_changed_and_deleted(watched: Watched) -> None:
    page = watched.open("/variables")
    page.get_by_role("button", name="New variable").click()
    page.get_by_label("Name", exact=False).last.fill("fold_count")
    page.locator("#new-value").fill("5")
    page.get_by_role("button", name="Save").last.click()
    row = page.locator("tr", has_text="fold_count")
    expect(row).to_contain_text("5")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("tr", has_text="fold_count")).to_have_count(0)


def test_runs_are_deleted_together(watched: Watched) -> None:
    page = watched.open("/runs?state=CRASHED")
    boxes = page.locator("input[name='run']")
    before = boxes.count()
    boxes.nth(0).check()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Do it").click()
    expect(boxes).to_have_count(before - 1)


def test_figures_of_a_table_are_drawn_over_its_versions_and_two_are_compared(
    watched: Watched, ids: dict[str, str]
) -> None:
    page = watched.open(f"/artifacts/artifact/{ids['metrics']}")
    expect(page.locator(".chart-trend circle")).to_have_count(12)
    page.locator("td[data-cell^='mae'] button").click()
    expect(page.locator("[data-trends] select option:checked")).to_have_text("mae · value")
    page.get_by_role("link", name="Compare").first.click()
    expect(page.locator("td.changed").first).to_be_visible()


def test_nested_task_runs_and_dependencies_are_drawn(watched: Watched, ids: dict[str, str]) -> None:
    page = watched.open(f"/runs/flow-run/{ids['run']}")
    page.get_by_role("button", name="Unfold").click()
    expect(page.locator(".timeline")).to_contain_text("check_columns".replace("_", "-"))
    expect(page.locator(".mark-a").first).to_be_visible()
    page.get_by_role("link", name="Dependencies").click()
    expect(page.locator(".graph .node")).to_have_count(13)
    expect(page.locator(".graph path").first).to_be_attached()


def test_the_log_is_narrowed_and_searched(watched: Watched, ids: dict[str, str]) -> None:
    page = watched.open(f"/runs/flow-run/{ids['failed']}")
    lines = page.locator("[data-logs] [data-line]")
    expect(lines).to_have_count(5)
    page.get_by_label("Lowest level").select_option("40")
    expect(lines).to_have_count(1)
    page.get_by_label("Lowest level").select_option("0")
    page.get_by_label("Search in the log").fill("trip_distance")
    expect(lines).to_have_count(1)
    expect(page.locator("[data-logs] mark")).to_have_text("trip_distance")
    page.get_by_label("Search in the log").fill("")
    expect(lines).to_have_count(5)
    page.get_by_role("button", name="Log lines of check_drift-0").click()
    expect(lines).to_have_count(1)
    page.get_by_role("button", name="Only check_drift-0").click()
    expect(lines).to_have_count(5)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert "DriftError" in Path(download.value.path()).read_text()


def test_a_table_is_pinned_to_the_dashboard(watched: Watched, served: Site) -> None:
    with served.store() as backend:
        data = [{"metric": "mean", "value": 13.5}]
        made = backend.create("artifacts", {"type": "table", "key": "fares", "data": data})
    page = watched.open(f"/artifacts/artifact/{made['id']}")
    page.get_by_role("button", name="Pin to the dashboard").click()
    expect(page.locator("#banner")).to_contain_text("The dashboard shows it now")
    expect(page.get_by_role("button", name="Unpin from the dashboard")).to_be_visible()
    page = watched.open("/")
    for key in ("fares", "duration-model-metrics"):
        expect(page.get_by_role("heading", name=key)).to_be_visible()
