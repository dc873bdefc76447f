"""All settings, read once at an entry point into one frozen value; profiles, which fill it; who may reach a server."""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Literal

from orchestration.domain.errors import ConfigurationError, ObjectNotFound

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _named(variable: str, default: Any) -> Any:
    """A setting whose variable is called otherwise than its field."""
    return field(default=default, metadata={"variable": variable})


@dataclass(frozen=True, slots=True)
class Settings:
    """What an entry point needs to know of its surroundings; ``read_settings`` names the variable of each field."""

    home: Path
    api_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    api_auth_string: str | None = field(default=None, repr=False)
    api_request_timeout: float = 60.0
    api_outage_limit: float = 86_400.0
    server_api_auth_string: str | None = field(default=None, repr=False)
    server_csrf_protection: bool = _named("SERVER_CSRF_PROTECTION_ENABLED", False)
    database_url: str | None = field(default=None, repr=False)
    sqlite_synchronous: str = "NORMAL"
    encryption_key: str | None = field(default=None, repr=False)
    logging_level: str = "INFO"
    logging_to_store: bool = _named("LOGGING_TO_API_ENABLED", True)
    logging_extra_loggers: tuple[str, ...] = ()
    log_prints: bool = _named("LOGGING_LOG_PRINTS", False)
    persist_results: bool = _named("RESULTS_PERSIST_BY_DEFAULT", False)
    local_storage_path: Path | None = None
    task_runner_max_workers: int | None = _named("TASK_RUNNER_THREAD_POOL_MAX_WORKERS", None)
    flow_default_retries: int = 0
    flow_default_retry_delay_seconds: float = 0.0
    task_default_retries: int = 0
    task_default_retry_delay_seconds: float = 0.0

    @property
    def database_path(self) -> Path:
        """Where the embedded SQLite store lies."""
        return self.home / "orchestration.db"

    @property
    def storage_path(self) -> Path:
        """Where persisted results lie."""
        return self.local_storage_path or self.home / "storage"


PREFIX, PEER_PREFIX = "ORCHESTRATION_", "PREFECT_"
# The variable that names a profile for one process.
CHOICE = f"{PREFIX}PROFILE"
# The settings whose Prefect variable is read as well.
PEER_NAMES = ("HOME", "API_URL", "API_KEY", "API_AUTH_STRING")

# By field, the variable that sets it.
VARIABLES = {each.name: f"{PREFIX}{each.metadata.get('variable', each.name.upper())}" for each in fields(Settings)}
# Variables whose values are shown to nobody who does not ask for them.
SECRETS = frozenset(VARIABLES[each.name] for each in fields(Settings) if not each.repr)


def home_of(environ: Mapping[str, str], user_home: Path) -> Path:
    """The folder of everything that outlives a run."""
    return Path(_text(environ, f"{PREFIX}HOME") or user_home / ".orchestration").expanduser().absolute()


def read_settings(environ: Mapping[str, str], user_home: Path) -> Settings:
    """The settings that an environment describes.

    ``ORCHESTRATION_X`` wins over ``PREFECT_X``, which is read only for the four names that locate a
    server or the home folder, so that an environment made for Prefect keeps its meaning.

    Raises:
        ConfigurationError: a value is not of its kind; the message names the variable.
    """
    given = {each: _text(environ, VARIABLES[each.name]) for each in fields(Settings) if each.name != "home"}
    values = {each.name: _value(each, text) for each, text in given.items() if text}
    return Settings(home=home_of(environ, user_home), **values)


def _text(environ: Mapping[str, str], variable: str) -> str:
    name = variable.removeprefix(PREFIX)
    theirs = environ.get(PEER_PREFIX + name, "") if name in PEER_NAMES else ""
    return environ.get(variable, "").strip() or theirs.strip()


def _value(setting: Field[Any], text: str) -> Any:
    """What a text says for a setting, by its type and name."""
    read, advice = _READERS.get(setting.name) or _READERS[str(setting.type)]
    try:
        return read(text)
    except (KeyError, ValueError):
        raise ConfigurationError(f"{VARIABLES[setting.name]} is {text!r}; use {advice}.") from None


def _number(text: str, kind: type[Any] = int, least: int = 0) -> Any:
    if not least <= (number := kind(text)) < math.inf:
        raise ValueError(text)
    return number


def _choice(*allowed: str) -> tuple[Callable[[str], Any], str]:
    return lambda text: {each: each for each in allowed}[text.upper()], f"one of {', '.join(sorted(allowed))}"


_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
# By the type of a setting, or by its name: how its text is read, and what to write instead of a wrong one.
_READERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "str | None": (str, "a text"), "int": (_number, "a whole number, 0 or more"),
    "int | None": (partial(_number, least=1), "a whole number, 1 or more"),
    "float": (partial(_number, kind=float), "a number of seconds, 0 or more"),
    "bool": (lambda text: _FLAGS[text.lower()], "true or false"),
    "tuple[str, ...]": (lambda text: tuple(text.replace(",", " ").split()), "names with commas between them"),
    "Path | None": (lambda text: Path(text).expanduser().absolute(), "a path"),
    "sqlite_synchronous": _choice("NORMAL", "FULL"), "logging_level": _choice(*LOG_LEVELS),
}


# -- profiles ----------------------------------------------------------------------------------------------------------

FILE = "profiles.toml"
# The profile of those who have made none.
DEFAULT = "default"

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles by name, each with its values by variable, and which of them is in use."""

    active: str = DEFAULT
    by_name: Mapping[str, Values] = field(default_factory=lambda: {DEFAULT: {}})

    def values(self, name: str) -> Values:
        """The values of a profile; ``ObjectNotFound`` when there is none of that name."""
        if name not in self.by_name:
            raise ObjectNotFound(f"There is no profile {name!r}; list them with `orchestrate profile ls`.")
        return self.by_name[name]

    def having(self, name: str, values: Values) -> Profiles:
        """These profiles and one more, or one with other values."""
        return Profiles(self.active, {**self.by_name, name: values})

    def using(self, name: str) -> Profiles:
        """These profiles with another one in use."""
        self.values(name)
        return Profiles(name, self.by_name)


def profiles_of(text: str) -> Profiles:
    """The profiles that a file describes.

    Raises:
        ConfigurationError: it is not TOML, or has something other than a table of values for a profile.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The file {FILE} cannot be read: {error}; mend it, or move it away.") from None
    tables: Any = document.get("profiles", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigurationError(f"The file {FILE} must have a table [profiles.NAME] for each profile.")
    by_name = {name: {key: str(value) for key, value in table.items()} for name, table in tables.items()}
    return Profiles(str(document.get("active", DEFAULT)), by_name or {DEFAULT: {}})


def text_of(profiles: Profiles) -> str:
    """The file that describes profiles."""
    text = f"active = {_quoted(profiles.active)}\n"
    for name, values in profiles.by_name.items():
        lines = (f"{key} = {_quoted(values[key])}\n" for key in sorted(values))
        text += f"\n[profiles.{_quoted(name)}]\n{''.join(lines)}"
    return text


def chosen(environ: Mapping[str, str], profiles: Profiles) -> str:
    """The name of the profile that a process uses."""
    return environ.get(CHOICE) or profiles.active


def effective_environ(environ: Mapping[str, str], text: str) -> Mapping[str, str]:
    """The environment, and from the profile in use what it does not set; a variable that is empty counts as set.

    Raises:
        ConfigurationError: the file cannot be read.
        ObjectNotFound: the environment names a profile that is not there.
    """
    profiles = profiles_of(text)
    values = profiles.values(chosen(environ, profiles))
    return {**{key: value for key, value in values.items() if not _is_set(environ, key)}, **environ}


def variable(name: str) -> str:
    """The variable that a person means; Prefect's name will do where the setting has one.

    Raises:
        ConfigurationError: no setting has that name, or no profile can set it.
    """
    bare = name.strip().upper().removeprefix(PREFIX).removeprefix(PEER_PREFIX)
    if bare == "HOME":
        raise ConfigurationError(f"{PREFIX}HOME says where the profiles are; set it in the environment.")
    if PREFIX + bare not in VARIABLES.values():
        raise ConfigurationError(f"There is no setting {name!r}; `orchestrate config view` lists all.")
    return PREFIX + bare


def _is_set(environ: Mapping[str, str], key: str) -> bool:
    bare = key.removeprefix(PREFIX)
    return key in environ or (bare in PEER_NAMES and PEER_PREFIX + bare in environ)


def _quoted(text: str) -> str:
    """A string as TOML has it; JSON's escapes are TOML's, but for the one sign that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


# -- API keys ----------------------------------------------------------------------------------------------------------

# How every key begins, so that people and secret scanners know one when they see it.
KEY_PREFIX = "orc_"


class Role(StrEnum):
    """What the holder of a key may do; each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


def new_key() -> str:
    """A key with 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """What a server keeps in place of a key: SHA-256, in hex; so many random bits need no salt and no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()


# -- addresses ---------------------------------------------------------------------------------------------------------

CLOUD = "prefect.cloud"
# Where a server listens unless told otherwise: Prefect's port, on this machine only.
HOST, PORT = "127.0.0.1", 4200


def server_type(api_url: str | None) -> Literal["ephemeral", "server", "cloud"]:
    """What Prefect calls the place where runs are kept; ephemeral is this machine's database, without a server."""
    if api_url is None:
        return "ephemeral"
    host = api_url.partition("://")[2].partition("/")[0].partition(":")[0]
    return "cloud" if host == CLOUD or host.endswith(f".{CLOUD}") else "server"


def is_loopback(host: str) -> bool:
    """Whether only processes of the same machine can reach an address."""
    return re.fullmatch(r"localhost|127(\.\d{1,3}){3}|\[?::1\]?", host) is not None


def check_exposure(host: str, settings: Settings, has_keys: bool) -> None:
    """Refuse to let others reach a server that asks nobody who they are.

    Args:
        host: the address to listen on.
        has_keys: whether the server knows any API key.

    Raises:
        ConfigurationError: others could, and nothing protects it.
    """
    if not (is_loopback(host) or settings.server_api_auth_string or has_keys):
        raise ConfigurationError(
            f"Anybody who reaches {host} could use this server; make a key first with "
            "`orchestrate server key create NAME --role admin`, or set a user and a password with "
            "ORCHESTRATION_SERVER_API_AUTH_STRING=user:password."
        )


def url_of(host: str, port: int) -> str:
    """The address of a server's interface, as this machine reaches it."""
    reached = {"0.0.0.0": HOST, "::": "::1"}.get(host, host)  # noqa: S104 - what is bound, not a bind
    return f"http://[{reached}]:{port}/api" if ":" in reached else f"http://{reached}:{port}/api"
