"""A cohort of single-cell screens as a facility has it: raw plates, sheets, layouts, and the truth beside them."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from exvivo.files import write_text
from exvivo.simulate.cells.design import (
    CellDesign,
    CellDrug,
    CellSample,
    cell_plates,
    draw_drugs,
    draw_samples,
    parameters,
)
from exvivo.simulate.cells.wells import CellPlate, effects
from exvivo.simulate.documents import LAYOUT_COLUMNS, layout_rows, write_tsv
from exvivo.simulate.instrument import PlateWriter
from exvivo.simulate.parameters import Imaging

# Nothing arrives any more, and there may be no GPU.
CONFIG: dict[str, Any] = {
    "data_root": "raw",
    "samples": "config/samples.tsv",
    "drugs": "config/drugs.tsv",
    "admission": {"settle_minutes": 0},
    "training": {"device": "cpu"},
}
READOUTS = (
    "morphology_fraction,marker_fraction,total_count,cancer_count,healthy_count,random_fraction"
)
_PLATES = ("plate", "screen", "path", "instrument", "layout", "layout_plate")
_WELLS_AT_ONCE = 8


@dataclass(frozen=True)
class CellCohort:
    """What `simulate_cells` writes: samples, drugs, and the plates of each sample."""

    design: CellDesign
    seed: int
    samples: tuple[CellSample, ...]
    drugs: tuple[CellDrug, ...]
    plates: tuple[CellPlate, ...] = field(repr=False)


def plan_cells(design: CellDesign, seed: int) -> CellCohort:
    """The cohort that `design` and `seed` make; nothing is drawn yet but samples and places."""
    samples, drugs = tuple(draw_samples(design, seed)), tuple(draw_drugs(design))
    plates = tuple(
        CellPlate(sample, drugs, design, plate, seed)
        for sample in samples
        for plate in cell_plates(sample, drugs, design, seed)
    )
    return CellCohort(design, seed, samples, drugs, plates)


def simulate_cells(
    out: Path | str,
    design: CellDesign,
    seed: int,
    *,
    workers: int = 2,
    readouts: str = READOUTS,
    config: dict[str, Any] | None = None,
) -> None:
    """Write a cohort of single-cell screens: `raw/` (ImageXpress plates), `config/` and `truth/`.

    truth/ has cells.parquet (every living cell: plate, well, field, y, x in pixels, cancer, marked), drugs.tsv (the
    true effect of every drug in every sample), wells.tsv and parameters.json. Equal seeds give equal files, whatever
    `workers`; memory does not grow with the cohort. `readouts` go into screens.tsv, `config` into config.yaml, which comes
    last: where it is, everything is. Raises `PlateError` where `out` holds images of another simulation.
    """
    out, cohort = Path(out), plan_cells(design, seed)
    for plate in cohort.plates:
        _writer(out, plate).prepare()
    _write_images(out, cohort, workers)
    for plate in cohort.plates:
        _writer(out, plate).finish()
    truth = effects(cohort.samples, cohort.drugs, design)
    write_tsv(out / "truth" / "drugs.tsv", list(truth), truth.itertuples(index=False))
    write_text(
        out / "truth" / "parameters.json", json.dumps(parameters(design, seed), indent=1) + "\n"
    )
    _write_sheets(out / "config", cohort, readouts)
    import yaml

    text = yaml.safe_dump(CONFIG | (config or {}), sort_keys=False)
    write_text(out / "config" / "config.yaml", text)


def _writer(out: Path, plate: CellPlate) -> PlateWriter:
    cohort, design = plate.cohort, plate.design
    return PlateWriter(
        folder=out / "raw" / design.plate,
        name=design.plate,
        rows=design.rows,
        columns=design.columns,
        wells=tuple(design.wells),
        imaging=Imaging(cohort.size, 1, cohort.fields, len(cohort.channels), projection=False),
        pixel=cohort.pixel_um,
        step=1.0,
        seed=plate.seed,
        wave_names=cohort.channels,
    )


def _write_images(out: Path, cohort: CellCohort, workers: int) -> None:
    """Write all images, and the truth of their cells in order, a few wells in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = out / "truth" / "cells.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    counts, handle = [], None
    for table in _parts(out, cohort, workers):
        content = pa.Table.from_pandas(table, preserve_index=False)
        handle = handle or pq.ParquetWriter(path, content.schema)
        handle.write_table(content)
        counts.append(_counted(table))
    if handle is not None:
        handle.close()
    wells = pd.concat(counts).reset_index()
    write_tsv(out / "truth" / "wells.tsv", list(wells), wells.itertuples(index=False))


def _counted(table: pd.DataFrame) -> pd.DataFrame:
    """Living cells of each well, and how many of them are cancer cells; a well without any has no row."""
    by_well = table.groupby(["plate", "well"], sort=False)["cancer"]
    return by_well.agg(cells="size", cancer="sum")


def _parts(out: Path, cohort: CellCohort, workers: int) -> Iterator[pd.DataFrame]:
    jobs = [
        (out, plate, places[start : start + _WELLS_AT_ONCE])
        for plate in cohort.plates
        for places in [list(plate.design.wells)]
        for start in range(0, len(places), _WELLS_AT_ONCE)
    ]
    if workers <= 1:
        yield from map(_write_wells, jobs)
        return
    # "spawn": a forked child of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(_write_wells, jobs)


def _write_wells(job: tuple[Path, CellPlate, list[tuple[int, int]]]) -> pd.DataFrame:
    out, plate, places = job
    writer, tables = _writer(out, plate), []
    for place in places:
        for site in range(plate.cohort.fields):
            images, cells = plate.field(place, site)
            for wave, image in enumerate(images):
                writer.write_image((*place, site, wave, 0), image)
            tables.append(plate.truth(place, site, cells))
    return pd.concat(tables, ignore_index=True)


def _write_sheets(folder: Path, cohort: CellCohort, readouts: str) -> None:
    by_screen: dict[str, list[CellPlate]] = {}
    for plate in cohort.plates:
        by_screen.setdefault(plate.sample.screen, []).append(plate)
    rows = []
    for screen, plates in by_screen.items():
        layout = f"config/layouts/{screen}.tsv"
        own = (row for plate in plates for row in layout_rows(plate.design))
        write_tsv(folder / "layouts" / f"{screen}.tsv", LAYOUT_COLUMNS, own)
        designs = [plate.design for plate in plates]
        rows += [(d.plate, screen, d.plate, "imagexpress", layout, d.layout_plate) for d in designs]
    write_tsv(folder / "plates.tsv", _PLATES, rows)
    samples = cohort.samples
    write_tsv(
        folder / "screens.tsv",
        ("screen", "kind", "sample", "readouts", "status"),
        ((s.screen, "drug", s.sample, readouts, "open") for s in samples),
    )
    markers = "; ".join(f"{m.name} ({m.channel}): {m.positive}" for m in cohort.design.markers)
    write_tsv(
        folder / "samples.tsv",
        ("sample", "patient", "diagnosis", "material", "markers", "imaging"),
        (
            (s.sample, s.patient, s.diagnosis, "fresh", markers, f"lamp {s.lamp:.0%}")
            for s in samples
        ),
    )
    write_tsv(folder / "drugs.tsv", ("drug", "class"), ((d.name, d.group) for d in cohort.drugs))
