"""What surrounds a process: its environment, the profiles that complete it, and the processes beside it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from orchestration.domain import settings
from orchestration.domain.errors import ConfigurationError
from orchestration.domain.schemas.runs import Owner


def current_settings() -> settings.Settings:
    """The settings of this process: its environment, and what the profile in use adds to it."""
    return settings.read_settings(current_environ(), Path.home())


def current_environ() -> Mapping[str, str]:
    """The environment of this process with what the profile in use adds to it."""
    text = _profiles_text()
    return settings.effective_environ(os.environ, text) if text or os.environ.get(settings.CHOICE) else os.environ


def read_profiles() -> settings.Profiles:
    """The profiles in the home folder."""
    return settings.profiles_of(_profiles_text())


def _profiles_text() -> str:
    path = settings.home_of(os.environ, Path.home()) / settings.FILE
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The profiles in {path} cannot be read: {error}.") from None


# What is said of a run whose process has died.
DIED = "The process of this run ended without a word; it was killed, or its machine went down."

_PROC = Path("/proc")


def this_process() -> Owner:
    """The identity of the calling process; its parts cannot all come back in another one."""
    return process(os.getpid())


@lru_cache(maxsize=4)
def process(pid: int) -> Owner:
    """The identity of a running process of this host."""
    return Owner(_host(), _boot(), pid, _started(pid) or "")


def is_dead(owner: Owner) -> bool:
    """Whether the process has certainly ended; ``False`` for processes of other hosts, which cannot be told."""
    if owner.host != _host():
        return False
    if owner.boot != _boot():
        return True
    return owner.started != "" and _started(owner.pid) != owner.started


@lru_cache(maxsize=1)
def _host() -> str:
    """This host and process namespace: two containers on one machine do not see each other's processes."""
    try:
        namespace = str((_PROC / "self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{platform.node()} {namespace}".strip()


@lru_cache(maxsize=1)
def _boot() -> str:
    return _read("sys/kernel/random/boot_id").strip()


def _started(pid: int) -> str | None:
    """When the process started, in the kernel's ticks since boot; ``None`` when there is no such process."""
    if not _PROC.is_dir():
        return _started_by_ps(pid)
    fields = _read(f"{pid}/stat").rpartition(")")[2].split()
    return fields[19] if fields and fields[0] not in ("Z", "X") else None  # not that of a zombie


def _read(file: str) -> str:
    """What the kernel tells in a file; nothing where there is none."""
    try:
        return (_PROC / file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _started_by_ps(pid: int) -> str | None:
    """The start time on systems without ``/proc``, such as macOS."""
    command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    same_for_all = {"TZ": "UTC", "LC_ALL": "C"}  # or two processes would read two different start times
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=same_for_all)  # noqa: S603
    except OSError:
        return None
    return answer.stdout.strip() or None
