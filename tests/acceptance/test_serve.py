"""``make serve``: a slot that comes retrains, publishes and mails with nobody watching, and Ctrl-C ends all of it."""

from __future__ import annotations

import signal
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest

from tests.acceptance.clones import Clone

GIVEN = {"s3_block": "embedded-s3", "mail_block": "embedded-mail", "mail_to": "you@localhost"}
SECONDS = 1200.0
"""That a retraining may take on a busy machine, from a minute before its slot on."""

pytestmark = pytest.mark.acceptance


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _read_until(output: IO[str] | None, sentence: str) -> list[str]:
    assert output is not None
    lines: list[str] = []
    for line in output:
        lines.append(line)
        if sentence in line:
            return lines
    raise AssertionError("".join(lines))


def _ended(clone: Clone, slot: datetime) -> dict[str, str]:
    """The run of a slot, once it has ended."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for run in clone.asked("flow-run", "ls"):
            is_of_slot = datetime.fromisoformat(run["expected_start_time"]) == slot
            if is_of_slot and run["state_type"] in ("COMPLETED", "FAILED", "CRASHED"):
                return dict(run)
    raise AssertionError(clone.orchestrate("flow-run", "ls"))


def test_a_slot_retrains_publishes_and_mails_with_nobody_watching(tmp_path: Path) -> None:
    clone, port = Clone(tmp_path), _free_port()
    clone.environment["ORCHESTRATION_API_URL"] = f"http://127.0.0.1:{port}/api"  # of the commands
    with clone.start("pipelines.duration_prediction.serve", "--port", str(port)) as serving:
        said = "".join(_read_until(serving.stdout, "is served at"))
        assert "generated, not real" in said
        slot = (datetime.now(UTC) + timedelta(seconds=75)).replace(second=0, microsecond=0)
        words = [word for name, value in GIVEN.items() for word in ("--param", f"{name}={value}")]
        clone.orchestrate("deploy", "--all", "--cron", f"{slot.minute} {slot.hour} * * *", "--timezone", "UTC", *words)
        run = _ended(clone, slot)
        assert run["state_name"] == "Completed", clone.orchestrate("flow-run", "logs", run["id"])
        (report,) = clone.asked("artifact", "inspect", "duration-model-report")
        assert "RMSE" in report["data"]
        serving.send_signal(signal.SIGINT)
        printed, _ = serving.communicate()
        assert (serving.returncode, printed.splitlines()[-1]) == (0, "Stopped.")
    assert clone.running() == []
    (mail,) = (clone.folder / "outbox" / "new").iterdir()
    assert b"Subject: " in mail.read_bytes()


def test_what_keeps_it_from_serving_is_said_in_a_sentence(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with clone.start("pipelines.duration_prediction.serve", "--port", str(port)) as serving:
            printed, _ = serving.communicate()
    assert serving.returncode == 1
    assert f"Nothing can listen on 127.0.0.1 port {port}" in printed
    assert "Traceback" not in printed
    assert clone.running() == []


def test_killing_it_ends_its_children(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    with clone.start("pipelines.duration_prediction.serve", "--port", str(_free_port())) as serving:
        _read_until(serving.stdout, "is served at")
        serving.kill()
        serving.communicate()
    end = time.monotonic() + 30
    while (left := clone.running()) and time.monotonic() < end:
        pass
    assert left == []
