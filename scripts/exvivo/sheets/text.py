"""Reading delimited text as rows of text with their line numbers; nothing is turned into a number here.

Standard library only: imported at DAG time.
"""

from __future__ import annotations

import csv
import io
import logging
from dataclasses import dataclass
from pathlib import Path

from exvivo.errors import Problem, SheetError

logger = logging.getLogger(__name__)

DELIMITERS = "\t;,"
_NAMES = {"\t": "tab", ";": "semicolon", ",": "comma"}
_USUAL = {".tsv": "\t", ".csv": ","}


@dataclass(frozen=True)
class Row:
    """One row of a sheet: its 1-based line in the file and its cells, stripped of spaces around."""

    line: int
    cells: tuple[str, ...]


def read_rows(path: Path, name: str) -> list[Row]:
    """Read a TSV or CSV file (tab, semicolon or comma; UTF-8 with or without BOM, or UTF-16 with BOM).

    `name` is how messages call the file. Empty lines are left out, comment lines (`#`) stay. Raises
    `SheetError` for a file that is missing, empty or in another encoding.
    """
    text = decode(path, name)
    delimiter = sniff_delimiter(text)
    if delimiter != _USUAL.get(path.suffix.lower()):
        logger.info("%s: read as separated by %s", name, _NAMES[delimiter])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows, line = [], 1
    try:
        for cells in reader:
            rows.append(Row(line, tuple(_one_line(cell, delimiter, line, name) for cell in cells)))
            line = reader.line_num + 1
    except csv.Error as error:
        problem = Problem(name, line, "", str(error), "text with balanced quotes")
        raise SheetError([problem]) from error
    rows = [row for row in rows if any(row.cells)]
    if not rows:
        raise SheetError([Problem(name, 0, "", "an empty file", "a header and at least one row")])
    return rows


def _one_line(cell: str, delimiter: str, line: int, name: str) -> str:
    """Return a cell on one line; a quotation mark without its partner would swallow the rows below it."""
    if "\n" in cell and delimiter in cell:
        found = "a quotation mark without its partner"
        raise SheetError([Problem(name, line, "", found, "text with balanced quotes")])
    return " ".join(cell.split("\n")).strip()


def decode(path: Path, name: str) -> str:
    """Return the text of a file; `SheetError` if it is missing or neither UTF-8 nor marked as UTF-16."""
    try:
        content = path.read_bytes()
    except OSError as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise SheetError([Problem(name, 0, "", found, "a readable file")]) from error
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(
            name,
            line,
            "",
            f"a byte that is not {encoding.removesuffix('-sig').upper()}",
            "UTF-8 text",
            "Save it again as UTF-8 (in Excel: 'CSV UTF-8')",
        )
        raise SheetError([problem]) from error
    if "\0" in text:
        raise SheetError(
            [Problem(name, 0, "", "binary content", "a text file", "Is it a workbook?")]
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def sniff_delimiter(text: str) -> str:
    """Return the delimiter: the commonest of tab, semicolon and comma in the header line.

    In a layout in blocks it is what separates the column numbers, since the line above has one cell.
    """
    lines = [line for line in text.split("\n", 200) if line.strip() and not line.startswith("#")]
    header, second = (*lines, "", "")[:2]
    for delimiter in DELIMITERS:
        numbers = [cell.strip('" ') for cell in second.split(delimiter)][1:4]
        if numbers == ["1", "2", "3"]:
            return delimiter
    return max(DELIMITERS, key=header.count)
