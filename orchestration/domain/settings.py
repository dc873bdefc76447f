"""All settings, read once at an entry point into one frozen value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from orchestration.domain.errors import ConfigurationError

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


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
    server_csrf_protection: bool = False
    database_url: str | None = field(default=None, repr=False)
    sqlite_synchronous: str = "NORMAL"
    encryption_key: str | None = field(default=None, repr=False)
    logging_level: str = "INFO"
    logging_to_store: bool = True
    logging_extra_loggers: tuple[str, ...] = ()
    log_prints: bool = False
    persist_results: bool = False
    local_storage_path: Path | None = None
    task_runner_max_workers: int | None = None
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
CHOICE = f"{PREFIX}PROFILE"
"""The variable that names a profile for one process."""
PEER_NAMES = ("HOME", "API_URL", "API_KEY", "API_AUTH_STRING")
"""The settings whose Prefect variable is read as well."""

_NAMED_OTHERWISE = {
    "logging_to_store": "LOGGING_TO_API_ENABLED",
    "log_prints": "LOGGING_LOG_PRINTS",
    "persist_results": "RESULTS_PERSIST_BY_DEFAULT",
    "server_csrf_protection": "SERVER_CSRF_PROTECTION_ENABLED",
    "task_runner_max_workers": "TASK_RUNNER_THREAD_POOL_MAX_WORKERS",
}
VARIABLES: Mapping[str, str] = {
    each.name: PREFIX + _NAMED_OTHERWISE.get(each.name, each.name.upper()) for each in fields(Settings)
}
"""By field, the variable that sets it."""

SECRETS = frozenset(VARIABLES[each.name] for each in fields(Settings) if not each.repr)
"""Variables whose values are shown to nobody who does not ask for them."""


def home_of(environ: Mapping[str, str], user_home: Path) -> Path:
    """The folder of everything that outlives a run."""
    return Path(_Reader(environ).text("HOME") or user_home / ".orchestration").expanduser().absolute()


def read_settings(environ: Mapping[str, str], user_home: Path) -> Settings:
    """The settings that an environment describes.

    ``ORCHESTRATION_X`` wins over ``PREFECT_X``, which is read only for the four names that locate a
    server or the home folder, so that an environment made for Prefect keeps its meaning.

    Raises:
        ConfigurationError: a value is not of its kind; the message names the variable.
    """
    get = _Reader(environ)
    return Settings(
        home=home_of(environ, user_home),
        api_url=get.text("API_URL"),
        api_key=get.text("API_KEY"),
        api_auth_string=get.text("API_AUTH_STRING"),
        api_request_timeout=get.seconds("API_REQUEST_TIMEOUT", 60.0),
        api_outage_limit=get.seconds("API_OUTAGE_LIMIT", 86_400.0),
        server_api_auth_string=get.text("SERVER_API_AUTH_STRING"),
        server_csrf_protection=get.flag("SERVER_CSRF_PROTECTION_ENABLED", False),
        database_url=get.text("DATABASE_URL"),
        sqlite_synchronous=get.choice("SQLITE_SYNCHRONOUS", ("NORMAL", "FULL")),
        encryption_key=get.text("ENCRYPTION_KEY"),
        logging_level=get.choice("LOGGING_LEVEL", ("INFO", *LOG_LEVELS)),
        logging_to_store=get.flag("LOGGING_TO_API_ENABLED", True),
        logging_extra_loggers=get.names("LOGGING_EXTRA_LOGGERS"),
        log_prints=get.flag("LOGGING_LOG_PRINTS", False),
        persist_results=get.flag("RESULTS_PERSIST_BY_DEFAULT", False),
        local_storage_path=_path(get.text("LOCAL_STORAGE_PATH")),
        task_runner_max_workers=get.count("TASK_RUNNER_THREAD_POOL_MAX_WORKERS", least=1),
        flow_default_retries=get.count("FLOW_DEFAULT_RETRIES") or 0,
        flow_default_retry_delay_seconds=get.seconds("FLOW_DEFAULT_RETRY_DELAY_SECONDS"),
        task_default_retries=get.count("TASK_DEFAULT_RETRIES") or 0,
        task_default_retry_delay_seconds=get.seconds("TASK_DEFAULT_RETRY_DELAY_SECONDS"),
    )


class _Reader:
    """Reads one variable at a time and names it when it is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        value = self._environ.get(PREFIX + name, "").strip()
        if not value and name in PEER_NAMES:
            value = self._environ.get(PEER_PREFIX + name, "").strip()
        return value or None

    def names(self, name: str) -> tuple[str, ...]:
        parts = (part.strip() for part in (self.text(name) or "").split(","))
        return tuple(part for part in parts if part)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = (self.text(name) or allowed[0]).upper()
        if value not in allowed:
            raise ConfigurationError(
                f"ORCHESTRATION_{name} is {value!r}; use one of {', '.join(sorted(set(allowed)))}."
            )
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = (self.text(name) or str(default)).lower()
        if value not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
            raise ConfigurationError(f"ORCHESTRATION_{name} is {value!r}; use true or false.")
        return value in ("1", "true", "yes", "on")

    def count(self, name: str, least: int = 0) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not value.isdecimal() or int(value) < least:
            raise ConfigurationError(f"ORCHESTRATION_{name} is {value!r}; use a whole number, {least} or more.")
        return int(value)

    def seconds(self, name: str, default: float = 0.0) -> float:
        value = self.text(name) or str(default)
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            raise ConfigurationError(f"ORCHESTRATION_{name} is {value!r}; use a number of seconds, 0 or more.")
        return seconds


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser().absolute() if text else None
