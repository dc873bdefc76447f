"""Ignore files mean here what they mean to git."""

import subprocess
from pathlib import Path

import pytest

from orchestration.sdk.blocks import kept_files

TREE = [
    "a.py", "b.pyc", "build/x.o", "build/keep.txt", "src/a.pyc", "src/build/y", "docs/one.md", "docs/deep/two.md", "#x",
    "c d",
]  # fmt: skip


def make_tree(folder: Path) -> None:
    for name in TREE:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["*.pyc"],
        ["build/"],
        ["/build"],
        ["build/*", "!build/keep.txt"],
        ["docs/**"],
        ["**/deep"],
        ["docs/**/two.md"],
        ["src/*.pyc", "# a remark", "", "   "],
        ["\\#x"],
        ["c d  "],
        ["[ab].py*"],
        ["[!a].py*"],
        ["?.py"],
        ["*", "!*/", "!*.md"],
        ["build", "!build/keep.txt"],
    ],
    ids=lambda lines: " ".join(lines) or "nothing",
)
def test_git_keeps_the_same_files(tmp_path: Path, lines: list[str]) -> None:
    make_tree(tmp_path)
    ours = {path.relative_to(tmp_path).as_posix() for path in kept_files(tmp_path, lines)}
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".git" / "info" / "exclude").write_text("\n".join(lines) + "\n")
    list_files = ["git", "-c", "core.quotePath=off", "ls-files", "-o", "-z", "--exclude-standard"]
    theirs = subprocess.run(list_files, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert ours == set(theirs.split("\0")) - {""}


def test_links_to_folders_are_not_entered(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [path.name for path in kept_files(tmp_path)] == ["a", "loop"]
