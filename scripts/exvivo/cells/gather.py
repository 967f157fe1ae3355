"""The cells of a screen's plates, brought together with what is known of their wells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from exvivo.files import read_json
from exvivo.segmentation.fields import ADMITTED
from exvivo.segmentation.limits import CellLimits, flag_cells
from exvivo.segmentation.table import read_cells

Excluded = Mapping[tuple[str, str], Sequence[str]]


@dataclass(frozen=True)
class SegmentedPlate:
    """A plate whose cells were found: its id, `done` what the segmentation says of it, and its table."""

    plate: str
    done: dict[str, Any]
    table: Path

    def cells(self, columns: Sequence[str]) -> pd.DataFrame:
        """Some columns of its cells, in the order of the table."""
        return read_cells(self.table, list(dict.fromkeys(columns)))


def segmented_plates(
    labels: Sequence[Path | str], tables: Sequence[Path | str]
) -> list[SegmentedPlate]:
    """The plates that were admitted, from their done files and tables, in the order given."""
    found = []
    for label, table in zip(labels, tables, strict=True):
        done = read_json(label)
        if done["verdict"] == ADMITTED:
            found.append(SegmentedPlate(done["plate"], done, Path(table)))
    return found


def crops_of_plates(
    done: Sequence[Path | str], index: Sequence[Path | str]
) -> dict[str, tuple[Path, Path]]:
    """By plate the store of its crops and the table that says which cells they show, from done files and tables."""
    stores = [Path(str(path).replace(".done.json", ".zarr")) for path in done]
    return {s.parent.name: (s, Path(i)) for s, i in zip(stores, index, strict=True)}


def columns_for(stain: str, markers: Sequence[str] = ()) -> list[str]:
    """Columns that limits, flags and markers need."""
    own = ["well", "nucleus_area", "roundness", "border", f"{stain}_nucleus"]
    return [*own, *markers]


def whole_cells(
    plates: Sequence[SegmentedPlate], columns: Sequence[str], limits: CellLimits | None, stain: str
) -> Iterator[tuple[SegmentedPlate, pd.DataFrame, NDArray[Any]]]:
    """For each plate its cells and whether each is whole; without limits, whether it is away from the border."""
    for plate in plates:
        frame = plate.cells(columns)
        if limits is None:
            yield plate, frame, ~frame["border"].to_numpy(bool)
        else:
            yield plate, frame, flag_cells(frame, limits, stain) == ""


def is_excluded(plate: str, wells: pd.Series, excluded: Excluded) -> NDArray[Any]:
    """Which rows lie in wells that a check or a person excludes; the well "" stands for the whole plate."""
    if (plate, "") in excluded:
        return pd.Series(True, wells.index).to_numpy()
    own = {well for name, well in excluded if name == plate}
    return wells.isin(own).to_numpy()
