"""From an entrypoint, ``path/to/file.py:function`` or ``package.module:function``, to the flow that it names."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from orchestration.domain.errors import ConfigurationError, UsageError
from orchestration.sdk.flows import Flow


def load_flow(entrypoint: str, folder: Path) -> Flow[..., Any]:
    """The flow of an entrypoint; its file's folder and ``folder`` stay on the path of imports, for imports to come.

    Raises:
        UsageError: the entrypoint is none.
        ConfigurationError: the file is not there, cannot be imported, or has no such flow.
    """
    place, _, name = entrypoint.rpartition(":")
    if not place or not name:
        raise UsageError(f"{entrypoint!r} is no entrypoint; write path/to/file.py:function or package.module:function.")
    value: Any = _module(place, folder.resolve())
    for part in name.split("."):
        value = getattr(value, part, None)
    if not isinstance(value, Flow):
        what = "is no flow; put @flow above it" if value is not None else "is not there"
        raise ConfigurationError(f"{name!r} of the entrypoint {entrypoint!r} {what}.")
    return value


def _module(place: str, folder: Path) -> ModuleType:
    is_file = place.endswith(".py") or "/" in place
    file = folder / place
    if is_file and not file.is_file():
        raise ConfigurationError(f"There is no file {place!r} in {folder}.")
    for path in dict.fromkeys((str(folder), str(file.parent))) if is_file else (str(folder),):
        if path in sys.path:
            sys.path.remove(path)
        sys.path.insert(0, path)
    try:
        return _loaded(file) if is_file else import_module(place)
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        where = f" ({line.filename}, line {line.lineno})"
        raise ConfigurationError(f"{place!r} cannot be imported: {type(error).__name__}: {error}{where}.") from error


def _loaded(file: Path) -> ModuleType:
    """A file as a module, under a name that no other has, so that what is pickled is found by it."""
    name = f"__flow_of_{file.stem}_{abs(hash(str(file)))}__"
    spec = spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None  # noqa: S101 - it is a file of Python's
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
