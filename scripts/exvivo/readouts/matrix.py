"""Finding the plate in a plate reader's file: a block of numbers, with or without row and column names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from exvivo.errors import ScoringError
from exvivo.readouts.sources import Table
from exvivo.sheets.names import FORMATS, row_index, row_letters, well_name
from exvivo.sheets.values import is_missing, read_numbers

MIN_LINES = 4  # of a block, as in iTReX
MIN_NUMBERS = 6  # in each of its lines

Line = tuple[int, tuple[str, ...]]  # 1-based line of the file, cells

_NUMBER = re.compile(r"[+-]?(\d[\d.,]*|[.,]\d+)([eE][+-]?\d+)?")
_ROW = re.compile(r"[A-Za-z]{1,2}")


@dataclass(frozen=True)
class Matrix:
    """One plate's numbers: value per well name in plate order, None where the file says there is none."""

    name: str
    where: str
    values: dict[str, float | None]


def find_matrices(table: Table) -> list[Matrix]:
    """All matrices of a table, under the separator that gives the most cells; none if there is none."""
    readings = [_blocks(rows) for rows in table.readings]
    sizes = [sum(len(line[1]) for block in blocks for line in block) for blocks in readings]
    blocks = readings[sizes.index(max(sizes))] if sizes else []
    return [_matrix(block, table) for block in blocks]


def _blocks(rows: tuple[Line, ...]) -> list[list[Line]]:
    """Runs of at least four lines that follow each other and are rows of numbers."""
    blocks: list[list[Line]] = [[]]
    for row in rows:
        line = _trim(row)
        if not _is_numbers(line[1]):
            blocks.append([])
        elif blocks[-1] and line[0] > blocks[-1][-1][0] + 1:
            blocks.append([line])
        else:
            blocks[-1].append(line)
    return [block for block in blocks if len(block) >= MIN_LINES]


def _trim(row: Line) -> Line:
    """A line without the empty cells at its end, which spreadsheet programs and readers add."""
    cells = list(row[1])
    while cells and not cells[-1]:
        cells.pop()
    return row[0], tuple(cells)


def _is_numbers(cells: tuple[str, ...]) -> bool:
    """Whether these are the cells of a plate row; a few cells with other words (OVER) do not hide it."""
    if not cells:
        return False
    rest = cells[1:] if not _NUMBER.fullmatch(cells[0]) else cells
    numbers = sum(
        bool(_NUMBER.fullmatch(cell)) or (is_missing(cell) and cell != "") for cell in rest
    )
    return numbers >= MIN_NUMBERS and numbers >= 0.75 * sum(cell != "" for cell in rest)


def _matrix(block: list[Line], table: Table) -> Matrix:
    """Take row and column names off a block and give every cell its well."""
    labelled = sum(bool(_ROW.fullmatch(cells[0])) for _, cells in block) >= len(block) - 1
    columns = _column_numbers(block, labelled)
    body = block[1:] if columns else block
    width = max(len(cells) - labelled for _, cells in body)
    rows = _row_numbers(body, labelled, table)
    columns = columns or list(range(width))
    bounds = (max(rows) + 1, max(columns) + 1)
    if width > len(columns) or (not labelled and (len(body), width) not in FORMATS.values()):
        raise ScoringError(
            "cannot tell which well these numbers belong to",
            expected="row letters and column numbers, or a whole plate: "
            + ", ".join(f"{r}×{c}" for r, c in FORMATS.values()),
            found=f"{len(body)} rows of up to {width} numbers from line {body[0][0]} on",
            where=table.where,
        )
    if bounds[0] > 32 or bounds[1] > 48:
        found = f"row {row_letters(bounds[0] - 1)}, column {bounds[1]}"
        raise ScoringError(
            "a well beyond any plate", expected="up to AF48", found=found, where=table.where
        )
    return Matrix(table.name, table.where, _values(body, labelled, rows, columns, table))


def _column_numbers(block: list[Line], labelled: bool) -> list[int]:
    """0-based columns of a header line, or nothing if the block has none."""
    cells = block[0][1]
    first = bool(cells) and not _NUMBER.fullmatch(cells[0])
    if labelled and _ROW.fullmatch(cells[0]):
        return []
    names = cells[1:] if first else cells
    numbers = [int(name) for name in names if name.isdigit()]
    rising = all(b == a + 1 for a, b in pairwise(numbers))
    if (
        len(numbers) != len(names)
        or not rising
        or numbers[0] < 1
        or (not labelled and numbers[0] != 1)
    ):
        return []
    return [number - 1 for number in numbers]


def _row_numbers(body: list[Line], labelled: bool, table: Table) -> list[int]:
    if not labelled:
        return list(range(len(body)))
    rows: list[int] = []
    for line, cells in body:
        if not _ROW.fullmatch(cells[0]):
            raise ScoringError(
                "a row without its letter",
                expected="A, B, … in the first column",
                found=repr(cells[0]),
                where=f"{table.where}, line {line}",
            )
        row = row_index(cells[0])
        if row in rows:
            raise ScoringError(
                "a row twice",
                expected="each row once",
                found=cells[0],
                where=f"{table.where}, line {line}",
            )
        rows.append(row)
    return rows


def _values(
    body: list[Line], labelled: bool, rows: list[int], columns: list[int], table: Table
) -> dict[str, float | None]:
    """Read all cells together, so that one rule for the decimal sign holds for the whole plate."""
    wells, cells, lines = [], [], []
    for row, (line, texts) in zip(rows, body, strict=True):
        texts = texts[1:] if labelled else texts
        for place, column in enumerate(columns):
            wells.append(well_name(row, column))
            cells.append(texts[place] if place < len(texts) else "")
            lines.append(line)
    values: dict[str, float | None] = {}
    for well, cell, line, number in zip(wells, cells, lines, read_numbers(cells), strict=True):
        if isinstance(number, str):
            raise ScoringError(
                f"{number}: {cell!r}",
                expected="a number, or NA where nothing was measured",
                found=f"well {well}",
                where=f"{table.where}, line {line}",
            )
        values[well] = None if number is None else float(number)
    return values
