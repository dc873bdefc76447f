"""What runs publish is shown and never obeyed: markup, links, styles and lines without end."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from orchestration.domain.states import Completed, Running
from tests.support.example import Example
from tests.support.site import Site, Watched

OWN = "window.owned = 1"
SCRIPT = f"<script>{OWN}</script><img src=x onerror='{OWN}'><svg onload='{OWN}'></svg>"
SVG = f"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='{OWN}'/>"
MARKDOWN = f"""# A report {SCRIPT}
[click](javascript:window.owned=1) <a href="javascript:window.owned=1">me</a>
<a href="data:text/html,<script>1</script>">data</a>
<style>body {{ display: none }}</style><form action="https://example.org"><input name="a"></form>
<div style="position:fixed;inset:0;background:red" onclick="window.owned = 1" class="side">over all</div>
<iframe src="https://example.org"></iframe> ![far](https://example.org/tracking.png)
![near](data:image/png;base64,iVBORw0KGgo=)
<math><mtext><table><mglyph><style><img src=x onerror=window.owned=1></style></mglyph></table></mtext></math>
"""


@pytest.fixture(scope="module")
def hostile(filled: tuple[Site, Example]) -> dict[str, str]:
    """The ids of a run and of artifacts that mean harm."""
    served, now = filled[0], datetime.now(UTC)
    with served.store() as backend:
        made = Example(backend, now)
        path = [(0.0, Running()), (5.0, Completed(f"done {SCRIPT}"))]
        about = {"name": f"run {SCRIPT}", "parameters": {"a": SCRIPT, "</script>": 1}, "tags": (SCRIPT,)}
        run = made.run(f"flow {SCRIPT}", now, path, **about)
        made.task(run, f"task-{SCRIPT}-0", (0, 4), Completed())
        made.say(run, (1, 20, SCRIPT), (2, 20, "x" * 1_000_000), (3, 40, "\x1b[31mred\x1b[0m </script>"))
        of = {"flow_run_id": str(run.id), "description": SCRIPT}
        ids = {
            "markdown": made.artifact(now, "markdown", MARKDOWN, "hostile-report", **of),
            "table": made.artifact(now, "table", [{SCRIPT: SCRIPT, "n": 1}], "hostile-table", **of),
            "image": made.artifact(now, "image", "https://example.org/pixel.png", "hostile-image", **of),
            "svg": made.artifact(now, "image", SVG, "hostile-svg", **of),
            "link": made.artifact(now, "link", "javascript:window.owned=1", "hostile-link", **of),
        }  # fmt: skip
        backend.create("variables", {"name": "hostile", "value": SCRIPT})
    return {"run": str(run.id), **ids}


def test_a_hostile_run_is_shown_as_text(watched: Watched, hostile: dict[str, str]) -> None:
    page = watched.open(f"/runs/flow-run/{hostile['run']}")
    expect(page.locator("h1")).to_have_text(f"run {SCRIPT}")
    expect(page.locator("[data-logs]")).to_contain_text("more characters; download the log")
    page.get_by_role("tab", name="Parameters").click()
    expect(page.locator("#parameters")).to_contain_text("window.owned = 1")
    page.get_by_role("link", name="Dependencies").click()
    expect(page.locator(".graph .node")).to_have_count(1)
    assert page.evaluate("window.owned") is None
    assert page.locator("main script:not([type='application/json']), main img, main iframe").count() == 0


@pytest.mark.parametrize("name", ["image", "link", "markdown", "svg", "table"])
def test_a_hostile_artifact_does_nothing(watched: Watched, hostile: dict[str, str], name: str) -> None:
    page = watched.open(f"/artifacts/artifact/{hostile[name]}")
    expect(page.locator("main h1").first).to_be_visible()
    assert page.evaluate("window.owned") is None
    for harm in ("a[href^='javascript']", "a[href^='data']", "iframe", "style", ".prose form", "[style*='fixed']"):
        assert page.locator(f"main {harm}").count() == 0
    assert page.locator("main [onclick], main [onerror], main [onload]").count() == 0


@pytest.mark.parametrize("path", ["/", "/artifacts", "/flows", "/runs", "/variables"])
def test_listings_show_it_as_text(watched: Watched, hostile: dict[str, str], path: str) -> None:
    page = watched.open(path)
    expect(page.locator("main")).to_contain_text("window.owned" if path != "/artifacts" else "hostile-report")
    assert page.evaluate("window.owned") is None
