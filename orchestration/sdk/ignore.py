"""Which files of a folder count, when a file in git's ignore format says which do not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an ignore file, made ready for matching."""

    pattern: re.Pattern[str]
    keeps: bool
    folders_only: bool


def rules_of(lines: Iterable[str]) -> list[Rule]:
    """The rules that the lines of an ignore file state; the last one that matches a path decides."""
    return [rule for line in lines if (rule := _rule(line)) is not None]


def is_ignored(path: str, is_folder: bool, rules: Sequence[Rule]) -> bool:
    """Whether the rules leave out a path (relative, with forward slashes); its folders are not asked."""
    decisive = [rule for rule in rules if rule.pattern.fullmatch(path) and (is_folder or not rule.folders_only)]
    return bool(decisive) and not decisive[-1].keeps


def kept_files(folder: Path, lines: Iterable[str] = ()) -> Iterator[Path]:
    """The files below a folder that the rules do not leave out, sorted; ignored folders and links are not entered."""
    yield from _kept(folder, "", rules_of(lines))


def _kept(folder: Path, prefix: str, rules: Sequence[Rule]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        relative, is_folder = f"{prefix}{path.name}", path.is_dir() and not path.is_symlink()
        if is_ignored(relative, is_folder, rules):
            continue
        if is_folder:
            yield from _kept(path, f"{relative}/", rules)
        else:
            yield path


def _rule(line: str) -> Rule | None:
    text = re.sub(r"(?<!\\)\s+$", "", line.rstrip("\n"))
    if not text or text.startswith("#"):
        return None
    keeps = text.startswith("!")
    body = text[1:] if keeps or text.startswith(("\\#", "\\!")) else text
    folders_only = body.endswith("/")
    body = body.rstrip("/")
    anywhere = "" if "/" in body else "(?:.*/)?"
    return Rule(re.compile(anywhere + _expression(body.lstrip("/"))), keeps, folders_only) if body.strip("/") else None


def _expression(pattern: str) -> str:
    """The regular expression of a pattern: ``*`` and ``?`` stay within a name, ``**`` crosses folders."""
    tokens = re.findall(r"\*\*/|/\*\*$|\*\*|\*|\?|\[!?[^]]+\]|\\.|.", pattern)
    return "".join(_TOKENS.get(token) or _literal(token) for token in tokens)


_TOKENS = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _literal(token: str) -> str:
    if token.startswith("[") and len(token) > 1:
        return "[^" + token[2:] if token.startswith("[!") else token
    return re.escape(token[1:] if token.startswith("\\") and len(token) > 1 else token)
