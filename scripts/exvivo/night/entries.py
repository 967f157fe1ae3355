"""Entering new plates and screens in the sheets: rows are added at the end, nothing that stands there is touched.

Rows that the sheets' own checks refuse are not written; the folder is named for a person, with the reason.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from exvivo.errors import Problem, SheetError
from exvivo.files import replacing
from exvivo.night.discover import ARRIVING, NEW, PERSON, Found
from exvivo.sheets import Sheets, read_sheets
from exvivo.sheets.text import decode, read_rows, sniff_delimiter

Rows = list[dict[str, str]]
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def enter(
    found: Sequence[Found], config: dict[str, Any], sheets: Sheets, root: Path, *, dry_run: bool
) -> None:
    """Enter the plates that are new, screen by screen; those that cannot be are noted with the reason.

    `root` is the directory that the configuration's paths are relative to. With `dry_run` nothing is written.
    Raises `SheetError` if a sheet was changed by somebody meanwhile.
    """
    files = {name: root / config[name] for name in ("plates", "screens")}
    before = {name: path.read_bytes() for name, path in files.items()}
    text = dict(before)
    for screen, group in _by_screen(found).items():
        if reason := _premature(screen, group, config, sheets, root):
            for one in group:
                one.leave(*reason)
            continue
        rows = {"plates": [one.plate for one in group], "screens": []}
        if screen not in sheets.screens:
            rows["screens"] = [group[0].screen]
        try:
            proposed = {name: add_rows(files[name], text[name], rows[name]) for name in files}
            _check(proposed, files, config, root, sheets.frozen)
            text = proposed
        except SheetError as error:
            for one in group:
                one.leave(PERSON, "; ".join(str(problem) for problem in error.problems))
    if not dry_run:
        for name, path in files.items():
            _replace(path, before[name], text[name])


def add_rows(path: Path, content: bytes, rows: Rows) -> bytes:
    """`content` of the sheet `path` with `rows` at its end, in its own columns, delimiter, encoding and line ends.

    Raises `SheetError` if a value has no column there.
    """
    if not rows:
        return content
    header = next(r for r in read_rows(path, path.name) if not r.cells[0].startswith("#"))
    problems = [
        Problem(path.name, header.line, column, "no such column", f"a column for {value!r}")
        for row in rows
        for column, value in row.items()
        if value and column not in header.cells
    ]
    if problems:
        raise SheetError(problems)
    end = "\r\n" if b"\r\n" in content or b"\r\0\n" in content else "\n"
    buffer = io.StringIO()
    delimiter = sniff_delimiter(decode(path, path.name))
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end)
    writer.writerows([row.get(column, "") for column in header.cells] for row in rows)
    encoding = _UTF16.get(content[:2], "utf-8")
    gap = "" if content.endswith(end.encode(encoding)) else end
    return content + (gap + buffer.getvalue()).encode(encoding)


def _by_screen(found: Sequence[Found]) -> dict[str, list[Found]]:
    groups: dict[str, list[Found]] = {}
    for one in found:
        if one.state == NEW:
            groups.setdefault(one.plate["screen"], []).append(one)
    return groups


def _premature(
    screen: str, group: list[Found], config: dict[str, Any], sheets: Sheets, root: Path
) -> tuple[str, str] | None:
    """Why a screen's new plates are not entered tonight: state and reason; None if they may be."""
    entry = sheets.screens.get(screen)
    if entry is not None and entry.status == "released":
        return PERSON, f"screen {screen} is released: a new plate needs a revision of it"
    for one in group:
        layout = one.plate["layout"]
        beside = PurePosixPath(config["plates"]).parent / layout
        if not (root / beside).is_file() and not (root / layout).is_file():
            return PERSON, f"there is no layout {layout}: write it, or correct the folder's name"
    wanted = config["night"]["plates_per_screen"]
    if entry is None and wanted and len(group) < wanted:
        return ARRIVING, f"{len(group)} of {wanted} plates of screen {screen} are here"
    return None


def _check(
    proposed: dict[str, bytes],
    files: dict[str, Path],
    config: dict[str, Any],
    root: Path,
    frozen: dict[str, str],
) -> None:
    """Read the sheets as they would be. Raises `SheetError` with all that is wrong in them."""
    names = {name: path.with_name(f".proposed-{path.name}") for name, path in files.items()}
    try:
        for name, path in names.items():
            path.write_bytes(proposed[name])
        own = {name: os.path.relpath(path, root) for name, path in names.items()}
        read_sheets(config | own, root, layouts_must_exist=False, frozen=frozen)
    except SheetError as error:
        raise SheetError([_named(problem) for problem in error.problems]) from error
    finally:
        for path in names.values():
            path.unlink(missing_ok=True)


def _named(problem: Problem) -> Problem:
    file = problem.file.replace(".proposed-", "")
    return Problem(file, problem.row, problem.column, problem.found, problem.expected, problem.hint)


def _replace(path: Path, before: bytes, after: bytes) -> None:
    if after == before:
        return
    if path.read_bytes() != before:
        found, expected = "changed by somebody in the last seconds", "a sheet at rest"
        raise SheetError([Problem(path.name, 0, "", found, expected, "Run the night again")])
    with replacing(path) as partial:
        partial.write_bytes(after)
        shutil.copymode(path, partial)
