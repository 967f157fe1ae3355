"""The viability network's input: every imaged field as a small two-channel image on the raw scale."""

from __future__ import annotations

from exvivo.wells.resample import area_average, centre_square
from exvivo.wells.store import (
    CHANNELS,
    WellImages,
    WellsWriter,
    iterate_wells,
    read_wells,
    write_wells,
)

__all__ = [
    "CHANNELS",
    "WellImages",
    "WellsWriter",
    "area_average",
    "centre_square",
    "iterate_wells",
    "read_wells",
    "write_wells",
]
