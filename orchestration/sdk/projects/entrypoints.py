"""From an entrypoint, ``path/to/file.py:function`` or ``package.module:function``, to the flow that it names."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from orchestration.domain.errors import ConfigurationError, UsageError
from orchestration.sdk.decorating import Decorated


def load_flow(entrypoint: str, folder: Path) -> Any:
    """The flow of an entrypoint; its file's folder and ``folder`` stay on the path of imports, for imports to come.

    Raises:
        UsageError: the entrypoint is none.
        ConfigurationError: the file is not there, cannot be imported, or has no such flow.
    """
    place, _, name = entrypoint.rpartition(":")
    if not place or not name:
        raise UsageError(f"{entrypoint!r} is no entrypoint; write path/to/file.py:function or package.module:function.")
    file = folder.resolve() / place if place.endswith(".py") or "/" in place else None
    if file and not file.is_file():
        raise ConfigurationError(f"There is no file {place!r} in {folder}.")
    for path in (str(folder.resolve()), *([str(file.parent)] if file else [])):
        sys.path[:] = [path, *(each for each in sys.path if each != path)]
    try:
        found: Any = _loaded(file) if file else import_module(place)
    except Exception as error:
        raise ConfigurationError(f"{place!r} cannot be imported: {type(error).__name__}: {error}.") from error
    for part in name.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, Decorated) and found._kind == "flow"):
        what = "is not there" if found is None else "is no flow; put @flow above it"
        raise ConfigurationError(f"{name!r} of the entrypoint {entrypoint!r} {what}.")
    return found


def _loaded(file: Path) -> ModuleType:
    """A file as a module, under a name that no other has, so that what is pickled is found by it."""
    spec: Any = spec_from_file_location(f"__flow_of_{file.stem}_{abs(hash(str(file)))}__", file)
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
