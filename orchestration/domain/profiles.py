"""Profiles: named sets of settings in a file, one of which fills what the environment leaves unset."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.domain.errors import ConfigurationError, ObjectNotFound
from orchestration.domain.settings import CHOICE, PEER_NAMES, PEER_PREFIX, PREFIX, VARIABLES

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
