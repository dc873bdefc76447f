"""What people do on the pages, from the first look at a deployment to the result of its run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.example import SECRET
from tests.support.site import Site, Watched

CODE = """
import time
from orchestration import flow, get_run_logger, task
from orchestration import create_table_artifact

@task
def count(word: str) -> int:
    get_run_logger().info("counting %s", word)
    return len(word)

@flow
def main(words: list[str], times: int = 1, loud: bool = False) -> int:
    total = sum(count(word) for word in words) * times
    for step in range(20):
        get_run_logger().info("line %d of it", step)
        time.sleep(0.1)
    create_table_artifact([{"metric": "total", "value": total}], key="totals")
    return total
"""
SCHEMA = {
    "type": "object", "required": ["words"],
    "properties": {
        "words": {"title": "words", "position": 0, "type": "array", "items": {"type": "string"}},
        "times": {"title": "times", "position": 1, "type": "integer", "default": 1},
        "loud": {"title": "loud", "position": 2, "type": "boolean", "default": False},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def workplace(filled: tuple[Site, object], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The path of a deployment that a real worker runs."""
    served, folder = filled[0], tmp_path_factory.mktemp("code")
    Path(folder / "words.py").write_text(CODE)
    with served.store() as backend:
        flow = backend.create("flows", {"name": "main"})
        deployment = backend.create("deployments", {
            "name": "words", "flow_id": flow["id"], "path": str(folder), "entrypoint": "words.py:main",
            "work_pool_name": "local-pool", "parameters": {"words": ["one"]}, "parameter_openapi_schema": SCHEMA,
        })  # fmt: skip
    worker = served.command("worker", "start", "-p", "local-pool")
    yield f"/deployments/deployment/{deployment['id']}"
    worker.terminate()


def _until_completed(page: Page) -> None:
    expect(page.locator("[data-state]")).to_contain_text("Completed", timeout=60_000)


def test_a_quick_run_is_followed_live_to_its_end(watched: Watched, workplace: str) -> None:
    page = watched.open("/deployments")
    page.get_by_role("link", name="words", exact=True).click()
    page.get_by_role("button", name="Quick run").click()
    page.wait_for_url("**/runs/flow-run/**")
    expect(page.locator("[data-logs]")).to_contain_text("line 3 of it", timeout=60_000)
    expect(page.locator("[data-state]")).to_contain_text("Running")
    _until_completed(page)
    expect(page.locator(".timeline")).to_contain_text("count")
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_role("link", name="totals", exact=True).click()
    expect(page.locator("td[data-cell]")).to_contain_text("3")


def test_a_custom_run_is_made_with_the_keyboard_alone(watched: Watched, workplace: str, served: Site) -> None:
    page = watched.open(workplace)
    page.get_by_role("link", name="Custom run").focus()
    page.keyboard.press("Enter")
    page.get_by_label("words").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("alpha\nbeta")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("x")
    page.get_by_role("button", name="Run", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("times takes a whole number")
    page.keyboard.press("Control+A")
    page.keyboard.type("3")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Run", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/flow-run/**")
    with served.store() as backend:
        made = backend.read("flow_runs", id=page.url.rsplit("/", 1)[-1])
    assert made["parameters"] == {"words": ["alpha", "beta"], "times": 3, "loud": True}
    _until_completed(page)
    tab = page.get_by_role("tab", name="Logs")
    tab.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#states")).to_be_visible()


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
    expect(page.get_by_label("Time", exact=True)).to_have_value("2026-02-03T14:00")
    page.get_by_role("button", name="Make the run").click()
    page.wait_for_url("**/runs/flow-run/**")
    with served.store() as backend:
        made = backend.read("flow_runs", id=page.url.rsplit("/", 1)[-1])
    assert made["expected_start_time"].startswith("2026-02-03")
    assert "backfill" in made["tags"]


def test_a_block_is_edited_and_its_secret_stays_hidden(watched: Watched, ids: dict[str, str], served: Site) -> None:
    page = watched.open(f"/blocks/block/{ids['aws-credentials']}")
    assert SECRET not in page.content()
    page.get_by_label("Region Name").fill("us-east-1")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/blocks")
    with served.store() as backend:
        saved = {each.name: each.data for each in backend.blocks.block_documents(include_secrets=True)}
    assert saved["example-aws-credentials"]["region_name"] == "us-east-1"
    assert saved["example-aws-credentials"]["aws_secret_access_key"] == SECRET


def test_a_block_is_made_from_its_schema(watched: Watched, served: Site) -> None:
    page = watched.open("/blocks/catalog/json")
    page.get_by_label("Name").fill("settings")
    page.get_by_label("Value").fill(json.dumps({"b": [1, 2]}))
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/blocks/block/**")
    with served.store() as backend:
        assert backend.blocks.block_document_by_name("json", "settings").data == {"value": {"b": [1, 2]}}


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
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert "DriftError" in Path(download.value.path()).read_text()
