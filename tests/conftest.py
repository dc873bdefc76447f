"""What every test starts from, a home folder of its own without its user's settings, secrets or network, and how tests
end: with nothing left running.
"""

import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forgetting import forget_secrets
from tests.support.postgres import leave_server
from tests.support.serving import leave_serving

FOREIGN_SETTINGS = ("ORCHESTRATION_", "PREFECT_", "AWS_", "MLFLOW_", "S3_", "SMTP_", "EMAIL_", "MAIL_")


def _forget_settings() -> None:
    for name in [name for name in os.environ if name.startswith(FOREIGN_SETTINGS)]:
        del os.environ[name]


def _is_this_machine(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket's path
    host = str(address[0])
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_other_hosts(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and not _is_this_machine(arguments[1]):
        raise PermissionError(f"a test tried to reach {arguments[1]}; tests speak to this machine only")


_forget_settings()
sys.addaudithook(_refuse_other_hosts)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _forget_settings()  # MLflow, for one, leaves its store's address in the environment
    monkeypatch.setenv("ORCHESTRATION_HOME", str(tmp_path / "home"))
    forget_secrets()  # another test's secret would be masked in this one's texts


def _command(pid: str) -> str:
    """The command line of a process; empty when it has ended."""
    try:
        return Path("/proc", pid, "cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def _running_children() -> list[str]:
    """What this process has started and not ended, where the system shows it; multiprocessing's own helper aside."""
    lists = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    commands = [_command(pid) for pids in lists for pid in pids]
    return [command for command in commands if command and "multiprocessing.resource_tracker" not in command]


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_running() -> Iterator[None]:
    yield
    leave_server()
    leave_serving()
    assert _running_children() == []
