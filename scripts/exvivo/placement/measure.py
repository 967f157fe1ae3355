"""What was measured on a plate, from its stores: features of its images, or the values of a readout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from exvivo.placement.examine import Measured
from exvivo.placement.features import well_features
from exvivo.readouts.flags import UNUSABLE, reasons
from exvivo.wells import WellImages, read_wells


def from_images(done: Path | str) -> tuple[str, Measured]:
    """The plate and features of the store that `done` (wells.done.json) says is finished."""
    return of_images(read_wells(str(done).replace(".done.json", ".zarr")))


def of_images(store: WellImages) -> tuple[str, Measured]:
    """The plate and features of its wells; a plate that was refused has none."""
    wells, features = well_features(store.images / np.float32(store.max_value), store.wells)
    return store.plate, Measured("images", wells, features)


def from_readout(name: str, values: pd.DataFrame) -> Measured:
    """The usable values of a readout (`exvivo.tables.READOUT`) of one plate, called `name`."""
    broken = values["flag"].map(lambda text: not UNUSABLE.isdisjoint(reasons(text))).astype(bool)
    own = values[np.isfinite(values["value"].to_numpy(dtype=float)) & ~broken]
    return Measured(name, list(own["well"]), own[["value"]].to_numpy(dtype=float))
