"""Project files: ``prefect.yaml`` of Prefect 3, and the pair ``prefect.yaml`` and ``deployment.yaml`` of 2.10.

And the JSON schema of a flow's parameters, which its deployments keep, and by which these files are checked as well.
"""

import inspect
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from jsonschema import Draft202012Validator
from pydantic import ConfigDict, Field, PydanticUserError, create_model

from orchestration.domain.errors import ConfigurationError, OrchestrationError, UsageError
from orchestration.domain.schemas.wire import Document
from orchestration.sdk.projects.pulling import read_step

FILE, OLD_FILE, FOLDER = "prefect.yaml", "deployment.yaml", ".prefect"
STEPS = ("build", "push", "pull")
# What a deployment may say.
_SCHEMA = json.loads(Path(__file__).with_name("deployment.json").read_text(encoding="utf-8"))
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Said:
    """What a file, a part of it, or a command says; and where that stands."""

    data: Document
    path: Path | None = None
    node: Any = None

    @contextmanager
    def at(self, *fields: Any) -> Iterator[None]:
        """Put the file and the line of a field, given with those that it lies in, before what is said of it."""
        try:
            yield
        except OrchestrationError as error:
            if self.path is None:
                raise
            node = self.node
            for field in fields:
                if isinstance(node, yaml.MappingNode):
                    node = {str(key.value): value for key, value in node.value}.get(field, node)
                elif isinstance(field, int):
                    node = node.value[field]
            raise ConfigurationError(f"{self.path}:{node.start_mark.line + 1}: {error}") from error

    def check(self) -> None:
        """Refuse a deployment with a field that none has, or of another kind; what stands for a value may be any."""
        for fault in Draft202012Validator(_SCHEMA).iter_errors(self.data):
            path, known, found = list(fault.absolute_path), fault.schema.get("properties", {}), fault.instance
            if found is None or (isinstance(found, str) and "{{" in found):
                continue
            told = fault.schema.get("description", f"{'.'.join(map(str, path))!r}: {fault.message}")
            if fault.validator == "additionalProperties":
                path.append(name := min(found.keys() - known.keys()))
                told = f"There is no {name!r} here, but {', '.join(get_close_matches(name, known, 1) or known)}"
            with self.at(*path):
                raise ConfigurationError(f"{told}.")

    def steps(self) -> Document:
        """Its steps by kind, each looked at; a single one need not be in a list."""
        found: Document = {}
        for kind in STEPS:
            if (given := self.data.get(kind)) is not None:
                with self.at(kind):
                    found[kind] = given if isinstance(given, list) else [given] if given else []
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
    if isinstance(said.data, dict):
        said = replace(said, data={field: value for field, value in said.data.items() if value is not None})
    said.check()
    return replace(said, data={**common, **said.data, **said.steps()})


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


def parameter_schema(fn: Callable[..., Any]) -> Document:
    """The schema of a function's parameters, with Prefect's titles and positions; what JSON cannot say is anything."""
    parameters = inspect.signature(fn).parameters.values()
    given = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    try:
        schema = _schema(fn, given, get_type_hints(fn, include_extras=True))
    except (PydanticUserError, NameError, TypeError):
        schema = _schema(fn, given, {})
    others = {"additionalProperties": True} if any(each.kind is each.VAR_KEYWORD for each in parameters) else {}
    return {"definitions": schema.pop("$defs", {}), **schema, **others}


def _schema(fn: Callable[..., Any], given: list[inspect.Parameter], hints: Mapping[str, Any]) -> Document:
    described, fields = inspect.getdoc(fn) or "", {}
    for position, each in enumerate(given):
        told = re.search(rf"^\s+{re.escape(each.name)}(?: \([^)]*\))?:\s*(\S.*)", described, re.MULTILINE)
        named: Any = {"alias": each.name, "title": each.name, "json_schema_extra": {"position": position}}
        default = ... if each.default is each.empty else each.default
        field = Field(default, description=told and told[1], **named)
        fields[f"field_{position}"] = (hints.get(each.name, Any), field)  # no name that pydantic has a use for
    model: Any = create_model("Parameters", __config__=ConfigDict(arbitrary_types_allowed=True), **fields)  # type: ignore[call-overload]
    with warnings.catch_warnings(action="ignore"):  # of defaults that JSON cannot say
        return dict(model.model_json_schema(ref_template="#/definitions/{model}"))


def check_parameters(schema: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse parameters that are not in a schema, or do not fit it; those that are missing a run may bring.

    Raises:
        UsageError: the message names the parameter.
    """
    known, required = schema.get("properties", given), schema.get("required") or ()
    unknown = [] if schema.get("additionalProperties") else [name for name in given if name not in known]
    if unknown:
        raise UsageError(f"There is no parameter {unknown[0]!r}; the flow has {', '.join(known) or 'none'}.")
    wanted = {name: value for name, value in given.items() if value is not None or name in required}
    for fault in Draft202012Validator({**schema, "required": []}).iter_errors(wanted):
        raise UsageError(f"The parameter {'.'.join(map(str, fault.absolute_path))!r} does not fit: {fault.message}.")
