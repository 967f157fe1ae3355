"""cells.parquet: one row per cell of a plate, in the order well, field, label."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from exvivo.tables import read_table

_FIXED = [
    ("plate", pa.string()),
    ("well", pa.string()),
    ("field", pa.int64()),
    ("cell", pa.int64()),  # its label in labels.zarr
    ("y", pa.float64()),  # centre of the nucleus, pixels
    ("x", pa.float64()),
    ("area", pa.float64()),  # of the cell, pixels
    ("nucleus_area", pa.float64()),
    ("roundness", pa.float64()),  # of the nucleus, 1 for an ellipse
    ("border", pa.bool_()),  # the nucleus touches the border of the field
]
_GROUND = "_ground"


def cells_schema(channels: Iterable[str]) -> pa.Schema:
    """Columns of a table of cells with these channels, in grey values above the local background."""
    numbers = [f"{name}{part}" for name in channels for part in ("", "_nucleus", _GROUND)]
    return pa.schema([*_FIXED, *((name, pa.float64()) for name in numbers)])


def channels_of(names: Iterable[str]) -> list[str]:
    """Channels of a table by its columns."""
    return [name.removesuffix(_GROUND) for name in names if name.endswith(_GROUND)]


def read_cells(path: Path | str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a plate's table of cells, or some of its columns; `StoreError` if it is missing or damaged."""
    if columns is not None and Path(path).is_file():
        return pq.read_table(path, columns=columns).to_pandas()
    return read_table(path, cells_schema(channels_of(pq.read_schema(path).names)))
