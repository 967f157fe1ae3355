"""Writing workbooks in which a text is a text: never a formula, a link or a number."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from exvivo.files import replacing

# Equal tables make equal files.
_MADE = datetime.datetime(2000, 1, 1)
_CELL = 32_767  # characters that a cell holds


def write_workbook(path: Path | str, sheets: dict[str, pd.DataFrame]) -> None:
    """Write each table as a worksheet with a bold header; missing values are empty cells.

    Texts are written as texts, so that a drug called `=1+1` stays one. A text longer than a cell can hold
    raises `ValueError`.
    """
    import xlsxwriter

    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "in_memory": True,
    }
    with replacing(path) as partial, xlsxwriter.Workbook(str(partial), options) as book:
        book.set_properties({"author": "exvivo", "created": _MADE})
        bold = book.add_format({"bold": True})
        for name, table in sheets.items():
            sheet = book.add_worksheet(name)
            for column, heading in enumerate(table.columns):
                sheet.write_string(0, column, str(heading), bold)
                for row, value in enumerate(table.iloc[:, column], start=1):
                    _write(sheet, row, column, value)
            sheet.freeze_panes(1, 0)


def _write(sheet, row: int, column: int, value: object) -> None:
    if isinstance(value, bool | np.bool_):
        sheet.write_boolean(row, column, bool(value))
    elif isinstance(value, int | float | np.number):
        if np.isfinite(value):
            sheet.write_number(row, column, float(value))
    elif value is not None and value is not pd.NA and str(value):
        if len(str(value)) > _CELL:
            raise ValueError(f"a text of {len(str(value))} characters does not fit into a cell")
        sheet.write_string(row, column, str(value))
