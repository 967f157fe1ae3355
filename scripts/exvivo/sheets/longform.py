"""Layouts with one row per well: which heading means what."""

from __future__ import annotations

import logging

from exvivo.errors import Problem, SheetError
from exvivo.sheets.cells import Cell, Content, Entry, canonical, heading_hint
from exvivo.sheets.text import Row

logger = logging.getLogger(__name__)


def read_long(rows: list[Row], name: str, problems: list[Problem]) -> Content:
    """Sort the cells of a file with one row per well into canonical columns.

    Headings that resemble a missing column are refused; other unknown ones are left out and logged.
    Raises `SheetError` if the columns do not make a layout at all.
    """
    header, *body = rows
    if header.cells[0].casefold().startswith("wells:"):
        found, expected = (
            "a cellHTS2 plate configuration, whose wells are patterns",
            "a row per well",
        )
        raise SheetError([Problem(name, header.line, "", found, expected)])
    columns, unit = _read_header(header, name, problems)
    present = {column for column in columns if column}
    _check_columns(present, header, name, problems)
    if not body:
        raise SheetError([Problem(name, header.line, "", "a header alone", "a row per well")])
    entries = []
    for row in body:
        if any(row.cells[len(columns) :]):
            found, expected = f"{len(row.cells)} cells", f"{len(columns)}, as in the header"
            problems.append(Problem(name, row.line, "", found, expected))
            continue
        cells = {
            column: Cell(text, row.line, heading)
            for column, heading, text in zip(columns, header.cells, row.cells, strict=False)
            if column and text
        }
        entries.append(Entry(row.line, cells))
    return Content(entries, present, unit)


def _read_header(header: Row, name: str, problems: list[Problem]) -> tuple[list[str], str]:
    pairs = [canonical(heading) for heading in header.cells]
    present = {column for column, _ in pairs if column}
    columns: list[str] = []
    ignored = []
    for heading, (column, _) in zip(header.cells, pairs, strict=True):
        if column and column in columns:
            other = header.cells[columns.index(column)]
            found = f"two columns for {column}: {other!r} and {heading!r}"
            problems.append(Problem(name, header.line, heading, found, "one of them"))
            column = ""
        elif not column and heading:
            hint = heading_hint(heading, present)
            if hint:
                expected = "a known column or a name unlike any"
                problems.append(
                    Problem(name, header.line, heading, "an unknown column", expected, hint)
                )
            ignored.append(heading)
        columns.append(column)
    if ignored:
        logger.info("%s: columns not read: %s", name, ", ".join(ignored))
    return columns, next((unit for _, unit in pairs if unit), "")


def _check_columns(present: set[str], header: Row, name: str, problems: list[Problem]) -> None:
    """Refuse a file without wells or treatments; it is no layout, or one of another kind."""
    missing = []
    if "well" not in present and not {"row", "column"} <= present:
        missing.append("row and column (or well)")
    if not present & {"role", "well_type", "treatment"}:
        missing.append("role")
    if not missing:
        return
    hint = ""
    if [cell for cell in header.cells if cell][:3] == ["1", "2", "3"]:
        hint = (
            "In a block, the line above the column numbers names the attribute, such as treatment"
        )
    found = f"the columns {', '.join(cell for cell in header.cells if cell)}"
    expected = f"a layout, which also has {' and '.join(missing)}"
    problems.append(Problem(name, header.line, "", found, expected, hint))
    raise SheetError(problems)
