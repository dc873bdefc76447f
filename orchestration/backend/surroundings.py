"""What surrounds a process: its environment, and the profiles in the home folder that complete it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from orchestration.domain.errors import ConfigurationError
from orchestration.domain.settings import (
    CHOICE,
    FILE,
    Profiles,
    Settings,
    effective_environ,
    home_of,
    profiles_of,
    read_settings,
)


def current_settings() -> Settings:
    """The settings of this process: its environment, and what the profile in use adds to it."""
    return read_settings(current_environ(), Path.home())


def current_environ() -> Mapping[str, str]:
    """The environment of this process with what the profile in use adds to it."""
    text = _profiles_text()
    return effective_environ(os.environ, text) if text or os.environ.get(CHOICE) else os.environ


def read_profiles() -> Profiles:
    """The profiles in the home folder."""
    return profiles_of(_profiles_text())


def _profiles_text() -> str:
    path = home_of(os.environ, Path.home()) / FILE
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The profiles in {path} cannot be read: {error}.") from None
