"""Project files: ``prefect.yaml`` of Prefect 3, and the pair ``prefect.yaml`` and ``deployment.yaml`` of 2.10."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

import yaml

from orchestration.domain.errors import ConfigurationError, OrchestrationError
from orchestration.domain.schemas.wire import Document
from orchestration.sdk.projects.pulling import read_step

FILE, OLD_FILE = "prefect.yaml", "deployment.yaml"
STEPS = ("build", "push", "pull")
_TEXT, _YES, _DICT, _LIST = (str,), (bool,), (dict,), (list,)
FIELDS: dict[str, tuple[type, ...]] = {
    "name": _TEXT, "entrypoint": _TEXT, "flow_name": _TEXT, "description": _TEXT, "version_type": _TEXT,
    "version": (str, int, float), "tags": (list, str), "parameters": _DICT, "enforce_parameter_schema": _YES,
    "paused": _YES, "schedule": _DICT, "schedules": _LIST, "work_pool": _DICT, "concurrency_limit": (int, dict),
    **dict.fromkeys(STEPS, (list, dict)),
}  # fmt: skip
"""What a deployment may say, and as what."""
_CALLED = {str: "a text", bool: "true or false", dict: "a mapping", list: "a list", int: "a number", float: "a number"}
_TRIGGERS = "Triggers are not for files here: make a notification with `orchestrate notification create` instead."


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Dates stay text, as JSON has them."""

    yaml_implicit_resolvers: ClassVar[Any] = {
        first: [each for each in known if each[0] != "tag:yaml.org,2002:timestamp"]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass(frozen=True)
class Source:
    """A file, or what a command says instead of one: its content, and where in it each part is."""

    data: Any
    path: Path | None = None
    node: Any = None

    @contextmanager
    def at(self, *place: str | int) -> Iterator[None]:
        """Put the file and the line of a part of it before what is said of that part."""
        try:
            yield
        except OrchestrationError as error:
            if self.path is None:
                raise
            node = self.node
            for part in place:
                pairs = node.value if isinstance(node, yaml.MappingNode) else ()
                by_name = {str(key.value): of for key, of in pairs}
                node = node.value[part] if isinstance(part, int) else by_name.get(part, node)
            raise ConfigurationError(f"{self.path}:{node.start_mark.line + 1}: {error}") from error


@dataclass(frozen=True)
class Entry:
    """A deployment that somebody wants: what is said of it, over what holds for the whole file."""

    data: Document
    source: Source
    place: tuple[str | int, ...] = ()

    def at(self, field: str) -> Any:
        """As ``Source.at``."""
        return self.source.at(*self.place, field)


def read_project(folder: Path) -> tuple[Document, list[Entry]]:
    """The steps that hold for a whole project, and its deployments; none without a file.

    Raises:
        ConfigurationError: a file cannot be read, or says what no deployment can; the message names file and line.
    """
    where = next((each for each in (folder, folder / "deployments") if (each / FILE).is_file()), folder)
    sources = [_read(where / name) for name in (FILE, OLD_FILE) if (where / name).is_file()]
    common = _steps(sources[0], sources[0].data) if sources else {}
    return common, [
        Entry({**common, **_checked(source, place, said)}, source, ("deployments", place))
        for source in sources
        for place, said in enumerate(source.data.get("deployments") or [])
    ]


def _steps(source: Source, said: Document, *place: str | int) -> Document:
    """The steps of a file or deployment, by kind, each looked at; a single one need not be in a list."""
    found: Document = {}
    for kind in STEPS:
        if said.get(kind) is not None:
            with source.at(*place, kind):
                check_field(kind, said[kind])
                found[kind] = [said[kind]] if isinstance(said[kind], dict) and said[kind] else list(said[kind])
                for each in found[kind]:
                    read_step(each)
    return found


def _read(path: Path) -> Source:
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        data = loader.construct_document(node) if node else {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError(f"{path}{line}: This is not YAML: {error.problem}.") from None
    source = Source(data, path, node)
    with source.at("deployments"):
        if not isinstance(data, dict) or not isinstance(data.get("deployments") or [], list):
            raise ConfigurationError("A project file is a mapping, and its 'deployments' are a list.")
    return source


def _checked(source: Source, place: int, said: Any) -> Document:
    """What an entry says, without what it leaves open."""
    with source.at("deployments", place):
        if not isinstance(said, dict):
            raise ConfigurationError("A deployment is a mapping, with 'name' and 'entrypoint'.")
        for needed in ("name", "entrypoint"):
            if not said.get(needed):
                raise ConfigurationError(f"The deployment {said.get('name') or ''!r} needs {needed!r}.")
    for field in said:
        with source.at("deployments", place, field):
            if field == "triggers" and said[field]:
                raise ConfigurationError(_TRIGGERS)
            if field not in FIELDS and said[field]:
                hint = "".join(f"; did you mean {near!r}?" for near in get_close_matches(field, FIELDS, 1)) or "."
                raise ConfigurationError(f"A deployment has no {field!r}{hint}")
            if said[field] is not None and (field == "work_pool" or not isinstance(said[field], str)):
                check_field(field, said[field])  # a text may hold a placeholder: it is looked at later
    known = {field: value for field, value in said.items() if field in FIELDS and value is not None}
    return known | _steps(source, said, "deployments", place)


def check_field(field: str, value: Any) -> None:
    """Refuse a value, its placeholders filled in, of another kind than a field has."""
    if not isinstance(value, FIELDS[field]) or (isinstance(value, bool) and bool not in FIELDS[field]):
        kinds = " or ".join(dict.fromkeys(_CALLED[kind] for kind in FIELDS[field]))
        raise ConfigurationError(f"{field!r} is to be {kinds}, not {value!r}.")
