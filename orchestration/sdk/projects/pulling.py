"""The steps that give a run its code, or build what it needs: by name, under any of the modules that Prefect had.

Placeholders in what they are given: ``{{ $VARIABLE }}``, saved blocks, variables, and what steps gave. And how the flow
of an entrypoint, ``path/to/file.py:function`` or ``package.module:function``, is loaded from that code.
"""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from string import Template
from typing import Any

from orchestration.backend.surroundings import current_settings
from orchestration.domain.errors import ConfigurationError, ObjectNotFound, UsageError
from orchestration.domain.schemas.wire import Document
from orchestration.sdk.block_model import class_of
from orchestration.sdk.context import current_session
from orchestration.sdk.logs import redact, remember_secret
from orchestration.sdk.projects.git import OPTIONS, GitRepository
from orchestration.sdk.tasks import Decorated

# What of a file may be left to the run, which fills it in: all but outputs of steps, blocks, or nothing.
ALL, BLOCKS, NONE = r".", r"(prefect|orchestration)\.blocks\.", r"(?!)"
_PLACE = re.compile(r"\{\{\s*([\w.$-]+)\s*\}\}")


def filled(value: Any, outputs: Mapping[str, Any], left: str = NONE) -> Any:
    """A value with each placeholder, however deep, replaced by what it stands for, whose type it keeps.

    Args:
        value: any JSON.
        outputs: what earlier steps gave, by name.
        left: the placeholders that stay as they are.

    Raises:
        ConfigurationError: one stands for nothing; the message names it.
    """
    if isinstance(value, Mapping):
        return {key: filled(each, outputs, left) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, outputs, left) for each in value]
    if not isinstance(value, str):
        return value
    if whole := _PLACE.fullmatch(value.strip()):
        return _meant(whole, outputs, left)
    return _PLACE.sub(lambda place: str(_meant(place, outputs, left)), value)


def _meant(place: re.Match[str], outputs: Mapping[str, Any], left: str) -> Any:
    head, *path = place[1].split(".")
    try:
        if head in outputs:
            return reduce(_part, path, outputs[head])
        if re.match(left, place[1]):
            return place[0]
        if head.startswith("$"):
            return os.environ[head[1:]]
        where, name, *deeper = path
        if where == "blocks":
            return reduce(_part, deeper[1:], _block(name, deeper[0]))
        return reduce(_part, deeper, current_session().backend.read("variables", name=name)["value"])
    except (KeyError, IndexError, TypeError, ValueError, ObjectNotFound):
        hint = "set that variable" if head[0] == "$" else "see `orchestrate block ls` and `orchestrate variable ls`"
        raise ConfigurationError(f"{place[0]} stands for nothing; {hint}.") from None


def _part(value: Any, name: str) -> Any:
    return value[int(name) if isinstance(value, list) else name]


def _block(slug: str, name: str) -> Any:
    """The values of a saved block; that of a block with a single one is it. What the store masks is redacted."""
    blocks = current_session().backend
    clear, masked = (blocks.block_document(shown, slug=slug, name=name).data for shown in (True, False))
    _remember(clear, masked)
    return clear["value"] if clear.keys() == {"value"} else clear


def _remember(clear: Any, masked: Any) -> None:
    if isinstance(clear, Mapping) and isinstance(masked, Mapping):
        for name in clear:
            _remember(clear[name], masked.get(name))
    elif clear != masked:
        remember_secret(str(clear))


Given = Mapping[str, Any]
# By the name of a step, what it is given.
_TAKES: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("steps.toml").read_text(encoding="ascii"))


def pull(steps: Sequence[Given], base: Path) -> Path:
    """Run pull steps; the folder where the code then lies.

    Args:
        steps: of a deployment, with their placeholders.
        base: a folder of the run's own, made if it is not there, into which code is cloned.

    Raises:
        ConfigurationError: there is no such step, or one failed.
        GitError: code could not be cloned.
    """
    base.mkdir(parents=True, exist_ok=True)
    return Path(run_steps(steps, base).get("directory", base))


def run_steps(steps: Sequence[Given], here: Path) -> Document:
    """Run steps one after the other; what they gave, of those with an ``id`` under that name as well."""
    outputs: Document = {}
    for each in steps:
        step, given = read_step(each)
        made = _STEPS[step](here, filled(given, outputs))
        outputs |= {**made, str(given.get("id")): made}
        here = Path(made["directory"]) if step == "set_working_directory" else here
    return outputs


def read_step(step: Given) -> tuple[str, Given]:
    """The name of a step of a file, and what it is given.

    Raises:
        ConfigurationError: no such step is known here, or it does not take that.
    """
    (name, said), *more = step.items() if isinstance(step, dict) and step else [(f"{step}", None)]
    given, short = said if isinstance(said, dict) else {}, name.rpartition(".")[2]
    kind = _OLD.get(short, short)
    if kind not in _STEPS or more:
        raise ConfigurationError(f"{name!r} is no step that is known here; there are {', '.join(_STEPS)}.")
    needs, takes = _TAKES[kind]["needs"], ", ".join((*_TAKES[kind]["needs"], *_TAKES[kind]["takes"]))
    if missing := [each for each in needs if not given.get(each)]:
        raise ConfigurationError(f"The step {short} needs {missing[0]!r}; it takes {takes}.")
    if odd := given.keys() - {*takes.split(", "), "id", "requires"}:
        raise ConfigurationError(f"The step {short} does not take {min(odd)!r}; it takes {takes}.")
    return kind, given


def _clone(here: Path, given: Given) -> Document:
    wanted, secret = {name: given[name] for name in OPTIONS if given.get(name)}, given.get("access_token")
    name = given.get("clone_directory_name")
    source = GitRepository(given["repository"], secret or given.get("credentials"), name, **wanted)
    return {"directory": str(source.clone(here / str(source.name), current_settings().home))}


def _enter(here: Path, given: Given) -> Document:
    folder = (here / Path(given["directory"]).expanduser()).resolve()
    if not folder.is_dir():
        raise ConfigurationError(f"There is no folder {str(folder)!r} here; where the code lies elsewhere, clone it.")
    return {"directory": str(folder)}


def _script(here: Path, given: Given) -> Document:
    environ, printed = {**os.environ, **(given.get("env") or {})}, {"stdout": "", "stderr": ""}
    where, by_shell = here / given.get("directory", ""), bool(given.get("shell"))
    for line in filter(str.strip, given["script"].splitlines()):
        command = Template(line).safe_substitute(environ) if given.get("expand_env_vars") else line
        try:
            words = command if by_shell else shlex.split(command)
            done = subprocess.run(words, shell=by_shell, cwd=where, env=environ, capture_output=True, text=True)  # noqa: PLW1510, S603
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"`{redact(command)}` cannot be started: {error}.") from None
        printed = {name: text + getattr(done, name) for name, text in printed.items()}
        if given.get("stream_output", True):
            sys.stdout.write(redact(done.stdout + done.stderr))
        if done.returncode:
            said = redact(done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            raise ConfigurationError(f"`{redact(command)}` ended with exit code {done.returncode}: {said[0]}.")
    return {name: text.strip() for name, text in printed.items()}


def _install(here: Path, given: Given) -> Document:
    words = (sys.executable, "-m", "pip", "install", "-r", given.get("requirements_file", "requirements.txt"))
    return _script(here, {**given, "script": shlex.join(words)})


def _download(here: Path, given: Given) -> Document:
    credentials = dict(given.get("credentials") or {})
    kind = class_of("minio-credentials" if "minio_root_user" in credentials else "aws-credentials")
    client = {"aws_client_parameters": given["client_parameters"]} if given.get("client_parameters") else {}
    bucket = class_of("s3-bucket")(bucket_name=given["bucket"], credentials=kind(**credentials, **client))
    bucket.download_folder_to_path(given.get("folder", ""), str(here))
    return {"directory": str(here), "bucket": given["bucket"], "folder": given.get("folder", "")}


_OLD = {"git_clone_project": "git_clone", "agit_clone": "git_clone", "pull_project_from_s3": "pull_from_s3"}
_STEPS: Mapping[str, Callable[[Path, Given], Document]] = {
    "git_clone": _clone, "set_working_directory": _enter, "run_shell_script": _script,
    "pip_install_requirements": _install, "pull_from_s3": _download,
}  # fmt: skip


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


def _loaded(file: Path) -> Any:
    """A file as a module, under a name that no other has, so that what is pickled is found by it."""
    spec: Any = spec_from_file_location(f"__flow_of_{file.stem}_{abs(hash(str(file)))}__", file)
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
