"""Simulated cells without files: crops, weak labels and truth at once. For tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.crops import CropSettings, cut_crops, inside
from exvivo.morphology.data import CellSet
from exvivo.simulate.cells.design import CellDesign, CellDrug, CellSample, draw_samples
from exvivo.simulate.cells.looks import Cells
from exvivo.simulate.cells.wells import CellPlate
from exvivo.simulate.design import VEHICLE, Content, PlateDesign


@dataclass(frozen=True)
class SimulatedCells:
    """Crops (n, 2, P, P) of DAPI and bright-field, and `table` (n rows).

    Columns: sample, patient, diagnosis, lamp, cancer (true), marked (told by the first marker), marked_<name>, and the
    photo-electrons of each marker (marker_<name>).
    """

    crops: NDArray[np.uint16]
    table: pd.DataFrame
    settings: CropSettings

    def weak(self) -> CellSet:
        """What a network may learn from: weak labels, held out by sample."""
        labels = self.table["marked"].to_numpy(bool)
        return CellSet(self.crops, labels, list(self.table["sample"]), self.settings.size)


def draw_cells(
    design: CellDesign,
    seed: int,
    *,
    per_sample: int = 1000,
    drug: CellDrug | None = None,
    dose: int = 0,
    settings: CropSettings | None = None,
) -> SimulatedCells:
    """Draw `per_sample` cells of each sample of a cohort, from solvent wells or wells with a `drug`.

    The fields are the same that images would hold; crops are cut at the true centres, border cells and debris left out.
    """
    settings = settings or CropSettings(pixel_um=0)
    crops, tables = [], []
    for sample in draw_samples(design, seed):
        own, table = _sample_cells(sample, design, seed, per_sample, drug, dose, settings)
        crops.append(own)
        tables.append(table)
    return SimulatedCells(np.concatenate(crops), pd.concat(tables, ignore_index=True), settings)


def _sample_cells(
    sample: CellSample,
    design: CellDesign,
    seed: int,
    count: int,
    drug: CellDrug | None,
    dose: int,
    settings: CropSettings,
) -> tuple[NDArray[np.uint16], pd.DataFrame]:
    content = Content("negative_control", VEHICLE)
    if drug is not None:
        content = Content("treatment", drug.name, design.concentrations[dose])
    name = f"{sample.screen}_memory"
    plate = PlateDesign(name, "P1", 1, 1, {(0, 0): content})
    maker = CellPlate(sample, () if drug is None else (drug,), design, plate, seed)
    crops, tables, site = [], [], 0
    while sum(map(len, tables)) < count:
        images, cells = maker.field((0, 0), site)
        places = np.stack([cells.y, cells.x], axis=1)
        cells = cells.take(~cells.debris & inside(places, images.shape[1:], settings.size))
        crops.append(cut_crops(images[:2], np.stack([cells.y, cells.x], axis=1), settings))
        tables.append(_table(sample, design, cells))
        site += 1
    table = pd.concat(tables, ignore_index=True).iloc[:count]
    return np.concatenate(crops)[:count], table


def _table(sample: CellSample, design: CellDesign, cells: Cells) -> pd.DataFrame:
    table = pd.DataFrame({"cancer": cells.cancer, "marked": cells.told[:, 0]})
    for number, marker in enumerate(design.markers):
        table[f"marked_{marker.name}"] = cells.told[:, number]
        table[f"marker_{marker.name}"] = cells.marker[:, number]
    for name in ("sample", "patient", "diagnosis", "lamp"):
        table[name] = getattr(sample, name)
    return table
