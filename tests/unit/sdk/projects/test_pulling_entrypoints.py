"""From an entrypoint to the flow that it names."""

import pickle
from pathlib import Path

import pytest

from orchestration.domain.errors import ConfigurationError, UsageError
from orchestration.sdk.projects.pulling import load_flow


def test_a_flow_is_found_in_a_file_and_in_a_module(project: Path) -> None:
    assert load_flow("flows/train.py:train", project).name == "train"
    assert load_flow("./flows/train.py:train", project).fn(["2021-01"]) == 3
    assert load_flow("flows.train:train", project).name == "train"


def test_a_file_may_import_what_lies_beside_it_and_in_the_folder(project: Path) -> None:
    (project / "near_by.py").write_text("A = 1\n")
    (project / "flows" / "beside.py").write_text("B = 2\n")
    text = "from beside import B\nfrom near_by import A\nfrom orchestration import flow\n"
    flow = "class Point:\n    x = A + B\n@flow\ndef f():\n    return Point()\n"
    (project / "flows" / "both.py").write_text(text + flow)
    point = load_flow("flows/both.py:f", project).fn()
    assert (point.x, type(pickle.loads(pickle.dumps(point)))) == (3, type(point))


def test_a_flow_that_runs_when_it_is_a_script_does_not_run_when_it_is_loaded(project: Path) -> None:
    with (project / "flows" / "train.py").open("a") as file:
        file.write("if __name__ == '__main__':\n    raise SystemExit(train([]))\n")
    assert load_flow("flows/train.py:train", project).name == "train"


@pytest.mark.parametrize(
    ("entrypoint", "sentence"),
    [
        ("flows/train.py", "no entrypoint"), (":train", "no entrypoint"), ("flows/absent.py:train", "no file"),
        ("flows/train.py:absent", "is not there"), ("flows/train.py:flow", "put @flow above it"),
        ("no_such_module:train", "cannot be imported: ModuleNotFoundError"), ("flows/bad.py:f", "SyntaxError.*line 2"),
    ],
)  # fmt: skip
def test_what_is_no_flow_is_said_in_a_sentence(project: Path, entrypoint: str, sentence: str) -> None:
    (project / "flows" / "bad.py").write_text("a = 1\nnot, python\n")
    with pytest.raises((ConfigurationError, UsageError), match=sentence):
        load_flow(entrypoint, project)
