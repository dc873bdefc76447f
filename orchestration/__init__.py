"""Flows, tasks and what surrounds them; importing this package loads none of it.

Each public name is loaded from its module when it is first asked for, so that
``from orchestration import flow, task`` costs a script next to nothing. The names, and where each is, stand in the
stub beside this file, which type checkers read as well.
"""

from importlib import import_module
from typing import Any


def _public_names() -> dict[str, tuple[str, str]]:
    """By public name, the module that has it and its name there."""
    with open(f"{__path__[0]}/__init__.pyi", encoding="utf-8") as stub:  # noqa: PTH123 - pathlib would load more
        statements = stub.read().split("\nfrom ")[1:]
    found = {}
    for statement in statements:
        module, _, names = statement.partition(" import ")
        for name in names.partition("  #")[0].strip(" ()\n").split(","):
            own, _, public = name.strip().partition(" as ")
            if public:
                found[public] = (module, own)
    return found


_NAMES = _public_names()

__all__ = sorted(_NAMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Load a public name."""
    if name not in _NAMES:
        raise AttributeError(f"module 'orchestration' has no attribute {name!r}")
    package, own = _NAMES[name]
    module = import_module(package)
    value = getattr(module, own) if hasattr(module, own) else import_module(f"{package}.{own}")
    globals()[name] = value
    return value
