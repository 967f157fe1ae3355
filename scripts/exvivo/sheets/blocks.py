"""Layouts as blocks: one grid in the shape of the plate per attribute.

    plate: P1; treatment
            1     2     3   …  12
    A       DMSO  …
    …
    H

The line above the column numbers names the attribute and, where there are several plates, the plate.
"""

from __future__ import annotations

import re

from exvivo.errors import Problem, SheetError
from exvivo.sheets.cells import Cell, Content, Entry, canonical
from exvivo.sheets.names import FORMATS, row_letters
from exvivo.sheets.text import Row

ATTRIBUTES = {
    "role",
    "well_type",
    "treatment",
    "concentration",
    "unit",
    "replicate",
    "addon",
    "sample",
}


def is_blocks(rows: list[Row]) -> bool:
    """Tell whether a file starts with a block: a line with a name, then a line of column numbers."""
    return len(rows) > 2 and _columns(rows[0]) == 0 and _columns(rows[1]) >= 3


def read_blocks(rows: list[Row], name: str, problems: list[Problem]) -> Content:
    """Read all blocks of a file into one entry per well.

    Raises `SheetError` for a block whose attribute is unknown or given twice, or whose shape is not that
    of a plate, since the cells that follow could then not be told apart.
    """
    entries: dict[tuple[str, int, int], Entry] = {}
    seen: dict[tuple[str, str], int] = {}
    shapes: dict[str, tuple[int, int]] = {}
    unit, position = "", 0
    while position < len(rows):
        title = rows[position]
        plate, attribute, own_unit = _read_title(title, name)
        shape = _read_shape(rows, position + 1, name)
        unit = own_unit or unit
        _check_block(title, plate, attribute, shape, seen, shapes, name)
        for offset in range(shape[0]):
            row = rows[position + 2 + offset]
            _add_row(row, offset, shape[1], plate, attribute, entries)
        position += 2 + shape[0]
    plates = {plate for plate, _ in seen}
    if len(plates) > 1 and "" in plates:
        line = min(line for (plate, _), line in seen.items() if not plate)
        expected = "a plate in every title, as in 'plate: P1; treatment', or in none"
        problems.append(Problem(name, line, "", "a block without a plate", expected))
    columns = {attribute for _, attribute in seen} | {"row", "column"}
    size = next(wells for wells, shape in FORMATS.items() if shape == max(shapes.values()))
    return Content(list(entries.values()), columns | {"plate"}, unit, size, blocks=True)


def _read_title(title: Row, name: str) -> tuple[str, str, str]:
    """Return plate (or empty), canonical attribute and unit of a block's title line."""
    parts = [part.strip() for cell in title.cells for part in cell.split(";") if part.strip()]
    plates = [re.match(r"plate\s*[:=]\s*(.+)", part, re.IGNORECASE) for part in parts]
    names = [part for part, plate in zip(parts, plates, strict=True) if not plate]
    attribute, unit = canonical(names[0]) if len(names) == 1 else ("", "")
    if attribute not in ATTRIBUTES:
        found = "; ".join(parts)
        expected = f"the name of an attribute above each block: {', '.join(sorted(ATTRIBUTES))}"
        raise SheetError([Problem(name, title.line, "", repr(found), expected)])
    return next((plate[1].strip() for plate in plates if plate), ""), attribute, unit


def _columns(row: Row) -> int:
    """Return n if a row holds the column numbers 1 to n after its first cell, else 0."""
    numbers = list(row.cells[1:])
    while numbers and not numbers[-1]:
        numbers.pop()
    return len(numbers) if numbers == [str(i + 1) for i in range(len(numbers))] else 0


def _read_shape(rows: list[Row], position: int, name: str) -> tuple[int, int]:
    """Return rows and columns of the block whose column numbers are at `position`."""
    columns = _columns(rows[position]) if position < len(rows) else 0
    count = 0
    for row in rows[position + 1 :]:
        if row.cells[0].upper() != row_letters(count):
            break
        count += 1
    if (count, columns) not in FORMATS.values():
        line = rows[min(position, len(rows) - 1)].line
        found = f"a block of {count} rows and {columns} columns"
        expected = "a whole plate: " + ", ".join(f"{r}×{c}" for r, c in FORMATS.values())
        hint = "Rows are named A, B, C …, columns 1, 2, 3 …, without gaps"
        raise SheetError([Problem(name, line, "", found, expected, hint)])
    return count, columns


def _check_block(
    title: Row,
    plate: str,
    attribute: str,
    shape: tuple[int, int],
    seen: dict[tuple[str, str], int],
    shapes: dict[str, tuple[int, int]],
    name: str,
) -> None:
    if (plate, attribute) in seen:
        found = f"{attribute} of plate {plate or '1'} again (first in row {seen[plate, attribute]})"
        raise SheetError([Problem(name, title.line, "", found, "each attribute once per plate")])
    seen[plate, attribute] = title.line
    if shapes.setdefault(plate, shape) != shape:
        found = f"a block of {shape[0]}×{shape[1]}"
        expected = f"{shapes[plate][0]}×{shapes[plate][1]} like the plate's other blocks"
        raise SheetError([Problem(name, title.line, "", found, expected)])


def _add_row(
    row: Row,
    offset: int,
    columns: int,
    plate: str,
    attribute: str,
    entries: dict[tuple[str, int, int], Entry],
) -> None:
    for column in range(columns):
        entry = entries.setdefault((plate, offset, column), Entry(row.line))
        if not entry.cells:
            fixed = {"plate": plate or "1", "row": row_letters(offset), "column": str(column + 1)}
            entry.cells.update({key: Cell(text, row.line, key) for key, text in fixed.items()})
        text = row.cells[column + 1] if column + 1 < len(row.cells) else ""
        if text:
            entry.cells[attribute] = Cell(text, row.line, f"{column + 1} of block {attribute}")
