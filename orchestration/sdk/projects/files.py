"""Project files: ``prefect.yaml`` of Prefect 3, and the pair ``prefect.yaml`` and ``deployment.yaml`` of 2.10."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from orchestration.domain.errors import ConfigurationError, OrchestrationError
from orchestration.domain.schemas.wire import Document
from orchestration.sdk.projects.pulling import read_step

FILE, OLD_FILE, FOLDER = "prefect.yaml", "deployment.yaml", ".prefect"
STEPS = ("build", "push", "pull")
_KINDS: dict[tuple[type, ...], str] = {
    (str,): "name entrypoint flow_name description version_type", (bool,): "enforce_parameter_schema paused",
    (dict,): "parameters schedule work_pool", (list,): "schedules", (str, int, float): "version", (list, str): "tags",
    (int, dict): "concurrency_limit", (list, dict): " ".join(STEPS),
}  # fmt: skip
# What a deployment may say, and as what.
FIELDS = {name: kinds for kinds, names in _KINDS.items() for name in names.split()}
_CALLED = {str: "a text", bool: "true or false", dict: "a mapping", list: "a list", int: "a number", float: "a number"}
_TRIGGERS = "Triggers are not for files here: make a notification with `orchestrate notification create` instead."
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Said:
    """What a file, a part of it, or a command says; and where that stands."""

    data: Document
    path: Path | None = None
    node: Any = None

    @contextmanager
    def at(self, field: str = "") -> Iterator[None]:
        """Put the file and the line of a field before what is said of it."""
        try:
            yield
        except OrchestrationError as error:
            if self.path is None:
                raise
            fields = self.node.value if isinstance(self.node, yaml.MappingNode) else ()
            node = {str(key.value): value for key, value in fields}.get(field, self.node)
            raise ConfigurationError(f"{self.path}:{node.start_mark.line + 1}: {error}") from error

    def steps(self) -> Document:
        """Its steps by kind, each looked at; a single one need not be in a list."""
        found: Document = {}
        for kind in STEPS:
            if (given := self.data.get(kind)) is not None:
                with self.at(kind):
                    check_field(kind, given)
                    found[kind] = [given] if isinstance(given, dict) and given else list(given)
                    for each in found[kind]:
                        read_step(each)
        return found


def read_project(folder: Path) -> tuple[Document, list[Said]]:
    """The steps that hold for a whole project, and its deployments; none without a file.

    Raises:
        ConfigurationError: a file cannot be read, or says what no deployment can; the message names file and line.
    """
    where = next((each for each in (folder, folder / "deployments") if (each / FILE).is_file()), folder)
    files = [_read(where / name) for name in (FILE, OLD_FILE) if (where / name).is_file()]
    common, deployments = files[0].steps() if files else {}, []
    for file in files:
        listed: Any = {str(key.value): value for key, value in file.node.value}.get("deployments")
        for said, node in zip(file.data.get("deployments") or (), listed.value if listed else (), strict=False):
            deployments.append(_checked(Said(said, file.path, node), common))
    return common, deployments


def _read(path: Path) -> Said:
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node() or yaml.compose("{}")
        data = json.loads(json.dumps(loader.construct_document(node), default=str))  # so that dates are text
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError(f"{path}{line}: This is not YAML: {error.problem}.") from None
    said = Said(data, path, node)
    with said.at("deployments"):
        if not isinstance(data, dict) or not isinstance(data.get("deployments") or [], list):
            raise ConfigurationError("A project file is a mapping, and its 'deployments' are a list.")
    return said


def _checked(said: Said, common: Document) -> Said:
    """A deployment as its entry has it, without what that leaves open, and with the steps that hold for all."""
    with said.at():
        if not isinstance(said.data, dict):
            raise ConfigurationError("A deployment is a mapping, with 'name' and 'entrypoint'.")
        for needed in ("name", "entrypoint"):
            if not said.data.get(needed):
                raise ConfigurationError(f"The deployment {said.data.get('name') or ''!r} needs {needed!r}.")
    given = {field: value for field, value in said.data.items() if value is not None}
    for field, value in given.items():
        with said.at(field):
            if field == "triggers" and value:
                raise ConfigurationError(_TRIGGERS)
            if field not in FIELDS and value:
                hint = "".join(f"; did you mean {near!r}?" for near in get_close_matches(field, FIELDS, 1)) or "."
                raise ConfigurationError(f"A deployment has no {field!r}{hint}")
            if value and (field == "work_pool" or not isinstance(value, str)):
                check_field(field, value)  # a text may hold a placeholder: it is looked at later
    known = {field: value for field, value in given.items() if field in FIELDS}
    return Said({**common, **known, **said.steps()}, said.path, said.node)


def check_field(field: str, value: Any) -> None:
    """Refuse a value, its placeholders filled in, of another kind than a field has."""
    if not isinstance(value, FIELDS[field]) or (isinstance(value, bool) and bool not in FIELDS[field]):
        kinds = " or ".join(dict.fromkeys(_CALLED[kind] for kind in FIELDS[field]))
        raise ConfigurationError(f"{field!r} is to be {kinds}, not {value!r}.")


def start_project(folder: Path, name: str | None = None) -> list[str]:
    """Put the files of a project that are not there yet into a folder; their names."""
    made = []
    for template in sorted(_TEMPLATES.iterdir()):
        path = folder / template.name.replace("dot", ".")
        if not path.exists():
            path.write_text(template.read_text("utf-8").replace("NAME", name or folder.resolve().name), "utf-8")
            made.append(path.name)
    if not (folder / FOLDER).is_dir():
        (folder / FOLDER).mkdir()
        made.append(f"{FOLDER}/")
    return made
