"""Which code a script runs: digests that make a changed library visible to Snakemake.

Snakemake sees a changed script, but not a changed module that the script imports. Each rule therefore
passes `code_digest(script)` as a parameter: it changes when a module changes that the script can reach
and stays when a comment, a docstring or a time stamp changes. Standard library only: used at DAG time.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from exvivo.codefacts import facts, save
from exvivo.errors import StoreError

PACKAGE = Path(__file__).resolve().parent
SCRIPTS = PACKAGE.parent

# What a message says cannot change a result; a better sentence must not retrain a facility's models.
_WITHOUT_RESULTS = frozenset(
    {"exvivo", "exvivo.errors", "exvivo.log", "exvivo.provenance", "exvivo.codefacts"}
)
# Data that a package reads at run time.
_DATA_SUFFIXES = frozenset({".j2", ".css", ".js"})


@cache
def code_digest(script: str) -> str:
    """Digest of all modules of exvivo that `script` (a file name in scripts/) can reach, 16 hex digits."""
    content = "\n".join(f"{name} {digest}" for name, digest in module_digests(script).items())
    save()
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def module_digests(script: str) -> dict[str, str]:
    """Digest (64 hex digits) of each module of exvivo that `script` can reach, by name, in order."""
    return {name: _module_digest(name) for name in sorted(reachable_modules(script))}


def reachable_modules(script: str) -> set[str]:
    """Names of the modules of exvivo that `script` imports, directly or through others, lazily or not."""
    found: set[str] = set()
    waiting = list(_imports(SCRIPTS / script))
    while waiting:
        name = waiting.pop()
        if name not in found and not _says_only(name):
            found.add(name)
            waiting += _imports(_path(name))
    return found


def _says_only(name: str) -> bool:
    """Whether a module cannot change a number: messages, and what counts as a name (the scan looks anew then)."""
    return name in _WITHOUT_RESULTS or name.startswith("exvivo.privacy")


def check_library(script: str | Path) -> None:
    """Refuse to run `script` with an exvivo that is not the one beside it (another checkout, say)."""
    beside = Path(script).resolve().parent / "exvivo"
    if beside != PACKAGE:
        raise StoreError(
            "this script would run with another copy of exvivo",
            expected=str(beside),
            found=str(PACKAGE),
            where=Path(script).name,
            hint="remove the installed copy from this environment: pip uninstall exvivo",
        )


def _path(name: str) -> Path:
    base = SCRIPTS.joinpath(*name.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@cache
def _imports(path: Path) -> frozenset[str]:
    """Modules of exvivo named by the import statements of one file, wherever in the file they stand."""
    names = facts(path).imports
    ours = {name for name in names if name.partition(".")[0] == "exvivo" and _path(name).is_file()}
    return frozenset(ours | {parent for name in ours for parent in _parents(name)})


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


@cache
def _module_digest(name: str) -> str:
    path = _path(name)
    digest = facts(path).digest
    if path.name != "__init__.py":
        return digest
    content = digest.encode()
    for data in sorted(p for p in path.parent.rglob("*") if p.suffix in _DATA_SUFFIXES):
        content += data.relative_to(path.parent).as_posix().encode() + data.read_bytes()
    return hashlib.sha256(content).hexdigest()
