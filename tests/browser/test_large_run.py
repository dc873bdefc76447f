"""More than fits on a screen: a long log, many task runs, and many runs that something is done to at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from orchestration.domain.states import Completed, Running
from tests.support.example import Example
from tests.support.site import Site, Watched

LINES, FITS = 450, 210


@pytest.fixture(scope="module")
def large(filled: tuple[Site, Example]) -> str:
    """The path of a run that logged much, and fitted many models after one load."""
    served, begin = filled[0], datetime.now(UTC) - timedelta(minutes=20)
    with served.store() as backend:
        made = Example(backend, begin)
        run = made.run("many-fits", begin, [(0.0, Running()), (600.0, Completed())])
        load = made.task(run, "load-0", (0, 5), Completed())
        for number in range(FITS):
            made.task(run, f"fit-{number}", (6 + number, 9 + number), Completed(), [load])
        made.say(run, *((float(n), 40 if n == 9 else 20, f"this is line {n}.") for n in range(LINES)))
    return f"/runs/flow-run/{run.id}"


def test_the_log_is_read_from_its_end_its_start_and_its_first_error(watched: Watched, large: str) -> None:
    page = watched.open(large)
    log, lines = page.locator("[data-logs]"), page.locator("[data-logs] [data-line]")
    expect(lines).to_have_count(200)
    expect(lines.last).to_contain_text("line 449.")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(lines.first).to_contain_text("line 0.")
    for last in (199, 398, 449):
        expect(lines.last).to_contain_text(f"line {last}.")
        if last < LINES - 1:
            log.get_by_role("button", name="Later lines").click()
    expect(lines).to_have_count(LINES)
    expect(log.get_by_role("button")).to_have_count(0)
    page.get_by_role("button", name="End", exact=True).click()
    expect(lines.last).to_be_in_viewport()
    page.get_by_role("button", name="First error").click()
    expect(log.locator(".lv40")).to_be_in_viewport()


def test_the_first_error_is_found_where_it_is_not_shown_yet(watched: Watched, large: str) -> None:
    page = watched.open(large)
    log, lines = page.locator("[data-logs]"), page.locator("[data-logs] [data-line]")
    expect(lines.last).to_contain_text("line 449.")
    page.get_by_role("button", name="First error").click()
    expect(log.locator(".lv40")).to_be_in_viewport()
    expect(log.get_by_role("button", name="Later lines")).to_have_count(1)
    page.get_by_role("button", name="End", exact=True).click()
    expect(lines.last).to_contain_text("line 449.")
    expect(log.get_by_role("button", name="Later lines")).to_have_count(0)


def test_a_group_of_the_graph_leads_to_its_task_runs(watched: Watched, large: str) -> None:
    page = watched.open(large)
    page.get_by_role("link", name="Dependencies").click()
    expect(page.locator(".graph .node")).to_have_count(2)
    page.locator(".graph .node", has_text="fit").last.click()
    expect(page.get_by_role("button", name="Fold fit")).to_be_focused()
    expect(page.locator(".timeline").get_by_role("link", name="fit-0")).to_be_visible()


def test_a_task_run_tells_of_whom_it_was_given_something(watched: Watched, large: str) -> None:
    page = watched.open(large)
    page.get_by_role("button", name="Unfold fit").click()
    page.locator(".timeline").get_by_role("link", name="fit-0").click()
    page.wait_for_url("**/runs/task-run/**")
    page.get_by_role("link", name="task run …").click()
    expect(page.locator("h1")).to_have_text("load-0")


def test_runs_are_cancelled_together(watched: Watched) -> None:
    page = watched.open("/runs?span=upcoming&state=SCHEDULED")
    boxes = page.locator("input[name='run']")
    number = boxes.count()
    assert number > 1
    page.get_by_label("Choose all runs of this page").check()
    expect(page.locator("[data-bulk]")).to_contain_text(f"{number} chosen")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("main")).to_contain_text("No run fits")
    watched.open("/runs?span=upcoming&state=CANCELLED")
    expect(boxes).to_have_count(number)


def test_of_runs_that_failed_those_of_deployments_are_retried_and_the_others_told_of(watched: Watched) -> None:
    page = watched.open("/runs?state=FAILED&name=")
    boxes = page.locator("input[name='run']")
    deployed = page.locator("input[data-deployed]").count()
    assert 0 < deployed < boxes.count()
    left = boxes.count() - deployed
    page.get_by_label("Choose all runs of this page").check()
    page.get_by_role("button", name="Retry", exact=True).click()
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("#banner")).to_contain_text(f"{left} of {left + deployed} were left as they are")
    expect(page.locator("input[data-deployed]")).to_have_count(0)
