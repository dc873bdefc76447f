"""Code from git: each commit is fetched once, into the home folder, and copied from there to where a run wants it.

No secret is in an address, an argument or a file of git's: a token reaches git by ``GIT_ASKPASS``, an SSH key by a file
that is gone afterwards.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from orchestration.domain.errors import ConfigurationError, OrchestrationError
from orchestration.domain.schemas.wire import Document
from orchestration.sdk.block_model import BlockModel, revealed
from orchestration.sdk.logs import redact, remember_secret

_MARK = ".git/made-for-runs"
_ASKPASS = Path(__file__).with_name("askpass.sh")
_SAYS = tomllib.loads(_ASKPASS.with_name("git.toml").read_text(encoding="utf-8"))
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=30 -o StrictHostKeyChecking=accept-new"
SHORTEST_TOKEN = 20
OPTIONS = ("branch", "commit_sha", "include_submodules")
_SECRETS = ("access_token", "token", "password", "value")


class GitError(OrchestrationError):
    """Git could not give the code; the sentence says why."""

    is_users_mistake = True


@dataclass
class GitRepository:
    """What is wanted of a repository: its default branch, a branch or tag, or a commit.

    ``credentials`` are a token, a block, or values, which may be blocks in turn: ``access_token`` or ``token``,
    ``username``, or ``ssh_key``, the text of a key or the path of its file. Those in the address are taken out of it.
    """

    url: str
    credentials: Any = field(default=None, repr=False)
    name: str | None = None
    branch: str | None = None
    commit_sha: str | None = None
    include_submodules: bool = False
    pull_interval: int | None = 60

    def __post_init__(self) -> None:
        if (self.branch and self.commit_sha) or f"{self.branch}".startswith("-"):
            raise ConfigurationError("Name either a branch or a commit to clone; neither begins with a dash.")
        if not re.fullmatch(r"[0-9a-fA-F]{4,64}", self.commit_sha or "0000"):
            raise ConfigurationError(f"{self.commit_sha!r} is no commit; branches and tags are given as branch.")
        parts = urlsplit(self.url)
        given = self.credentials if isinstance(self.credentials, Mapping) else _values(self.credentials)
        user, _, host = parts.netloc.rpartition("@") if parts.scheme.startswith("http") else ("", "", "")
        named = unquote(user) if ":" in user or len(user) >= SHORTEST_TOKEN else ""  # else it is but a name
        self.host, self.url = host, parts._replace(netloc=host).geturl() if named else self.url
        found = {name: str(text) for name, value in given.items() for text in _values(value).values() if text}
        token = next((found[name] for name in _SECRETS if name in found), named)
        prefix, self._token = ("", *token.split(":", 1))[-2:]  # a user, or a provider's prefix, may stand before it
        usual = next(user for part, user in _SAYS["users"].items() if part in f"{host}.")
        self._user, self._key = found.get("username") or prefix or usual, found.get("ssh_key", "")
        remember_secret(self._token)
        bare = re.split(r"[/:]", self.url.rstrip("/"))[-1].removesuffix(".git")
        self.name = re.sub(r"[^\w.-]+|^\.+", "-", self.name or f"{bare}-{self.branch or ''}").strip("-") or "code"

    def to_pull_step(self) -> Document:
        """The step that clones it; its credentials stay where they are saved, and are named."""
        step = {"repository": self.url, **{name: getattr(self, name) for name in OPTIONS}}
        if isinstance(self.credentials, Mapping):
            step["credentials"] = {name: _saved(value, name) for name, value in self.credentials.items()}
        elif self.credentials or self._token:
            step["credentials"] = _saved(self.credentials)
        return {"prefect.deployments.steps.git_clone": {name: value for name, value in step.items() if value}}

    def clone(self, to: Path, home: Path) -> Path:
        """The folder ``to`` with the wanted code, a clone of its own, instead of any that was made there before.

        Raises:
            GitError: git could not give it, or something else is there.
        """
        if to.exists() and not (to / _MARK).exists():
            raise GitError(f"{to} is there already, and no clone that a run has made; nothing was cloned into it.")
        cache = home / "git" / sha256(f"{self.url} {self.include_submodules}".encode()).hexdigest()[:24]
        cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with cache.with_suffix(".lock").open("w") as lock, self._environment() as environment:
            fcntl.flock(lock, fcntl.LOCK_EX)
            shutil.rmtree(to, ignore_errors=True)
            with suppress(GitError):  # what is kept may be what a killed process has left
                if cache.is_dir():
                    self._fetch(cache, environment)
                    return Path(shutil.copytree(cache, to, symlinks=True))
            shutil.rmtree(cache, ignore_errors=True)
            self._fetch(cache, environment)
            return Path(shutil.copytree(cache, to, symlinks=True))

    def _fetch(self, to: Path, environment: Mapping[str, str]) -> None:
        git = partial(_git, self.url, to, environment)
        to.mkdir(exist_ok=True)
        git("init", "--quiet")
        git("config", "remote.origin.url", self.url)
        newest, all_of_it = ["fetch", "--quiet", "--depth=1", "origin"], "+refs/heads/*:refs/remotes/origin/*"
        tries = [[*newest, self.branch or "HEAD"]]
        if self.commit_sha:  # it may be here; the last is for a short name, and for servers that give branches only
            known = ["cat-file", "-e", f"{self.commit_sha}^{{commit}}"]
            tries = [known, [*newest, self.commit_sha], ["fetch", "--quiet", "--tags", "origin", all_of_it]]
        for words in tries[:-1]:
            with suppress(GitError):
                git(*words)
                break
        else:
            git(*tries[-1])
        git("checkout", "--quiet", "--force", "--detach", self.commit_sha or "FETCH_HEAD")
        git("clean", "-ffdxq")
        (to / _MARK).touch()
        if self.include_submodules:
            git("submodule", "--quiet", "update", "--init", "--recursive", "--force")

    @contextmanager
    def _environment(self) -> Iterator[Mapping[str, str]]:
        """Git's environment: nobody is there to be asked, and the host that asks for a secret is given it."""
        added = {**_SAYS["environment"], "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", _SSH)}
        with tempfile.TemporaryDirectory(prefix="git-") as folder:
            askpass, key = Path(folder) / "askpass", Path(folder) / "key"
            if self._token and self.host:
                askpass.touch(mode=0o700)
                askpass.write_text(_ASKPASS.read_text("utf-8"), "utf-8")
                added |= {"ASKPASS_HOST": self.host, "ASKPASS_USER": self._user, "ASKPASS_SECRET": self._token}
                added |= {"GIT_ASKPASS": str(askpass), **_config("credential.helper", "")}
            if self._key:
                text = self._key if "\n" in self._key.strip() else Path(self._key).expanduser().read_text("utf-8")
                key.touch(mode=0o600)
                key.write_text(f"{text.strip()}\n", "utf-8")
                added["GIT_SSH_COMMAND"] = f"{_SSH} -o IdentitiesOnly=yes -i {key}"
            if re.match(r"file://|[^:]+$", self.url):  # a folder of this machine, and so are its submodules
                added |= _config("protocol.file.allow", "always")
            elsewhere = _SAYS["of_other_repositories"]
            yield {name: value for name, value in (os.environ | added).items() if name not in elsewhere}


def _values(given: Any) -> Mapping[str, Any]:
    """The values of credentials: of a block, or a text that is a token."""
    return revealed(given) if isinstance(given, BlockModel) else {"token": given}


def _saved(given: Any, name: str = "") -> Any:
    """What a deployment keeps of credentials: where they are saved, and who has them."""
    if saved := getattr(given, "_block_document_name", None):
        return f"{{{{ prefect.blocks.{given.get_block_type_slug()}.{saved} }}}}"
    if name != "username":
        raise ConfigurationError("A deployment keeps no credentials; save them as a block, and give the block.")
    return given


def _config(name: str, value: str) -> dict[str, str]:
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": name, "GIT_CONFIG_VALUE_0": value}


def _git(url: str, where: Path, environment: Mapping[str, str], *words: str) -> None:
    """Do something with git; what it says of its failure becomes a sentence."""
    try:
        done = subprocess.run(["git", *words], cwd=where, env=environment, capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError as error:
        raise GitError(f"git cannot be started ({error}); install it where flows run.") from None
    if done.returncode:
        said = redact(done.stderr.strip()) or f"exit code {done.returncode}"
        why = next((cause for part, cause in _SAYS["causes"].items() if re.search(part, said, re.IGNORECASE)), "")
        raise GitError(f"{url} could not be cloned: {why or 'git failed'} (git: {said.splitlines()[-1]}).")

