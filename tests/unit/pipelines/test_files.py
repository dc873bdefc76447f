"""Files that are whole or not there, and jobs that take turns."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import files
from pipelines.files import lock_file, write_together

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys
from pathlib import Path
from pipelines.files import lock_file
with lock_file(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_written_and_replaced_and_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "reports"
    write_together(folder, {"a": b"1", "b": b"1"})
    write_together(folder, {"b": b"2", "c": b"2"})
    assert _contents(folder) == {"a": b"1", "b": b"2", "c": b"2"}


def test_an_error_while_they_are_written_changes_none(tmp_path: Path) -> None:
    write_together(tmp_path, {"a": b"1", "b": b"1"})
    with pytest.raises(OSError, match="no/such/folder"):
        write_together(tmp_path, {"a": b"2", "no/such/folder": b"2"})
    assert _contents(tmp_path) == {"a": b"1", "b": b"1"}


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    leftover = tmp_path / f"{files.UNFINISHED}1"
    leftover.mkdir()
    (leftover / "a").write_bytes(b"half")
    write_together(tmp_path, {"a": b"1"})
    assert _contents(tmp_path) == {"a": b"1"}


def test_a_lock_that_nobody_holds_is_taken_in_silence(tmp_path: Path) -> None:
    asked: list[str] = []
    with lock_file(tmp_path / "home" / "lock", lambda: asked.append("waiting")):
        assert asked == []


def test_who_finds_a_lock_held_says_so_and_waits_until_its_holder_is_gone(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with lock_file(lock, holder.kill):
            assert holder.wait() == -9, "the lock came free because its holder, killed by the one who waits, was gone"
