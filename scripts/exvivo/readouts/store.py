"""Readouts as tables: reading what projection, inference and readers wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from exvivo.tables import READOUT, read_table


def read_readout(path: Path | str) -> pd.DataFrame:
    """Read one readout (`exvivo.tables.READOUT`); `StoreError` if it is missing or damaged."""
    return read_table(path, READOUT)


def read_readouts(paths: Iterable[Path | str]) -> pd.DataFrame:
    """Read the same readout of several plates as one table, in the order given; no path, no row."""
    frames = [frame for frame in map(read_readout, paths) if len(frame)]
    if frames:
        return pd.concat(frames, ignore_index=True)
    empty = {name: pd.Series(dtype=object) for name in READOUT.names}
    return pd.DataFrame(empty).astype({"value": "float64"})


def read_by_name(files: Sequence[Path | str], names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The readouts `names` of a screen from the tables of all of them, which are called after their readout."""
    return {
        name: read_readouts([file for file in files if Path(file).stem == name]) for name in names
    }
