"""One plate: metrics of every well, and the flags that follow."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from exvivo.inspection.checks import check_plate
from exvivo.inspection.flags import flags_frame
from exvivo.inspection.measure import measure_image
from exvivo.tables import IMAGE_QUALITY
from exvivo.wells import iterate_wells

log = logging.getLogger(__name__)

_KEYS = ["plate", "well"]


def inspect_plate(
    wells: Path | str, exposure: pd.DataFrame, settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Look at every image of a finished store of wells, a shard at a time.

    Args:
        wells: the store, wells.zarr.
        exposure: `exvivo.tables.EXPOSURE` of the plate.
        settings: section `image_quality` of the configuration.

    Returns:
        `exvivo.tables.IMAGE_QUALITY`, a row for each imaged well, and `exvivo.tables.WELL_FLAGS`. Both without
        rows for a plate that is refused or still arriving.

    """
    rows = [
        {"plate": piece.plate, "well": well, **measure_image(image)}
        for piece in iterate_wells(wells)
        for well, image in zip(piece.wells, piece.images, strict=True)
    ]
    columns = [name for name in IMAGE_QUALITY.names if name != "ceiling"]
    metrics = by_well(pd.DataFrame(rows, columns=columns), exposure)
    flags = flags_frame(check_plate(metrics, settings))
    log.info("%d wells, %d flags", len(metrics), len(flags))
    return metrics, flags


def by_well(fields: pd.DataFrame, exposure: pd.DataFrame) -> pd.DataFrame:
    """One row per well from one per field: medians over its fields, and the most of `ceiling`."""
    metrics = fields.groupby(_KEYS, sort=False, as_index=False).median()
    most = exposure.groupby(_KEYS, as_index=False)["ceiling"].max()
    joined = metrics.merge(most, on=_KEYS, how="left")
    return joined.astype(dict.fromkeys(IMAGE_QUALITY.names[2:], "float64"))[IMAGE_QUALITY.names]
