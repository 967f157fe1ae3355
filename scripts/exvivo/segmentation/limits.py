"""What is no whole cell: debris, mis-segmented things, cells at the border. Limits come from the solvent wells.

Heinemann et al. 2022 exclude by thresholds on DAPI intensity and segmented area, which they do not give. Ours: the 0.5th
and 99.5th percentile of the negative control's cells, of a screen's plates together.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.errors import ScoringError

BORDER, DEBRIS, MISSEGMENTED = "border", "debris", "mis_segmented"
MIN_CELLS = 200  # of the solvent, for percentiles so far out
_TAIL = 0.005


@dataclass(frozen=True, slots=True)
class CellLimits:
    """Bounds of a whole cell: area of its nucleus in pixels, its stain in grey values, its roundness.

    Smaller or darker than the solvent's is debris; larger, brighter or less round is mis-segmented.
    """

    area_low: float
    area_high: float
    stain_low: float
    stain_high: float
    roundness_low: float
    cells: int

    def to_json(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)


def find_limits(cells: pd.DataFrame, stain: str) -> CellLimits:
    """Limits from `cells` of the solvent wells (`exvivo.segmentation.table`); `stain` is the nuclear channel.

    Raises `ScoringError` where there are too few cells.
    """
    whole = cells[~cells["border"].astype(bool)]
    if len(whole) < MIN_CELLS:
        raise ScoringError(
            "too few cells in the negative controls to tell debris from cells",
            expected=f"at least {MIN_CELLS} cells away from the border",
            found=str(len(whole)),
            where="cells of the negative controls",
            hint="look at the images of the solvent wells, and at their segmentation",
        )
    area, light = whole["nucleus_area"], whole[f"{stain}_nucleus"]
    return CellLimits(
        *(float(area.quantile(q)) for q in (_TAIL, 1 - _TAIL)),
        *(float(light.quantile(q)) for q in (_TAIL, 1 - _TAIL)),
        float(whole["roundness"].quantile(_TAIL)),
        len(whole),
    )


def flag_cells(cells: pd.DataFrame, limits: CellLimits, stain: str) -> NDArray[np.object_]:
    """For each cell why it is not used: `border`, `debris`, `mis_segmented`; empty for a whole one."""
    area, light = cells["nucleus_area"].to_numpy(), cells[f"{stain}_nucleus"].to_numpy()
    flags = np.full(len(cells), "", dtype=object)
    odd = (area > limits.area_high) | (light > limits.stain_high)
    flags[odd | (cells["roundness"].to_numpy() < limits.roundness_low)] = MISSEGMENTED
    flags[(area < limits.area_low) | (light < limits.stain_low)] = DEBRIS
    flags[cells["border"].to_numpy(bool)] = BORDER
    return flags
