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


def inspect_plate(
    wells: Path | str, settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Look at every image of a finished store of wells, a shard at a time.

    Args:
        wells: the store, wells.zarr.
        settings: section `image_quality` of the configuration.

    Returns:
        `exvivo.tables.IMAGE_QUALITY`, a row for each imaged well, and `exvivo.tables.WELL_FLAGS`. Both without
        rows for a plate that is refused or still arriving.

    """
    rows = [
        {"plate": piece.plate, "well": well, **measure_image(image, piece.max_value)}
        for piece in iterate_wells(wells)
        for well, image in zip(piece.wells, piece.images, strict=True)
    ]
    fields = pd.DataFrame(rows, columns=IMAGE_QUALITY.names)
    metrics = _by_well(fields)
    flags = flags_frame(check_plate(metrics, settings))
    log.info("%d wells, %d flags", len(metrics), len(flags))
    return metrics, flags


def _by_well(fields: pd.DataFrame) -> pd.DataFrame:
    """One row per well: of several fields the worst, by each metric's own direction."""
    worst = {"ceiling": "max", "signal": "max"}
    return fields.groupby(["plate", "well"], sort=False, as_index=False).agg(worst)
