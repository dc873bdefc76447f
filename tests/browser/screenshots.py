"""`make screenshots`: pictures of the main pages, of a store that is filled with the example."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.support.site import opened_browser, site

# By name: the page, whether it is light or dark, and how high the window is, so that no panel is cut.
PICTURES = {
    "dashboard": ("/", "light", 1250), "run": ("/runs/flow-run/{run}", "light", 1050),
    "run-dark": ("/runs/flow-run/{run}", "dark", 930), "graph": ("/runs/flow-run/{run}", "light", 930),
    "deployment": ("/deployments/deployment/{monthly}", "light", 1170),
    "metrics": ("/artifacts/artifact/{metrics}", "light", 960),
}  # fmt: skip


def main(folder: Path) -> None:
    """Take them all, each into a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, site(Path(home)) as (served, example), opened_browser() as browser:
        for name, (path, scheme, height) in PICTURES.items():
            context = browser.new_context(
                viewport={"width": 1280, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
            )
            page = context.new_page()
            page.goto(served.url + path.format(**example.ids))
            page.locator("main h1").wait_for()
            if name == "run":
                page.get_by_role("button", name="Unfold").click()
                page.get_by_text("check-columns-0").wait_for()
            if name == "graph":
                page.get_by_role("link", name="Dependencies").click()
            page.mouse.move(0, 0)
            page.screenshot(path=folder / f"{name}.png")
            context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
