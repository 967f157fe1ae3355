"""A layout file as cells of text with their places, whatever its format.

Standard library, and python-calamine for workbooks.
"""

from __future__ import annotations

import datetime
import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exvivo.errors import Problem, SheetError
from exvivo.sheets.names import FORMATS
from exvivo.sheets.text import Row, read_rows
from exvivo.sheets.values import clean, spoilt, unit_factor

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")

# Column names of layouts seen in use, without case and signs. In their order: exvivo and iTReX; older
# iTReX files; JUMP and LINCS plate maps; acoustic dispensers.
ALIASES = {
    "plate": ("plate", "layoutplate", "platename", "filename", "platemapname", "destinationplate"),
    "row": ("row", "rowid", "wellrow"),
    "column": ("column", "col", "colid", "wellcol", "wellcolumn"),
    "well": ("well", "wellname", "wellposition", "destwell", "destinationwell"),
    "role": ("role", "typea"),
    "well_type": ("welltype",),
    "treatment": (
        "treatment",
        "name",
        "drug",
        "drugname",
        "compound",
        "compoundname",
        "broadsample",
    ),
    "concentration": ("concentration", "conc", "dose", "assayconc"),
    "unit": ("unit", "units", "concentrationunit", "doseunit"),
    "replicate": ("replicate", "rep", "batch"),
    "addon": ("addon",),
    "sample": ("sample", "sampleid"),
    "solvent": ("solvent",),
    "readout": ("readout", "value"),
}
_BY_ALIAS = {alias: column for column, aliases in ALIASES.items() for alias in aliases}


@dataclass(frozen=True)
class Cell:
    """A cell with its place: 1-based line of the file and the file's own name for the column."""

    text: str
    line: int
    column: str


@dataclass
class Entry:
    """What a file says about one well: its cells by canonical column; missing cells are not there."""

    line: int
    cells: dict[str, Cell] = field(default_factory=dict)

    def text(self, column: str) -> str:
        """Return the text in a column, empty if there is none."""
        return self.cells[column].text if column in self.cells else ""


@dataclass
class Content:
    """A layout file: its entries and canonical columns, the unit in a heading, the plate format it names."""

    entries: list[Entry]
    columns: set[str]
    unit: str = ""
    format: int | None = None
    blocks: bool = False


def read_cells(path: Path, name: str) -> list[Row]:
    """Read a delimited text file or the first worksheet of a workbook as rows of cleaned text.

    Numbers of a workbook become the shortest text that means the same, dates become 2024-03-01. Raises
    `SheetError` if the file cannot be read.
    """
    read = _read_workbook if path.suffix.lower() in WORKBOOKS else read_rows
    return [Row(row.line, tuple(clean(cell) for cell in row.cells)) for row in read(path, name)]


def _read_workbook(path: Path, name: str) -> list[Row]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        sheet = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0)
        values = sheet.to_python(skip_empty_area=False)
    except (CalamineError, OSError) as error:
        found = "no such file" if not path.exists() else f"no workbook ({error})"
        raise SheetError([Problem(name, 0, "", found, "a readable workbook")]) from error
    texts = [tuple(_as_text(value).strip() for value in row) for row in values]
    rows = [Row(line, cells) for line, cells in enumerate(texts, start=1) if any(cells)]
    if not rows:
        found, expected = "an empty first worksheet", "a header and at least one row"
        raise SheetError([Problem(name, 0, "", found, expected)])
    return rows


def _as_text(value: Any) -> str:
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def take_format(rows: list[Row], name: str) -> tuple[list[Row], int | None]:
    """Split off comment rows (`#`); return the others and the plate format of a row `# format: 384`."""
    wells = None
    for row in rows:
        match = re.match(r"#\s*format\s*:\s*(\S*)", row.cells[0])
        if match:
            if not match[1].isdigit() or int(match[1]) not in FORMATS:
                expected = f"one of {', '.join(map(str, FORMATS))}"
                problem = Problem(name, row.line, "# format", repr(match[1]), expected)
                raise SheetError([problem])
            wells = int(match[1])
    # An error value of a workbook, such as #N/A, is not a comment: no well gets lost that way.
    return [r for r in rows if not r.cells[0].startswith("#") or spoilt(r.cells[0])], wells


def canonical(heading: str) -> tuple[str, str]:
    """Return the canonical column of a heading and the unit it carries; ("", "") for an unknown one.

    `Concentration`, `concentration_uM`, `Dose [nM]` and `AssayConc_uM` are concentrations;
    `mmoles_per_liter` is one in mM.
    """
    if _bare(heading) == "mmolesperliter":
        return "concentration", "mM"
    column = _BY_ALIAS.get(_bare(heading), "")
    if column:
        return column, ""
    match = re.fullmatch(
        r"(.*?)[\s_-]*[(\[]?\s*([pnuµμm]?M(?:ol/l)?)\s*[)\]]?", heading, re.IGNORECASE
    )
    if match and _BY_ALIAS.get(_bare(match[1])) == "concentration" and unit_factor(match[2]):
        return "concentration", match[2]
    return "", ""


def _bare(heading: str) -> str:
    return re.sub(r"[^a-z0-9]", "", heading.casefold())


# Columns of real layouts that resemble a known one and are not it.
_OTHER_HEADINGS = {"celltype"}
_EQUIVALENT = {
    "role": {"well_type"},
    "well_type": {"role"},
    "well": {"row", "column"},
    "row": {"well"},
}


def heading_hint(heading: str, present: set[str]) -> str:
    """Return a suggestion if an unknown heading resembles a column that the file does not have yet."""
    bare = _bare(heading)
    if len(bare) < 3 or bare in _OTHER_HEADINGS:
        return ""
    settled = present.union(*(_EQUIVALENT.get(column, set()) for column in present))
    known = (alias for alias, column in _BY_ALIAS.items() if column not in settled)
    close = difflib.get_close_matches(bare, known, n=1, cutoff=0.85)
    return f"Did you mean {_BY_ALIAS[close[0]]!r}?" if close else ""
