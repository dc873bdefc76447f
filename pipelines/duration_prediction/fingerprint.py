"""What a model is made of, in short: trainings with the same fingerprint give the same model."""

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parent
LIBRARIES = ("numpy", "pandas", "pyarrow", "scikit-learn")
CHUNK = 1 << 20


def fingerprint(inputs: Mapping[str, str], settings: Mapping[str, Any], code: str) -> str:
    """A digest of the inputs' hashes by name and use, the settings as JSON has them, and the code's version."""
    document = json.dumps([dict(inputs), dict(settings), code], sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()


@cache
def code_version() -> str:
    """A digest of the pipeline's own code, and of the releases of the libraries that decide what it computes."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes() + b"\0")
    digest.update(json.dumps(library_versions()).encode())
    return digest.hexdigest()[:16]


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """The releases of Python and of the libraries that decide what is computed, by name."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def git_commit(repository: Path = REPOSITORY) -> str | None:
    """The commit that a checkout of the repository stands on; None where it is no checkout.

    Read from git's own files, so that git need not be there.
    """
    folder = repository / ".git"
    try:
        if folder.is_file():  # a work tree beside the repository
            folder = repository / folder.read_text().removeprefix("gitdir:").strip()
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref:"):
            return head
        name, common = head.removeprefix("ref:").strip(), _common_folder(folder)
        if (common / name).is_file():
            return (common / name).read_text().strip()
        packed = (common / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except OSError:
        return None


def _common_folder(folder: Path) -> Path:
    """Where the branches are, which several work trees share."""
    pointer = folder / "commondir"
    return folder / pointer.read_text().strip() if pointer.is_file() else folder
