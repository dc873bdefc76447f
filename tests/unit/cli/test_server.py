"""A server from the command line: real processes on free ports, keys, and the database."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from orchestration.backend.port import Backend
from orchestration.backend.surroundings import current_settings
from orchestration.domain.settings import digest
from orchestration.services import serve
from tests.support.command_line import asked, orchestrate, table


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def _stopped() -> Iterator[None]:
    yield
    serve.stop(current_settings().home)


def _home() -> Path:
    return Path(os.environ["ORCHESTRATION_HOME"])


# -- processes ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_stopped")
def test_a_server_starts_in_the_background_and_stops(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    said = orchestrate("server", "start", "--background", "--port", port)
    url = f"http://127.0.0.1:{port}/api"
    assert url in said
    found = asked("server", "status")
    assert (found["url"], found["status"]) == (url, "available")
    assert "already" in orchestrate("server", "start", "-b", "--port", port + 1 if port < 65535 else port - 1, code=1)
    assert "stop it first" in orchestrate("server", "database", "reset", "--yes", code=1)

    monkeypatch.setenv("ORCHESTRATION_API_URL", url)
    orchestrate("variable", "set", "n", "1")
    assert asked("version")["Server type"] == "server"
    assert "holds the database" in orchestrate("block", "rotate-key", code=1)
    monkeypatch.delenv("ORCHESTRATION_API_URL")
    assert orchestrate("variable", "get", "n") == "1\n"

    assert orchestrate("server", "stop") == f"Stopped the server at {url}.\n"
    assert not serve.is_healthy(url)
    assert orchestrate("server", "stop") == "No server runs in the background.\n"


@pytest.mark.usefixtures("_stopped")
def test_a_server_that_died_is_not_taken_for_a_living_one(port: int) -> None:
    orchestrate("server", "start", "-b", "--port", port)
    server = serve.running(_home())
    assert server is not None
    os.kill(server.owner.pid, signal.SIGKILL)
    assert serve.wait_until(lambda: serve.running(_home()) is None, 10)
    told = json.loads(orchestrate("server", "status", "--json", code=1))
    assert (told["status"], told["pid"]) == ("unavailable", None)
    assert serve.wait_until(lambda: _is_free(port), 10)  # its threads may die a moment later
    orchestrate("server", "start", "-b", "--port", port)
    assert asked("server", "status")["status"] == "available"


def _is_free(port: int) -> bool:
    with socket.socket() as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            asking.bind(("127.0.0.1", port))
            return True
    return False


def test_the_process_of_another_program_is_left_alone(port: int) -> None:
    """After a restart of the machine, the number in the file may be anybody's; here it is this test's own."""
    _home().mkdir()
    owner = {"host": "here", "boot": "before", "pid": os.getpid(), "started": "1"}
    (_home() / serve.FILE).write_text(json.dumps({"owner": owner, "url": f"http://127.0.0.1:{port}/api"}))
    for text in ("", "{}", "[]"):
        (_home() / serve.FILE).write_text(text)
        assert serve.running(_home()) is None


def test_a_taken_port_is_told_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for words in ([], ["--background"]):
            said = orchestrate("server", "start", "--port", port, *words, code=1)
            assert said.splitlines()[-1] == (
                f"Nothing can listen on 127.0.0.1 port {port} (Address already in use); use another --port, "
                "or stop what listens there."
            )


def test_others_may_reach_a_server_only_when_it_asks_who_they_are(port: int) -> None:
    for words in ([], ["--background"]):
        said = orchestrate("server", "start", "--host", "0.0.0.0", "--port", port, *words, code=1)  # noqa: S104
        assert "server key create" in said.splitlines()[-1]
    assert serve.running(_home()) is None


# -- keys and the audit log -----------------------------------------------------------------------


def test_a_key_is_shown_once_and_kept_as_a_digest(backend: Backend) -> None:
    key = orchestrate("server", "key", "create", "ann", "--role", "viewer").strip()
    kept = backend.read("api_keys", name="ann")
    assert (kept["role"], kept["digest"]) == ("viewer", digest(key))
    assert key not in orchestrate("server", "key", "ls")
    assert "already a key 'ann'" in orchestrate("server", "key", "create", "ann", code=1)
    assert "Invalid value" in orchestrate("server", "key", "create", "bob", "--role", "king", code=2)


def test_a_revoked_key_stays_in_the_list(backend: Backend) -> None:
    orchestrate("server", "key", "create", "ann")
    orchestrate("server", "key", "revoke", "ann")
    assert table("server", "key", "ls")[1][:2] == ["ann", "operator"]
    assert backend.read("api_keys", name="ann")["revoked"] is not None
    assert "no key 'bob'" in orchestrate("server", "key", "revoke", "bob", code=1)


def test_the_audit_log_is_listed_newest_first(backend: Backend) -> None:
    for path in ("/api/flows/", "/api/variables/"):
        backend.create("audit", {"key_name": "ann", "method": "POST", "path": path, "status": 201})
    assert [each["path"] for each in asked("server", "audit", "ls")] == ["/api/variables/", "/api/flows/"]


# -- the database ---------------------------------------------------------------------------------


def test_the_database_is_made_anew_and_a_copy_kept() -> None:
    orchestrate("variable", "set", "n", "1")
    assert "--yes" in orchestrate("server", "database", "reset", code=2)
    orchestrate("server", "database", "reset", "-y")
    assert asked("variable", "ls") == []
    assert len(list(_home().glob("*.before-reset-*"))) == 1


def test_the_database_is_brought_up_to_date() -> None:
    assert "the newest" in orchestrate("server", "database", "upgrade")
    assert asked("variable", "ls") == []
