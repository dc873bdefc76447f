"""What tells one training from another, and where a checkout stands."""

import hashlib
import subprocess
from pathlib import Path

from pipelines.duration_prediction.fingerprint import (
    code_version,
    fingerprint,
    git_commit,
    hash_file,
    library_versions,
)

INPUTS = {"learn a": "1", "judge b": "2"}


def test_the_order_does_not_matter_and_everything_else_does() -> None:
    first = fingerprint(INPUTS, {"seed": 1, "trees": 2}, "code")
    assert fingerprint(dict(reversed(INPUTS.items())), {"trees": 2, "seed": 1}, "code") == first
    others = {
        fingerprint({**INPUTS, "learn a": "3"}, {"seed": 1, "trees": 2}, "code"),
        fingerprint(INPUTS, {"seed": 2, "trees": 2}, "code"),
        fingerprint(INPUTS, {"seed": 1, "trees": 2}, "other code"),
    }
    assert len(others | {first}) == 4


def test_a_file_is_known_by_its_sha256(tmp_path: Path) -> None:
    content = b"x" * 3_000_000
    (tmp_path / "month").write_bytes(content)
    assert hash_file(tmp_path / "month") == hashlib.sha256(content).hexdigest()


def test_the_code_has_a_version_and_the_libraries_have_theirs() -> None:
    assert code_version() == code_version()
    assert len(code_version()) == 16
    assert {"python", "numpy", "scikit-learn"} <= set(library_versions())


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_a_checkout_knows_its_commit_however_git_keeps_it(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    assert git_commit(repository) is None
    _git(repository, "init", "--quiet")
    _git(repository, "commit", "--quiet", "--allow-empty", "-m", "first")
    commit = _git(repository, "rev-parse", "HEAD")
    assert git_commit(repository) == commit
    _git(repository, "pack-refs", "--all")
    assert git_commit(repository) == commit
    _git(repository, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    assert git_commit(tmp_path / "side") == commit
    _git(repository, "checkout", "--quiet", "--detach")
    assert git_commit(repository) == commit
