"""The crops of one plate: cut from its fields around the cells of its table, a well at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from exvivo import __version__
from exvivo.crops.cut import CropSettings, cut_crops, inside, rescale
from exvivo.crops.store import CropsWriter
from exvivo.errors import StoreError
from exvivo.files import read_json, replacing, write_json
from exvivo.segmentation.fields import ADMITTED, CellPlate, plan_cells, read_field
from exvivo.segmentation.table import read_cells
from exvivo.tables import read_table, write_table
from exvivo.wells.store import done_path

log = logging.getLogger(__name__)

CROP_INDEX = pa.schema([("row", pa.int64())])  # of cells.parquet, one per crop, rising


def crop_plate(
    *,
    folder: Path | str,
    fingerprint: Path | str,
    admission: Path | str,
    labels: Path | str,
    cells: Path | str,
    channels: Mapping[str, str],
    settings: CropSettings,
    crops: Path | str,
    index: Path | str,
) -> None:
    """Cut a crop of every cell whose crop lies within its field; crops.done.json is written last.

    Args:
        folder: of the raw plate.
        fingerprint: as the scan wrote it.
        admission: as the admission wrote it.
        labels: done file of the segmentation.
        cells: table of the plate's cells.
        channels: names to the instrument's channels; those of `settings` must be among them.
        settings: of the crops.
        crops: Zarr store (`exvivo.crops.store`).
        index: table `CROP_INDEX`: which row of `cells` each crop shows.

    """
    crops, done = Path(crops), read_json(labels)
    done_path(crops).unlink(missing_ok=True)
    table = read_cells(cells, ["well", "field", "y", "x"])
    own = {name: channels[name] for name in settings.channels}
    plan = plan_cells(folder, fingerprint, admission, own)
    rows: list[NDArray[np.int64]] = []
    with replacing(crops) as partial:
        writer: CropsWriter | None = None
        for places, block in _cut(plan, table, settings) if done["verdict"] == ADMITTED else ():
            if writer is None:
                writer = CropsWriter(partial, done["plate"], settings, len(table), block.dtype)
            writer.append(block)
            rows.append(places)
        writer = writer or CropsWriter(partial, done["plate"], settings, 1)
        digest = writer.close()
    kept = np.concatenate(rows) if rows else np.empty(0, np.int64)
    write_table(pd.DataFrame({"row": kept}), index, CROP_INDEX)
    log.info("%s: %d crops of %d cells", done["plate"], len(kept), len(table))
    write_json(
        done_path(crops),
        {
            "verdict": done["verdict"],
            "reason": done["reason"],
            "plate": done["plate"],
            "digest": digest,
            "crops": len(kept),
            "cells": len(table),
            "settings": asdict(settings) | {"channels": list(settings.channels)},
            "exvivo": __version__,
        },
    )


def read_index(path: Path | str) -> NDArray[np.int64]:
    """Rows of cells.parquet that the crops of a plate show, in order."""
    return read_table(path, CROP_INDEX)["row"].to_numpy()


def _cut(
    plan: CellPlate, table: pd.DataFrame, settings: CropSettings
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.generic]]]:
    """Rows of the table and their crops, field by field in the order of the table."""
    by_field = {(field.well, field.field): field for field in plan.fields}
    keys = table.groupby(["well", "field"], sort=False).indices
    for key, places in keys.items():
        if key not in by_field:
            raise StoreError(
                "the table of cells has a field that the plate does not have",
                expected="the fields that were segmented",
                found=f"well {key[0]}, field {key[1]}",
                hint="segment the plate again",
            )
        images = read_field(plan.folder, by_field[key], list(settings.channels))
        scaled, factor = rescale(images, plan.pixel_um, settings.pixel_um)
        # The centre of pixel 0 lies half a pixel from the edge, on both scales.
        centres = (table.iloc[places][["y", "x"]].to_numpy() + 0.5) * factor - 0.5
        fits = inside(centres, scaled.shape[-2:], settings.size)
        if fits.any():
            yield places[fits].astype(np.int64), cut_crops(scaled, centres[fits], settings)
