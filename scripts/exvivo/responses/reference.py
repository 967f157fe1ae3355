"""Mean scores of healthy controls, against which selective scores (sDSS) are taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from exvivo.errors import ScoringError
from exvivo.sheets.text import read_rows
from exvivo.sheets.values import read_numbers


def read_reference(path: Path | str) -> pd.DataFrame:
    """Read mean scores of healthy controls: text with columns Drug.Name, mean_DSS and perhaps mean_DSS_adj.

    Returns treatment, control_dss, control_dss_adj (missing where the table says so). Raises `SheetError`
    if the file cannot be read, and `ScoringError` if a column is missing, a number is none, or a drug occurs
    twice.
    """
    header, *rows = read_rows(Path(path), str(path))
    expected = "columns Drug.Name and mean_DSS, perhaps mean_DSS_adj"
    if not {"Drug.Name", "mean_DSS"} <= set(header.cells):
        found = ", ".join(header.cells)
        raise ScoringError("a column is missing", expected=expected, found=found, where=str(path))

    def column(name: str) -> list[str]:
        place = header.cells.index(name) if name in header.cells else len(header.cells)
        return [row.cells[place] if place < len(row.cells) else "" for row in rows]

    names = column("Drug.Name")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        found = ", ".join(doubled)
        raise ScoringError(
            "drugs occur twice", expected="one row each", found=found, where=str(path)
        )
    numbers = {"control_dss": column("mean_DSS"), "control_dss_adj": column("mean_DSS_adj")}
    frame = pd.DataFrame({"treatment": names})
    for name, cells in numbers.items():
        read = read_numbers(cells)
        for row, number in zip(rows, read, strict=True):
            if isinstance(number, str):
                place = f"{path}, row {row.line}"
                raise ScoringError(number, expected="a number or NA", found=name, where=place)
        frame[name] = [np.nan if number is None else float(number) for number in read]
    return frame
