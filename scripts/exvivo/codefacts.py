"""What a file of code says, remembered by its content: parsing the library takes seconds, reading it milliseconds.

The memory is one JSON file in the user's cache folder. A fact is found by the SHA-256 of the file's bytes, so it
cannot be out of date; a memory that is missing, damaged or not writable costs time and nothing else. Standard
library only: used at DAG time.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

from exvivo.files import write_text

_MOST = 4000  # facts kept; a version of the library has some 250
_NO_MEMORY = (OSError, RuntimeError)  # the latter: a container's user without a home
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one file: `imports`, all names in its import statements, and `digest` of its code (64 hex digits).

    Comments, docstrings and layout change neither.
    """

    imports: tuple[str, ...]
    digest: str


def facts(path: Path) -> Facts:
    """Return what the code at `path` says. Raises `SyntaxError` if it is not Python."""
    content = path.read_bytes()
    key = hashlib.sha256(content).hexdigest()
    known = _memory()
    if key not in known:
        known[key] = _parse(content, path)
        _unsaved.add(key)
    return known[key]


def save() -> None:
    """Write what was found anew to the memory; does nothing where that cannot be done."""
    if not _unsaved:
        return
    newest = dict(list(_memory().items())[-_MOST:])
    content = json.dumps({key: astuple(fact) for key, fact in newest.items()})
    with suppress(*_NO_MEMORY):
        write_text(_place(), content)
    _unsaved.clear()


_unsaved: set[str] = set()


@cache
def _memory() -> dict[str, Facts]:
    try:
        content = json.loads(_place().read_text(encoding="utf-8"))
        return {key: Facts(tuple(imports), digest) for key, (imports, digest) in content.items()}
    except (*_NO_MEMORY, ValueError, TypeError, AttributeError):
        return {}


def _place() -> Path:
    """The memory of this version of Python: another one writes a syntax tree otherwise."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return Path(base, "exvivo", f"code-1-{sys.version_info[0]}.{sys.version_info[1]}.json")


def _parse(content: bytes, path: Path) -> Facts:
    tree = ast.parse(content, filename=str(path))
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports.add(node.module)
            imports.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return Facts(tuple(sorted(imports)), hashlib.sha256(ast.dump(tree).encode()).hexdigest())
