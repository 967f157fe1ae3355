"""References: mean scores of healthy controls, against which selective scores (sDSS) are taken, and cohorts.

Read from a table of iTReX, or from one that `exvivo reference build` made (`exvivo.context.reference`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from exvivo.errors import ScoringError
from exvivo.files import digest_file
from exvivo.sheets.text import Row, read_rows
from exvivo.sheets.values import read_numbers

_DOSES = ("min_concentration", "max_concentration")
_NUMBERS = ("n", "mean_DSS", "mean_DSS_adj", "sd_DSS", "median_DSS", "mad_DSS", *_DOSES)


@dataclass(frozen=True)
class Reference:
    """A reference as it was read.

    Attributes: `name` its version (the file's own name where it does not say), `digest` of the file;
    `screens` it is made from (none for a table of iTReX); `table` a row per readout ("" for any) and drug:
    readout, drug, n, mean, mean_adj, sd, median, mad, min_concentration, max_concentration (missing where it
    does not say);
    `single` the scores of each screen, a row per row of `table` and a column per screen.
    """

    name: str
    digest: str
    table: pd.DataFrame
    screens: tuple[str, ...] = ()
    single: pd.DataFrame = field(default_factory=pd.DataFrame)

    def of(self, readout: str) -> pd.DataFrame:
        """Rows for a readout; those of any readout where none is named."""
        named = self.table["readout"]
        return self.table[(named == readout) | (named == "")]

    def others(self, rows: pd.Index, own: Collection[str]) -> pd.DataFrame:
        """Single scores of `rows` in the screens that are not `own`."""
        return self.single.loc[rows, [s for s in self.single.columns if s not in own]]


def read_reference(path: Path | str) -> pd.DataFrame:
    """Mean scores of healthy controls: readout ("" for any), treatment, control_dss, control_dss_adj.

    The last is missing where the table says so. Raises as `read_reference_table`.
    """
    table = read_reference_table(path).table
    renamed = {"drug": "treatment", "mean": "control_dss", "mean_adj": "control_dss_adj"}
    return table.rename(columns=renamed)[["readout", *renamed.values()]]


def read_reference_table(path: Path | str) -> Reference:
    """Read a versioned reference, or one of iTReX (Drug.Name, mean_DSS), for which little is known.

    Raises `SheetError` if the file cannot be read, and `ScoringError` if a column is missing, a number is none,
    or a drug occurs twice.
    """
    path = Path(path)
    rows = read_rows(path, str(path))
    notes = [row.cells[0] for row in rows if row.cells[0].startswith("#")]
    header, *body = [row for row in rows if not row.cells[0].startswith("#")] or [rows[0]]
    if not {"Drug.Name", "mean_DSS"} <= set(header.cells):
        found = ", ".join(header.cells)
        expected = "columns Drug.Name and mean_DSS, perhaps mean_DSS_adj"
        raise ScoringError("a column is missing", expected=expected, found=found, where=str(path))
    cells = pd.DataFrame(
        [[*row.cells, *[""] * (len(header.cells) - len(row.cells))] for row in body],
        columns=list(header.cells),
    )
    table = pd.DataFrame({"readout": cells.get("readout", ""), "drug": cells["Drug.Name"]})
    for column in _NUMBERS:
        table[column.replace("_DSS", "")] = _numbers(cells, column, body, str(path))
    _refuse_doubles(table, str(path))
    screens = tuple(note.split()[2] for note in notes if note.startswith("# screen: "))
    versions = [
        note.partition(": ")[2] for note in notes if note.startswith("# exvivo reference: ")
    ]
    return Reference(
        name=versions[0] if versions else path.stem,
        digest=digest_file(path),
        table=table,
        screens=screens,
        single=_single(cells, screens, str(path)),
    )


def _numbers(cells: pd.DataFrame, column: str, rows: Sequence[Row], where: str) -> list[float]:
    if column not in cells:
        return [np.nan] * len(cells)
    read = read_numbers(list(cells[column]))
    for row, number in zip(rows, read, strict=True):
        if isinstance(number, str):
            place = f"{where}, row {row.line}"
            raise ScoringError(number, expected="a number or NA", found=column, where=place)
    return [np.nan if number is None else float(number) for number in read]


def _refuse_doubles(table: pd.DataFrame, where: str) -> None:
    doubled = table[table.duplicated(["readout", "drug"])]["drug"]
    if len(doubled):
        found = ", ".join(sorted(set(doubled)))
        raise ScoringError("drugs occur twice", expected="one row each", found=found, where=where)


def _single(cells: pd.DataFrame, screens: Sequence[str], where: str) -> pd.DataFrame:
    """The column `scores` as numbers, a column per screen; `ScoringError` if they do not fit the screens."""
    if not screens:
        return pd.DataFrame(index=cells.index)
    split = [cell.split(";") for cell in cells["scores"]] if "scores" in cells else [[]]
    try:
        numbers = [[float(cell) if cell else np.nan for cell in row] for row in split]
        return pd.DataFrame(numbers, columns=list(screens), dtype=float)
    except ValueError as error:
        raise ScoringError(
            "the single scores do not fit the screens of this reference",
            expected=f"{len(screens)} scores in each row",
            found=str(error),
            where=where,
            hint="a reference is not edited by hand: build it again under another name",
        ) from error


def same_doses(row: pd.Series, low: float, high: float) -> bool:
    """Whether a row of a reference was made from these doses; True where it does not say."""
    told = row[list(_DOSES)].to_numpy(dtype=float)
    return bool(np.isnan(told).any() or np.allclose(told, (low, high), rtol=1e-6))
