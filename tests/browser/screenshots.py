"""`make screenshots`: pictures of the main pages, of a store that is filled with the example."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.support.site import opened_browser, site

PICTURES = {
    "dashboard": ("/", "light"), "run": ("/runs/flow-run/{run}", "light"), "run-dark": ("/runs/flow-run/{run}", "dark"),
    "deployment": ("/deployments/deployment/{monthly}", "light"), "metrics": ("/artifacts/artifact/{metrics}", "light"),
}  # fmt: skip


def main(folder: Path) -> None:
    """Take them all, each into a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, site(Path(home)) as (served, example), opened_browser() as browser:
        for name, (path, scheme) in PICTURES.items():
            context = browser.new_context(
                viewport={"width": 1280, "height": 860}, color_scheme="dark" if scheme == "dark" else "light"
            )
            page = context.new_page()
            page.goto(served.url + path.format(**example.ids))
            page.locator("main svg").first.wait_for(state="attached")
            if name == "run":
                page.get_by_role("button", name="Unfold").click()
                page.get_by_text("check-columns-0").wait_for()
            page.screenshot(path=folder / f"{name}.png")
            context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
