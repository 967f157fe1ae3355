"""One plate: from its fingerprint and admission to labels and a table of cells, one field in memory per process."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from exvivo import __version__
from exvivo.files import replacing, write_json
from exvivo.parallel import in_order
from exvivo.plates.base import well_key
from exvivo.projection.planes import PlaneError
from exvivo.segmentation.fields import ADMITTED, REFUSED, CellPlate, Field, plan_cells, read_field
from exvivo.segmentation.measure import Outlines, measure_cells
from exvivo.segmentation.methods import find_nuclei
from exvivo.segmentation.settings import SegmentationSettings
from exvivo.segmentation.table import cells_schema
from exvivo.tables import conform
from exvivo.wells.store import done_path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Job:
    """What a process needs for one field."""

    folder: Path
    store: Path
    names: tuple[str, ...]
    settings: SegmentationSettings


@dataclass
class _Outcome:
    """What became of the plate."""

    wells: list[str] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    cells: int = 0
    shape: list[int] = field(default_factory=list)


def segment_plate(
    *,
    plate: str,
    folder: Path | str,
    fingerprint: Path | str,
    admission: Path | str,
    channels: Mapping[str, str],
    settings: SegmentationSettings,
    cells: Path | str,
    labels: Path | str,
    threads: int = 1,
    damaged_wells_limit: float = 0.05,
) -> None:
    """Segment all fields of a plate; labels.done.json is written last.

    Args:
        plate: its id.
        folder: of the raw plate.
        fingerprint: as the scan wrote it.
        admission: as the admission wrote it.
        channels: names to the instrument's channels; the first is the nuclear stain.
        settings: of the method.
        cells: table (`exvivo.segmentation.table`), one row group a well.
        labels: Zarr store; for each field an array `B/02/1` (2, H, W): nuclei, and cells with the same numbers.
        threads: processes.
        damaged_wells_limit: share of wells that may be damaged; beyond, the plate is refused.

    A plate that is not admitted gets an empty table and store. What a method raises for its settings stops the job.

    """
    labels, cells = Path(labels), Path(cells)
    done_path(labels).unlink(missing_ok=True)
    plan = plan_cells(folder, fingerprint, admission, channels)
    outcome, verdict, reason = _Outcome(damaged=dict(plan.damaged)), plan.verdict, plan.reason
    with ExitStack() as stack:
        store = stack.enter_context(replacing(labels))
        table = stack.enter_context(replacing(cells))
        _start(store)
        schema = cells_schema(channels)
        with pq.ParquetWriter(table, schema) as writer:
            job = _Job(plan.folder, store, tuple(channels), settings)
            for well, frame in _segmented(job, plan, threads, outcome):
                frame.insert(0, "well", well)
                frame.insert(0, "plate", plate)
                writer.write_table(conform(frame, schema, where=f"cells of {plate} {well}"))
    lost, all_wells = len(outcome.damaged), len(outcome.damaged) + len(outcome.wells)
    if verdict == ADMITTED and lost > damaged_wells_limit * all_wells:
        verdict, reason = REFUSED, f"{lost} of {all_wells} wells are damaged"
    log.info("%s: %s, %d cells in %d wells", plate, verdict, outcome.cells, len(outcome.wells))
    write_json(
        done_path(labels),
        {
            "verdict": verdict,
            "reason": reason,
            "plate": plate,
            "wells": outcome.wells,
            "damaged": {w: outcome.damaged[w] for w in sorted(outcome.damaged, key=well_key)},
            "cells": outcome.cells,
            "pixel_um": plan.pixel_um,
            "shape": outcome.shape,
            "channels": dict(channels),
            "settings": asdict(settings) | {"cellpose_model": Path(settings.cellpose_model).name},
            "exvivo": __version__,
        },
    )


def _segmented(
    job: _Job, plan: CellPlate, processes: int, outcome: _Outcome
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The cells of each well whose fields can all be read; the others are noted."""
    results = _run(job, plan.fields, processes)
    for well, fields in plan.by_well():
        own = [next(results) for _ in fields]
        if faults := [found for found in own if isinstance(found, str)]:
            log.warning("%s: damaged: %s", well, "; ".join(faults))
            outcome.damaged[well] = "; ".join(faults)
            continue
        frame = pd.concat([f for f in own if not isinstance(f, str)], ignore_index=True)
        outcome.wells.append(well)
        outcome.cells += len(frame)
        outcome.shape = list(own[0].attrs["shape"])
        yield well, frame


def _run(job: _Job, fields: tuple[Field, ...], processes: int) -> Iterator[pd.DataFrame | str]:
    """Results in order; at most a few per process wait."""
    if processes <= 1:
        yield from (_one(job, one) for one in fields)
        return
    # "spawn": a forked child of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from in_order(pool, partial(_one, job), fields, 3 * processes)


def _one(job: _Job, one: Field) -> pd.DataFrame | str:
    """Cells of one field, or why it cannot be used; the labels are written here, not sent."""
    try:
        images = read_field(job.folder, one, list(job.names))
    except PlaneError as error:
        return f"field {one.field}: {error}"
    outlines = Outlines.of(find_nuclei(images[0], job.settings), job.settings)
    frame = measure_cells(outlines, dict(zip(job.names, images, strict=True)))
    frame.insert(0, "field", np.int64(one.field))
    frame.attrs["shape"] = images.shape[1:]
    _write_labels(job.store, one, outlines)
    return frame


def _start(store: Path) -> None:
    import zarr

    zarr.create_group(str(store), attributes={"channels": ["nuclei", "cells"]})


def _write_labels(store: Path, one: Field, outlines: Outlines) -> None:
    import zarr

    both = np.stack([outlines.nuclei, outlines.cells])
    letters = one.well.rstrip("0123456789")
    array = zarr.create_array(
        str(store / letters / one.well[len(letters) :] / str(one.field)),
        shape=both.shape,
        chunks=both.shape,
        dtype=np.uint16 if both.max() < 2**16 else np.uint32,
        chunk_key_encoding={"name": "default", "separator": "."},
        dimension_names=("labels", "y", "x"),
    )
    array[:] = both
