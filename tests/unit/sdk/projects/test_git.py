"""Code from git: real repositories, real processes."""

import http.server
import os
import re
import subprocess
import sys
import threading
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from orchestration.domain.errors import ConfigurationError
from orchestration.sdk.blocks import Secret
from orchestration.sdk.projects import git as module
from orchestration.sdk.projects.git import GitError, GitRepository
from tests.support.repositories import commit, git, repository


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with a file ``n`` that says 1."""
    return repository(tmp_path / "taxi.git", {"n": "1", "sub/m": "1"})


def _text(code: Path, name: str = "n") -> str:
    return (code / name).read_text()


def _clone(tmp_path: Path, url: object, **wanted: Any) -> Path:
    return GitRepository(str(url), **wanted).clone(tmp_path / "run" / "code", tmp_path / "home")


@pytest.fixture(autouse=True)
def _place_for_runs(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()


def test_the_newest_commit_of_the_default_branch_is_cloned_each_time(tmp_path: Path, origin: Path) -> None:
    for url in (origin.as_uri(), origin):
        assert _text(_clone(tmp_path, url)) == "1"
    commit(origin, {"n": "2"})
    code = _clone(tmp_path, origin.as_uri())
    assert (_text(code), git(code, "rev-parse", "HEAD")) == ("2", git(origin, "rev-parse", "HEAD"))


def test_a_branch_or_tag_is_cloned(tmp_path: Path, origin: Path) -> None:
    git(origin, "tag", "--annotate", "v1", "--message", "v1")
    git(origin, "checkout", "--quiet", "-b", "feature/x")
    commit(origin, {"n": "2"})
    assert _text(_clone(tmp_path, origin.as_uri(), branch="feature/x")) == "2"
    assert _text(_clone(tmp_path, origin.as_uri(), branch="v1")) == "1"
    assert [GitRepository(url, branch="feature/x").name for url in ("https://h/o/taxi.git", "git@h:taxi.git")] == [
        "taxi-feature-x", "taxi-feature-x",
    ]  # fmt: skip


@pytest.mark.parametrize("length", [40, 8])
def test_a_commit_is_cloned_however_much_of_its_name_is_given(tmp_path: Path, origin: Path, length: int) -> None:
    first = git(origin, "rev-parse", "HEAD")
    commit(origin, {"n": "2"})
    assert _text(_clone(tmp_path, origin.as_uri(), commit_sha=first[:length])) == "1"


def test_a_commit_that_was_fetched_once_needs_no_repository_any_more(tmp_path: Path, origin: Path) -> None:
    sha = git(origin, "rev-parse", "HEAD")
    _clone(tmp_path, origin.as_uri(), commit_sha=sha)
    origin.rename(tmp_path / "elsewhere")
    assert _text(_clone(tmp_path, origin.as_uri(), commit_sha=sha)) == "1"


def test_what_a_run_changes_is_its_own(tmp_path: Path, origin: Path) -> None:
    (_clone(tmp_path, origin.as_uri()) / "n").write_text("changed")
    assert _text(_clone(tmp_path, origin.as_uri())) == "1"


@pytest.mark.parametrize("name", ["..", "/etc", "a/../../b", "."])
def test_a_clone_lies_in_a_folder_of_its_own(tmp_path: Path, origin: Path, name: str) -> None:
    found = GitRepository(origin.as_uri(), name=name)
    assert (tmp_path / "run" / str(found.name)).parent == tmp_path / "run"
    assert str(found.name).strip(".")


def test_what_no_run_has_made_is_not_replaced(tmp_path: Path, origin: Path) -> None:
    work = tmp_path / "run" / "code"
    (work / ".git").mkdir(parents=True)
    with pytest.raises(GitError, match="is there already"):
        _clone(tmp_path, origin.as_uri())
    assert [path.name for path in work.iterdir()] == [".git"]


def test_what_a_killed_process_left_is_made_anew(tmp_path: Path, origin: Path) -> None:
    _clone(tmp_path, origin.as_uri())
    (cache,) = (path for path in (tmp_path / "home" / "git").iterdir() if path.is_dir())
    (cache / ".git" / "index.lock").touch()
    commit(origin, {"n": "2"})
    assert _text(_clone(tmp_path, origin.as_uri())) == "2"


def test_submodules_are_cloned_if_asked_for(tmp_path: Path, origin: Path) -> None:
    outer = repository(tmp_path / "outer", {"own": "3", "other/n": "4"})
    git(outer, "submodule", "--quiet", "add", origin.as_uri(), "inner")
    commit(outer, {})
    assert _text(_clone(tmp_path, outer.as_uri(), include_submodules=True), "inner/n") == "1"
    assert not (_clone(tmp_path, outer.as_uri()) / "inner" / "n").exists()


def test_another_repository_that_the_environment_names_is_left_alone(
    tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository(tmp_path / "other", {"n": "9"})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert _text(_clone(tmp_path, origin.as_uri())) == "1"


def test_two_runs_at_once_get_whole_clones(tmp_path: Path, origin: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from orchestration.sdk.projects.git import GitRepository; "
        "print((GitRepository(sys.argv[1]).clone(Path(sys.argv[2]), Path(sys.argv[3])) / 'n').read_text())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, origin.as_uri(), str(tmp_path / f"run/{number}"), str(tmp_path / "home")],
            stdout=subprocess.PIPE, text=True,
        )
        for number in range(3)
    ]  # fmt: skip
    assert [each.communicate()[0].strip() for each in started] == ["1"] * 3


# -- what cannot be cloned --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"branch": "none"}, "no such branch, tag or commit"),
        ({"commit_sha": "0123456789" * 4}, "could not be cloned"),
        ({"branch": "main", "commit_sha": "abcd"}, "either a branch or a commit"),
        ({"branch": "--upload-pack=touch x"}, "dash"),
        ({"commit_sha": "HEAD~1"}, "is no commit"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(
    tmp_path: Path, origin: Path, wanted: dict[str, str], sentence: str
) -> None:
    with pytest.raises((GitError, ConfigurationError), match=sentence):
        _clone(tmp_path, origin.as_uri(), **wanted)


def test_a_repository_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(GitError, match=r"absent could not be cloned: there is no such repository"):
        _clone(tmp_path, (tmp_path / "absent").as_uri())


def test_a_machine_without_git_is_told_so(tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="install it where flows run"):
        _clone(tmp_path, origin.as_uri())


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("fatal: Could not resolve host: x", "its host is not known"),
        ("fatal: could not read Username for 'https://x': terminal prompts disabled", "wants credentials"),
        ("remote: HTTP Basic: Access denied", "wants credentials"),
        ("git@github.com: Permission denied (publickey).", "none of the SSH keys"),
        ("Host key verification failed.", "is not the one that is known"),
        ("ssh: connect to host x port 22: Connection refused", "does not answer"),
    ],
)
def test_the_cause_is_named(said: str, cause: str) -> None:
    found = next(text for pattern, text in module._SAYS["causes"].items() if re.search(pattern, said, re.IGNORECASE))
    assert cause in found


# -- secrets ----------------------------------------------------------------------------------------


@pytest.fixture
def private(tmp_path: Path, origin: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a server that gives the repository for ``s3cr3t/t0ken``, and whom it has heard."""
    heard: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, _, given = self.headers.get("Authorization", "").partition(" ")
            heard.append(b64decode(given).decode())
            if heard[-1].endswith(":s3cr3t/t0ken"):
                self._answer_with_git()
            else:
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic")
                self.send_header("Content-Length", "0")
                self.end_headers()

        do_POST = do_GET

        def _answer_with_git(self) -> None:
            path, _, query = self.path.partition("?")
            given = {
                "GIT_PROJECT_ROOT": str(origin.parent), "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": self.command,
                "PATH_INFO": path.replace("taxi.git/", "taxi.git/.git/"), "QUERY_STRING": query, "REMOTE_USER": "x",
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            }  # fmt: skip
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            done = subprocess.run(
                ["git", "http-backend"], env={**os.environ, **given}, input=body, capture_output=True, check=True
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            self.wfile.write(b"HTTP/1.0 200 OK\r\n" + head + b"\r\n\r\n" + content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/taxi.git", heard
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("credentials", "user"),
    [
        (Secret[str](value=SecretStr("s3cr3t/t0ken")), "x-access-token"),
        ({"access_token": Secret[str](value=SecretStr("s3cr3t/t0ken")), "username": "eve"}, "eve"),
        ("s3cr3t/t0ken", "x-access-token"), ({"token": "s3cr3t/t0ken"}, "x-access-token"),
        ({"username": "ann", "access_token": "s3cr3t/t0ken"}, "ann"), ("bob:s3cr3t/t0ken", "bob"),
        ({"password": "s3cr3t/t0ken", "username": "pat"}, "pat"),
    ],
)  # fmt: skip
def test_a_token_reaches_the_host_and_lies_nowhere(
    tmp_path: Path, private: tuple[str, list[str]], credentials: Any, user: str
) -> None:
    url, heard = private
    code = _clone(tmp_path, url, credentials=credentials)
    assert _text(code) == "1"
    assert f"{user}:s3cr3t/t0ken" in heard
    files = [path for path in (*code.rglob("*"), *(tmp_path / "home").rglob("*")) if path.is_file()]
    assert files
    assert [path for path in files if b"s3cr3t" in path.read_bytes()] == []


def test_a_token_in_the_address_is_taken_out_of_it(tmp_path: Path, private: tuple[str, list[str]]) -> None:
    repository = GitRepository(private[0].replace("//", "//carl:s3cr3t%2Ft0ken@"))
    assert repository.url == private[0]
    assert "s3cr3t" not in repr(repository)
    assert _text(repository.clone(tmp_path / "run" / "code", tmp_path / "home")) == "1"
    assert "carl:s3cr3t/t0ken" in private[1]


def test_a_user_in_the_address_is_no_secret() -> None:
    with GitRepository("https://team@git.example.com/x.git")._environment() as environment:
        assert "GIT_ASKPASS" not in environment
    assert GitRepository("https://team@git.example.com/x.git", "t0ken").url == "https://team@git.example.com/x.git"
    assert GitRepository(f"https://{'t0ken' * 8}@git.example.com/x.git").url == "https://git.example.com/x.git"


def test_only_what_lies_on_this_machine_may_have_submodules_there() -> None:
    addresses = {"file:///x": True, "/x": True, "ssh://h/x": False, "git@h:x": False, "https://h/x": False}
    for url, is_here in addresses.items():
        with GitRepository(url)._environment() as environment:
            assert (environment.get("GIT_CONFIG_KEY_0") == "protocol.file.allow") == is_here


def test_a_wrong_token_is_said_without_showing_it(tmp_path: Path, private: tuple[str, list[str]]) -> None:
    for wrong in ("wr0ng-t0ken", None):
        with pytest.raises(GitError, match="the host wants credentials, or does not accept those given") as caught:
            _clone(tmp_path, private[0], credentials=wrong)
        assert "wr0ng" not in str(caught.value)


def test_another_host_is_not_told_the_token(tmp_path: Path, private: tuple[str, list[str]]) -> None:
    with GitRepository("https://git.example.com/x.git", "s3cr3t")._environment() as environment:
        for host, code in (("git.example.com", 0), ("evil.com", 1), ("evil.com/git.example.com", 1)):
            command = [environment["GIT_ASKPASS"], f"Password for 'https://u@{host}': "]
            done = subprocess.run(command, env=environment, capture_output=True, check=False)
            assert (done.returncode, b"s3cr3t" in done.stdout) == (code, code == 0)


def test_an_ssh_key_is_given_to_ssh_in_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("KEY\n")
    for key in ("-----BEGIN\nKEY\n-----END", str(tmp_path / "id")):
        with GitRepository("git@h:x.git", {"ssh_key": key})._environment() as environment:
            file = Path(environment["GIT_SSH_COMMAND"].rpartition(" ")[2])
            assert ("KEY" in file.read_text(), file.stat().st_mode & 0o777) == (True, 0o600)
            assert "BatchMode=yes" in environment["GIT_SSH_COMMAND"]
        assert not file.exists()


def test_the_step_of_a_repository_names_the_block_of_its_credentials() -> None:
    secret: Secret[Any] = Secret(value=SecretStr("t0ken-t0ken"))
    with pytest.raises(ConfigurationError, match="save them as a block"):
        GitRepository("https://h/x.git", secret).to_pull_step()
    secret.save("github")
    (named,) = GitRepository("https://h/x.git", {"access_token": secret, "username": "u"}).to_pull_step().values()
    assert named["credentials"] == {"access_token": "{{ prefect.blocks.secret.github }}", "username": "u"}
    (step,) = GitRepository("https://h/x.git", secret, branch="b").to_pull_step().values()
    assert step == {"repository": "https://h/x.git", "branch": "b", "credentials": "{{ prefect.blocks.secret.github }}"}
