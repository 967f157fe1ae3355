"""How fast cells are found and called: per second of one processor, whatever else the machine does.

Usage: python benchmarks/cells.py OUT.tsv

Segmentation on simulated fields, each network on crops as a plate's store hands them out. The paper gives 375,000 cells a minute for
its own network on its own hardware; a GPU has not been measured here.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from exvivo.crops import CropReader, CropSettings, CropsWriter, open_crops
from exvivo.files import write_json
from exvivo.morphology.data import Scale
from exvivo.morphology.models import CellModel, call_crops
from exvivo.networks.cells import CELL_NETWORKS, build_cell_network
from exvivo.segmentation import Outlines, SegmentationSettings, find_nuclei, measure_cells
from exvivo.simulate.cells import CellDesign
from exvivo.simulate.cells.screens import plan_cells
from exvivo.wells.store import done_path

CROPS = 8192


def called(folder: Path, name: str) -> tuple[int, float]:
    """Cells, and processor seconds to read and call them."""
    settings = CropSettings()
    path = folder / f"{name}.zarr"
    writer = CropsWriter(path, "P", settings, CROPS)
    shape = (CROPS, 2, settings.stored, settings.stored)
    writer.append(np.random.default_rng(0).integers(0, 4000, shape, np.uint16))
    digest = writer.close()
    write_json(done_path(path), {"verdict": "admitted", "digest": digest, "crops": CROPS})
    scale = Scale((2000.0, 2000.0), (1000.0, 1000.0))
    model = CellModel(build_cell_network(name).eval(), name, settings, scale)
    start = time.process_time()
    call_crops(model, CropReader([open_crops(path)]))
    return CROPS, time.process_time() - start


def segmented() -> tuple[int, float, float]:
    """Cells, processor seconds to find and measure them, and million pixels."""
    plate = plan_cells(CellDesign(samples=1, plates=1, size=512, cells=1200), 1).plates[0]
    images, _ = plate.field(next(iter(plate.design.wells)), 0)
    settings = SegmentationSettings()
    start = time.process_time()
    outlines = Outlines.of(find_nuclei(images[0], settings), settings)
    frame = measure_cells(outlines, dict(enumerate(map(np.asarray, images))))
    return len(frame), time.process_time() - start, images[0].size / 1e6


def main(out: Path) -> None:
    """Measure, print and write the table."""
    torch.set_num_threads(1)
    rows = []
    count, seconds, pixels = segmented()
    rows.append(("segment (watershed), 4 channels", count, seconds))
    print(f"segmentation: {seconds / pixels:.2f} s per million pixels")
    with tempfile.TemporaryDirectory() as folder:
        rows += [(f"call ({name})", *called(Path(folder), name)) for name in CELL_NETWORKS]
    table = pd.DataFrame(rows, columns=["step", "cells", "processor_s"])
    table["cells_per_processor_s"] = (table["cells"] / table["processor_s"]).round(0)
    table["processor_s"] = table["processor_s"].round(2)
    print(table.to_string(index=False))
    table.to_csv(out, sep="\t", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
