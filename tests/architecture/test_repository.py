"""What the repository keeps: nothing of any one machine, no secret, and locks that bind."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, name_of, tracked_files

# Written in parts, so that this file does not hold what it looks for.
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npmjs" + ".org", "npmjs" + ".com", "deb.debian" + ".org"]
MACHINE_PATHS = ["/wo" + "rk/", "/ro" + "ot/", "/opt/" + "pypi", "/opt/" + "wheels", "/tmp/" + "w/"]
LOCKS = ("requirements.lock", "requirements-dev.lock")


def _holding(word: str) -> list[str]:
    return [name_of(path) for path in tracked_files() if word in path.read_text(errors="replace")]


def _pins(lock: str) -> set[str]:
    return set(re.findall(r"^\S+==.*$", (ROOT / lock).read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("word", REGISTRIES)
def test_no_file_names_a_package_registry(word: str) -> None:
    assert _holding(word) == []


@pytest.mark.parametrize("word", MACHINE_PATHS)
def test_no_file_names_a_path_of_one_machine(word: str) -> None:
    assert _holding(word) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_hashes_every_package(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text()
    assert _pins(lock)
    assert [pin for pin in _pins(lock) if not pin.endswith("\\")] == []


def test_the_development_lock_adds_to_the_runtime_lock() -> None:
    runtime, development = map(_pins, LOCKS)
    assert runtime < development


def test_secrets_stay_out() -> None:
    git = ["git", "-c", f"safe.directory={ROOT}"]
    assert Path(ROOT / ".env") not in tracked_files()
    assert subprocess.run([*git, "check-ignore", "-q", ".env"], cwd=ROOT, check=False).returncode == 0
    lines = (ROOT / ".env_example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#") and not line.endswith("=")] == []
