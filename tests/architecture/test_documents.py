"""Documents that agree with the code: versions, reasons, links, and the list of targets."""

import re
import subprocess

from tests.architecture.source import ROOT, name_of, pyproject, tracked_files

DECISIONS = ROOT / "docs" / "decisions"


def test_the_change_log_and_the_package_agree_on_the_version() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert newest is not None
    assert newest[1] == pyproject()["project"]["version"]


def test_every_dependency_has_its_reason() -> None:
    project, groups = pyproject()["project"], pyproject()["dependency-groups"]
    lists = [project["dependencies"], *project["optional-dependencies"].values(), *groups.values()]
    names = {re.split(r"[\[<>=~! ]", requirement)[0] for requirements in lists for requirement in requirements}
    table = (DECISIONS / "0001-dependencies.md").read_text()
    reasons: dict[str, str] = dict(re.findall(r"^\| `([\w.-]+)` \| (.+) \|$", table, flags=re.MULTILINE))
    assert set(reasons) == names
    assert [name for name, reason in reasons.items() if len(reason) < 20] == []


def test_every_decision_is_in_the_index() -> None:
    index = (DECISIONS / "README.md").read_text()
    assert [path.name for path in DECISIONS.glob("[0-9]*.md") if f"({path.name})" not in index] == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{name_of(path)}: {target}"
        for path in tracked_files()
        if path.suffix == ".md"
        for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", path.read_text())
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_make_alone_explains_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE)
    help_text = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make (\w+)", help_text, flags=re.MULTILINE)) == set(phony[0].split())
