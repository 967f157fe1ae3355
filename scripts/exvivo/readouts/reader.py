"""Plate readers' files: iTReX matrices and long tables, as text, workbook or zip."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pandas as pd

from exvivo.errors import ExvivoError, ScoringError
from exvivo.readouts.matrix import Matrix, find_matrices
from exvivo.readouts.sources import Table, read_tables
from exvivo.sheets.cells import canonical
from exvivo.sheets.names import parse_well, well_name
from exvivo.sheets.values import read_numbers

logger = logging.getLogger(__name__)

_PLATE_LIKE = re.compile(r"(p|plate)?\d{1,3}[a-z]?")


def read_plate_reader(path: Path | str, layout_plate: str, plate: str) -> pd.DataFrame:
    """Read the numbers of one plate from a plate reader's file.

    Args:
        path: text, workbook, or zip of both. It holds matrices (a block of at least four lines with at
            least six numbers, row and column names optional) or a long table with the columns Plate, Row,
            Column (or Well) and Readout.
        layout_plate: the layout's name of the plate. Where the file holds several plates, the one meant is
            the matrix whose name ends in `_<layout_plate>` (file, worksheet or archive member), or the rows
            of that Plate; `1`, `01`, `P1` and `Plate1` are the same. May be empty where there is one only.
        plate: id of the plate, for the result.

    Returns:
        `exvivo.tables.READOUT`, one row per well of the file; `value` is missing where the file says NA.

    Raises:
        ScoringError: the file is missing, damaged, too large, without the plate or without any number for it,
            or has a cell that is no number.

    """
    path = Path(path)
    tables = read_tables(path)
    found = [one for table in tables for one in _long_tables(table) or find_matrices(table)]
    chosen = _choose(found, layout_plate, path)
    logger.info("plate %s: %d wells from %s", plate, len(chosen.values), chosen.where)
    frame = pd.DataFrame({"well": list(chosen.values), "value": list(chosen.values.values())})
    frame["value"] = frame["value"].astype("float64")
    if not frame["value"].notna().any():
        raise ScoringError(
            "no number for this plate",
            expected="read-outs",
            found="NA or nothing",
            where=chosen.where,
        )
    return frame.assign(plate=plate, flag="")[["plate", "well", "value", "flag"]]


def _choose(found: list[Matrix], layout_plate: str, path: Path) -> Matrix:
    """The matrix of the wanted plate; a single one will do unless it is named as another plate."""
    if not found:
        raise ScoringError(
            "no plate in this file",
            expected="at least four lines with at least six numbers each, or a column Readout",
            found="neither",
            where=str(path),
        )
    wanted = _plate_key(layout_plate)
    matches = [one for one in found if wanted and _plate_key(_suffix(one.name)) == wanted]
    exact = [one for one in matches if _suffix(one.name) == layout_plate]
    matches = exact or matches
    if len(found) == 1 and (
        not wanted or not _PLATE_LIKE.fullmatch(_suffix(found[0].name).lower())
    ):
        return found[0]
    if len(matches) == 1:
        return matches[0]
    if not wanted:
        problem = "several plates, and none is named"
    else:
        problem = f"{len(matches) or 'no'} plate(s) named {layout_plate!r}"
    raise ScoringError(
        problem,
        expected="one file, worksheet, archive member or Plate whose name ends in _<layout_plate>",
        found=", ".join(sorted({one.name for one in found})),
        where=str(path),
        hint="rename it, or set layout_plate in plates.tsv",
    )


def _suffix(name: str) -> str:
    return name.rsplit("_", 1)[-1]


def _plate_key(name: str) -> str:
    """A plate's name without case, the word for plate and leading zeros."""
    match = re.fullmatch(r"(?:plate|p)?[\s_-]*0*(\d+[a-z]?)", name.strip().casefold())
    return match[1] if match else name.strip().casefold()


def _long_tables(table: Table) -> list[Matrix]:
    """The plates of a long table; none if this is not one."""
    for rows in table.readings:
        body = [row for row in rows if any(row[1]) and not row[1][0].startswith("#")]
        names = [canonical(cell)[0] for cell in body[0][1]] if body else []
        if "readout" in names and ("well" in names or {"row", "column"} <= set(names)):
            return _plates_of(names, body[1:], table)
    return []


def _plates_of(
    names: list[str], rows: list[tuple[int, tuple[str, ...]]], table: Table
) -> list[Matrix]:
    """Each plate of a long table as a matrix named after it."""
    doubled = {n for n in ("plate", "row", "column", "well", "readout") if names.count(n) > 1}
    if doubled:
        raise ScoringError("a column twice", found=", ".join(sorted(doubled)), where=table.where)
    place = {name: i for i, name in enumerate(names) if name}

    def cell(cells: tuple[str, ...], name: str) -> str:
        return cells[place[name]] if name in place and place[name] < len(cells) else ""

    numbers = read_numbers([cell(cells, "readout") for _, cells in rows])
    plates: dict[str, dict[str, float | None]] = {}
    for (line, cells), number in zip(rows, numbers, strict=True):
        where = f"{table.where}, line {line}"
        if isinstance(number, str):
            found = repr(cell(cells, "readout"))
            raise ScoringError(number, expected="a number or NA", found=found, where=where)
        well = _well(cell(cells, "well"), cell(cells, "row"), cell(cells, "column"), where)
        values = plates.setdefault(cell(cells, "plate"), {})
        if well in values:
            raise ScoringError("a well twice", expected="each once", found=well, where=where)
        values[well] = None if number is None else float(number)
    single = len(plates) == 1 and "" in plates
    return [Matrix(table.name if single else p, table.where, v) for p, v in plates.items()]


def _well(well: str, row: str, column: str, where: str) -> str:
    """The well's name, from a well column or from row letters and column number."""
    try:
        if not well and column.isdigit() and row.isalpha():
            return well_name(*parse_well(f"{row}{int(column)}"))
        return well_name(*parse_well(well or f"{row}{column}"))
    except ExvivoError as error:
        found = well or f"row {row!r}, column {column!r}"
        raise ScoringError(
            "not a well", expected="A01 to AF48", found=found, where=where
        ) from error
