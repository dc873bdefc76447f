"""What every test starts from: a home folder of its own, none of its user's settings and secrets, and no network."""

import ipaddress
import os
import sys
from pathlib import Path

import pytest

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
    monkeypatch.setenv("ORCHESTRATION_HOME", str(tmp_path / "home"))
