"""One simulated plate of single cells taken through the library, in one process: what the rules do, without them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from exvivo.cells.gather import SegmentedPlate, segmented_plates
from exvivo.cells.label import Labels, label_cells
from exvivo.crops import CropSettings
from exvivo.crops.plate import crop_plate
from exvivo.files import write_json
from exvivo.plates import get_instrument
from exvivo.plates.admission import admit_plate
from exvivo.plates.scan import scan_plates
from exvivo.segmentation import SegmentationSettings
from exvivo.segmentation.plate import segment_plate
from exvivo.simulate.cells import CellDesign, simulate_cells

PLATE = "CELL01_P1"
CHANNELS = {"DAPI": "1", "BF": "2", "CD34": "FITC", "CD3": "TRITC"}
MEANS = {"CD34": "cancer", "CD3": "healthy"}
CROPS = CropSettings()


@dataclass
class Screen:
    """Folder of the simulation, the plate's files, its truth and labels."""

    root: Path
    folder: Path
    plates: list[SegmentedPlate]
    truth: pd.DataFrame
    layout: pd.DataFrame
    labels: Labels
    seen: dict[str, Any]


def make_screen(root: Path, design: CellDesign, seed: int = 1) -> Screen:
    """Simulate, admit, segment, crop and label."""
    simulate_cells(root, design, seed, workers=1)
    raw, folder = root / "raw" / PLATE, root / "results" / PLATE
    instrument = get_instrument("imagexpress")
    scan_plates([(PLATE, raw, instrument, folder)], settle_minutes=0)
    fingerprint, admission = folder / "fingerprint.tsv", folder / "admission.json"
    found = admit_plate(fingerprint, raw, instrument, {"settle_minutes": 0})
    assert found.verdict == "admitted", found.reasons
    write_json(admission, found.to_json())
    where = {"folder": raw, "fingerprint": fingerprint, "admission": admission}
    cells, labels = folder / "cells.parquet", folder / "labels.done.json"
    segment_plate(
        plate=PLATE,
        **where,
        channels=CHANNELS,
        settings=SegmentationSettings(),
        cells=cells,
        labels=folder / "labels.zarr",
    )
    cut(root, folder, folder)
    plates = segmented_plates([labels], [cells])
    layout = pd.read_csv(next((root / "config" / "layouts").glob("*.tsv")), sep="\t")
    wells = layout.loc[layout["role"] == "negative_control"]
    solvent = {(PLATE, f"{row['row']}{int(row['column']):02d}") for _, row in wells.iterrows()}
    known, seen = label_cells(plates, solvent, MEANS, stain="DAPI")
    truth = pd.read_parquet(root / "truth" / "cells.parquet")
    return Screen(root, folder, plates, truth, layout, known, seen)


def cut(root: Path, folder: Path, out: Path) -> None:
    """Cut the crops of the segmented plate in `folder` to `out`."""
    crop_plate(
        folder=root / "raw" / PLATE,
        fingerprint=folder / "fingerprint.tsv",
        admission=folder / "admission.json",
        labels=folder / "labels.done.json",
        cells=folder / "cells.parquet",
        channels=CHANNELS,
        settings=CROPS,
        crops=out / "crops.zarr",
        index=out / "crop_index.parquet",
    )


def true_classes(cells: pd.DataFrame, truth: pd.DataFrame, reach: float = 3.0) -> pd.Series:
    """True class of each cell by the nearest true one within `reach` pixels; missing where there is none."""
    from scipy.spatial import cKDTree

    found = pd.Series(pd.NA, cells.index, dtype="boolean")
    groups = dict(list(truth.groupby(["well", "field"])))
    for key, own in cells.groupby(["well", "field"]):
        known = groups.get(key)
        if known is None:
            continue
        distance, place = cKDTree(known[["y", "x"]]).query(own[["y", "x"]])
        near = distance <= reach
        found.loc[own.index[near]] = known["cancer"].to_numpy()[place[near]]
    return found
