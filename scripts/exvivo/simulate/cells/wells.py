"""One field of one well, drawn from the seed, the plate and the place alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.sheets.names import well_name
from exvivo.simulate.cells.design import CellDesign, CellDrug, CellSample
from exvivo.simulate.cells.looks import Cells, grow_cells
from exvivo.simulate.cells.render import render_field
from exvivo.simulate.design import Content, PlateDesign
from exvivo.simulate.randomness import Purpose, stream


@dataclass(frozen=True)
class CellPlate:
    """One plate of one sample: `design` of its wells, what is in them, and the `seed`."""

    sample: CellSample
    drugs: tuple[CellDrug, ...]
    cohort: CellDesign
    design: PlateDesign
    seed: int

    def field(self, place: tuple[int, int], site: int) -> tuple[NDArray[np.uint16], Cells]:
        """Grey values (C, H, W) of a field and its cells; `site` counts from 0."""
        cohort, plate = self.cohort, self.design.plate
        drug, dose = self._drug(self.design.wells[place])
        rng = stream(self.seed, Purpose.CELLS, plate, *place)
        seeded = cohort.cells * np.exp(rng.normal(0.0, 0.06))  # pipetting
        rng = stream(self.seed, Purpose.CELLS, plate, *place, site)
        cells = grow_cells(
            self.sample, cohort.markers, drug, dose, seeded, cohort.size, cohort.pixel_um, rng
        )  # fmt: skip
        camera = stream(self.seed, Purpose.CAMERA, plate, *place, site)
        return render_field(cells, cohort.size, cohort.pixel_um, self.sample.lamp, camera), cells

    def truth(self, place: tuple[int, int], site: int, cells: Cells) -> pd.DataFrame:
        """Rows of truth/cells.parquet: plate, well, field (from 1), y, x, cancer, marked, and one column a marker."""
        live = cells.take(~cells.debris)
        markers = {f"marked_{m.name}": live.told[:, n] for n, m in enumerate(self.cohort.markers)}
        return pd.DataFrame(
            {
                "plate": self.design.plate,
                "well": well_name(*place),
                "field": np.int32(site + 1),
                "y": live.y,
                "x": live.x,
                "cancer": live.cancer,
                "marked": live.told[:, 0],
                **markers,
            }
        )

    def _drug(self, content: Content) -> tuple[CellDrug | None, int]:
        by_name = {drug.name: drug for drug in self.drugs}
        if content.treatment not in by_name:
            return None, 0
        dose = self.cohort.concentrations.index(content.concentration)
        return by_name[content.treatment], dose


def effects(
    samples: Sequence[CellSample], drugs: Sequence[CellDrug], design: CellDesign
) -> pd.DataFrame:
    """truth/drugs.tsv: what is true of every drug in every sample at every concentration.

    Columns: screen, sample, drug, kind, diagnosis (that a selective drug is for), concentration (nM), `effect` (1 - true
    relative cancer fraction), `cancer_left`, `healthy_left`, `marker_left` (shares of the cells or their cancer markers).
    """
    rows = []
    for sample in samples:
        for drug in drugs:
            for dose, concentration in enumerate(design.concentrations):
                cancer, healthy, marker = drug.left(sample, dose)
                target = drug.diagnosis if drug.kind == "selective" else ""
                names = (sample.screen, sample.sample, drug.name, drug.kind, target, concentration)
                effect = 1.0 - drug.fraction(sample, dose)
                rows.append((*names, round(effect, 6), cancer, healthy, marker))
    columns = ["screen", "sample", "drug", "kind", "diagnosis", "concentration", "effect"]
    return pd.DataFrame(rows, columns=[*columns, "cancer_left", "healthy_left", "marker_left"])
