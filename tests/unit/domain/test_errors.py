"""The errors are one tree, and the drawing on top of the file is that tree."""

import inspect

import pytest

from orchestration.domain import errors

CLASSES = {
    name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__
}


def _drawn() -> dict[str, str | None]:
    """The parent of each class of the drawing."""
    parents: dict[str, str | None] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        words = line.replace("│", " ").replace("├──", "   ").replace("└──", "   ")
        name = words.split()[0] if words.split() else ""
        if name not in CLASSES:
            continue
        depth = len(words) - len(words.lstrip())
        path = [(level, above) for level, above in path if level < depth]
        parents[name] = path[-1][1] if path else None
        path.append((depth, name))
    return parents


def test_the_drawing_shows_every_class_under_its_parent() -> None:
    assert _drawn() == {
        name: kind.__bases__[0].__name__ if kind.__bases__[0] in CLASSES.values() else None
        for name, kind in CLASSES.items()
    }


def test_there_are_two_roots() -> None:
    assert {name for name, parent in _drawn().items() if parent is None} == {"OrchestrationError", "RunSignal"}


@pytest.mark.parametrize("name", ["ParameterTypeError", "ParameterBindError"])
def test_a_wrong_argument_is_also_a_type_error(name: str) -> None:
    assert issubclass(CLASSES[name], TypeError)


@pytest.mark.parametrize("name", ["RunTimeoutError", "AcquireTimeoutError", "PauseTimeoutError"])
def test_a_time_limit_is_also_a_timeout_error(name: str) -> None:
    assert issubclass(CLASSES[name], TimeoutError)


def test_user_code_that_catches_exceptions_lets_the_engines_signals_pass() -> None:
    assert not issubclass(errors.RunSignal, Exception)
    assert {kind for kind in CLASSES.values() if not issubclass(kind, Exception)} == {
        errors.RunSignal, errors.Abort, errors.SuspendSignal,
    }  # fmt: skip
