"""Cells, ours against the plain way: found, cut into a store, read in random order, called.

    python benchmarks/cells.py [--rounds 3] [--out benchmarks/cells.tsv]

Both ways take turns on the same cells, in one process with one thread; the fastest round counts, in seconds of the
processor (writing: on the clock, for half of it is the system's). The paper gives 375,000 cells a minute for its own
network on its own hardware; a GPU has not been measured here.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
import torch
from numpy.typing import NDArray

from exvivo.crops import CropReader, CropSettings, CropsWriter, open_crops
from exvivo.files import write_json
from exvivo.morphology.data import Scale, centre
from exvivo.morphology.models import CellModel, call_crops
from exvivo.networks.cells import CELL_NETWORKS, build_cell_network
from exvivo.segmentation import Outlines, SegmentationSettings, find_nuclei, measure_cells
from exvivo.simulate.cells import CellDesign
from exvivo.simulate.cells.screens import plan_cells
from exvivo.wells.store import done_path

CROPS, FILES = 131_072, 8_192  # in our store; as files of the plain way
SIDE, CELLS = 2048, 8_000
SETTINGS, SCALE = CropSettings(), Scale((2000.0, 2000.0), (1000.0, 1000.0))
Way = tuple[str, int, Callable[[], object], Callable[[], float]]


def made_up(count: int) -> NDArray[np.uint16]:
    """Crops of noise on a slope: (count, 2, P, P), as they lie in a store."""
    rng, side = np.random.default_rng(0), SETTINGS.stored
    slope = np.linspace(500, 3000, side)[:, None] + np.zeros((side, side))
    return rng.poisson(np.broadcast_to(slope, (count, 2, side, side))).astype(np.uint16)


def write_store(path: Path, crops: NDArray[np.uint16]) -> None:
    """Ours: one store, chunks and shards, with its digest."""
    shutil.rmtree(path, ignore_errors=True)
    writer = CropsWriter(path, "P", SETTINGS, len(crops))
    for start in range(0, len(crops), 4096):
        writer.append(crops[start : start + 4096])
    digest = writer.close()
    done = {"verdict": "admitted", "digest": digest, "crops": len(crops)}
    write_json(done_path(path), done)


def write_files(folder: Path, crops: NDArray[np.uint16]) -> None:
    """Plainly: a TIFF a cell."""
    folder.mkdir(exist_ok=True)
    for number, crop in enumerate(crops):
        tifffile.imwrite(folder / f"{number}.tif", crop)


def read_store(path: Path) -> None:
    """Ours: every crop once, in random order, by blocks."""
    for _ in CropReader([open_crops(path)]).shuffled(250, np.random.default_rng(0)):
        pass


def read_files(folder: Path) -> None:
    """Plainly: a file after the other, in random order, gathered in batches."""
    order = np.random.default_rng(0).permutation(FILES)
    for start in range(0, FILES, 256):
        np.stack([tifffile.imread(folder / f"{n}.tif") for n in order[start : start + 256]])


def call_plainly(module: torch.nn.Module, crops: NDArray[np.uint16]) -> None:
    """The network as PyTorch lays it out, 4,096 cells at a time."""
    mean, sd = (torch.tensor(v).view(1, -1, 1, 1) for v in (SCALE.mean, SCALE.sd))
    with torch.inference_mode():
        for start in range(0, len(crops), 4096):
            inner = centre(crops[start : start + 4096].astype(np.float32), SETTINGS.size)
            module((torch.from_numpy(np.ascontiguousarray(inner)) - mean) / sd).softmax(1)


def segment(images: NDArray[np.generic]) -> int:
    """Ours: nuclei, cells, rings, and the table of all channels; the number of cells."""
    settings = SegmentationSettings()
    outlines = Outlines.of(find_nuclei(images[0], settings), settings)
    return len(measure_cells(outlines, dict(enumerate(map(np.asarray, images)))))


def segment_plainly(images: NDArray[np.generic]) -> int:
    """scikit-image as its examples have it: Otsu, distance transform, watershed, expansion, a table of each channel."""
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.filters import gaussian, threshold_otsu
    from skimage.measure import regionprops_table
    from skimage.segmentation import expand_labels, watershed

    smooth = gaussian(images[0], 1, preserve_range=True)
    mask = smooth > threshold_otsu(smooth)
    distance = ndimage.distance_transform_edt(mask)
    seeds = np.zeros(mask.shape, int)
    peaks = peak_local_max(distance, min_distance=4, labels=ndimage.label(mask)[0])
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    nuclei = watershed(-distance, seeds, mask=mask)
    cells = expand_labels(nuclei, 5)
    shape = ("label", "centroid", "area", "eccentricity", "solidity")
    found = pd.DataFrame(regionprops_table(nuclei, properties=shape))
    for image in images:
        regionprops_table(cells, image, properties=("label", "mean_intensity"))
    return len(found)


def compare(step: str, ways: list[Way], rounds: int) -> list[dict[str, object]]:
    """Rows of one step: the ways in turn; the first is the plain one."""
    best = dict.fromkeys((name for name, *_ in ways), float("inf"))
    for _ in range(rounds):
        for name, _, work, clock in ways:
            start = clock()
            work()
            best[name] = min(best[name], clock() - start)
    rate = {name: count / best[name] for name, count, *_ in ways}
    plain = rate[ways[0][0]]
    rows = [
        {"step": step, "way": name, "cells": count, "seconds": f"{best[name]:.2f}",
         "cells_per_s": f"{rate[name]:.0f}", "ratio": f"{rate[name] / plain:.1f}"}
        for name, count, *_ in ways
    ]  # fmt: skip
    for row in rows:
        print(*row.values(), sep="\t", flush=True)
    return rows


def measure(folder: Path, rounds: int) -> list[dict[str, object]]:
    """All steps."""
    cpu, wall = time.process_time, time.perf_counter
    plate = plan_cells(CellDesign(samples=1, plates=1, size=SIDE, cells=CELLS), 1).plates[0]
    images, _ = plate.field(next(iter(plate.design.wells)), 0)
    ways = [
        ("plain", segment_plainly(images), lambda: segment_plainly(images), cpu),
        ("ours", segment(images), lambda: segment(images), cpu),
    ]
    rows = compare(f"segment and measure a field of {SIDE}², {len(images)} channels", ways, rounds)
    crops = made_up(CROPS)
    store, files = folder / "crops.zarr", folder / "files"
    ways = [
        ("a TIFF a cell", FILES, lambda: write_files(files, crops[:FILES]), wall),
        ("ours", CROPS, lambda: write_store(store, crops), wall),
    ]
    rows += compare("write crops", ways, rounds)
    ways = [
        ("a TIFF a cell", FILES, lambda: read_files(files), wall),
        ("ours", CROPS, lambda: read_store(store), wall),
    ]
    rows += compare("read crops in random order", ways, rounds)
    small = folder / "small.zarr"
    write_store(small, crops[:FILES])
    for name in CELL_NETWORKS:
        model = CellModel(build_cell_network(name).eval(), name, SETTINGS, SCALE)
        plain = build_cell_network(name).eval()
        ways = [
            ("plain", FILES, lambda m=plain: call_plainly(m, crops[:FILES]), cpu),
            ("ours", FILES, lambda m=model: call_crops(m, CropReader([open_crops(small)])), cpu),
        ]
        rows += compare(f"call ({name})", ways, rounds)
    return rows


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".tsv"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), asked.rounds)
    pd.DataFrame(rows).to_csv(asked.out, sep="\t", index=False)


if __name__ == "__main__":
    main()
