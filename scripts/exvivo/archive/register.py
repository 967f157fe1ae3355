"""The register of archived plates: their raw files may be gone, and what was made of them is final.

No rule makes the files of an archived plate (`without_archived`), so neither a missing folder nor a newer
exvivo can make Snakemake run its admission or projection, or delete their outputs before it tries. Should one
of these files be lost, the plate counts as not archived: its rules apply, and say that the raw files are needed.

Standard library only: read at DAG time, by every job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from exvivo.files import read_json, write_json

FOLDER = Path("results/archive")
# What the rules that read raw images leave of a plate (workflow/rules/plates.smk).
OUTPUTS = (
    "fingerprint.tsv",
    "admission.json",
    "images.done.json",
    "wells.done.json",
    "readouts/mean_of_stack.parquet",
    "hashes.tsv",
)
RAW_SCRIPTS = ("admit_plate.py", "project_plate.py")  # their scripts


def read_register(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """What was noted of each archived plate when it was marked; empty if none ever was.

    Raises `StoreError` if the register is damaged: without it archived plates would be imaged again.
    """
    path = folder / "archived.json"
    if not path.is_file():
        return {}
    state = path.stat()
    return dict(_read(path.resolve(), state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=1)
def _read(path: Path, mtime_ns: int, size: int) -> dict[str, dict[str, Any]]:
    """The register in that state: each screen's rules ask for it at DAG time."""
    return read_json(path)


def write_register(plates: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Write the register, sorted by plate."""
    write_json(folder / "archived.json", dict(sorted(plates.items())))


def manifest_path(plate: str, folder: Path = FOLDER) -> Path:
    """The list of a plate's raw files that went to the archive with them."""
    return folder / f"{plate}.tsv"


def frozen(plates: Iterable[str], results: Path = Path("results/plates")) -> list[str]:
    """Those of `plates` that are archived and have all that was made of their raw files."""
    register = read_register(results.parent / "archive")
    return [
        plate
        for plate in plates
        if plate in register and all((results / plate / name).is_file() for name in OUTPUTS)
    ]


def code_then(plates: Iterable[str], folder: Path = FOLDER) -> dict[str, str]:
    """Digests of the code that read the raw files, by script, if all of `plates` are archived; else empty.

    A newer exvivo has not read them: the record of their screen goes on naming the code that has.
    """
    plates, register = list(plates), read_register(folder)
    known = [register[plate].get("code", {}) for plate in plates if plate in register]
    whole = plates and len(frozen(plates, folder.parent / "plates")) == len(plates)
    return dict(known[0]) if whole and all(code == known[0] for code in known) else {}


def without_archived(pattern: str, plates: Iterable[str]) -> str:
    """Regular expression `pattern` of plates' ids, less those of `plates` that are archived.

    For rules that read raw images: no rule makes what was made of an archived plate, so nothing asks for them.
    """
    away = frozen(plates)
    return f"(?!{compact(away)}(?![A-Za-z0-9._-]))(?:{pattern})" if away else pattern


def compact(names: Iterable[str]) -> str:
    """Regular expression that matches exactly `names`, by their common beginnings.

    An alternation of a thousand names is tried from the first to the last for each file that Snakemake looks
    for; this one looks at each letter once. Without names it matches nothing.
    """
    return _branch(sorted(set(names))) or "(?!)"


def _branch(names: list[str]) -> str:
    """Expression for sorted `names`, of which the empty one, if there, means that a name ends here."""
    groups: dict[str, list[str]] = {}
    for name in names:
        if name:
            groups.setdefault(name[0], []).append(name[1:])
    options = []
    for letter, rest in groups.items():
        options.append(re.escape(letter) + ("" if rest == [""] else _branch(rest)))
    if not options:
        return ""
    joined = options[0] if len(options) == 1 and "" not in names else f"(?:{'|'.join(options)})"
    return f"{joined}?" if "" in names else joined
