"""Lines on what the fitted curves leave over, per plate: its size, and patterns of edge, gradient, lines, dispensing."""

from __future__ import annotations

import pandas as pd

from exvivo.quality.residuals import nrfe, patterns, plate_residuals
from exvivo.quality.rows import Sheet

CHANCE = 0.001  # at five patterns, 1 even plate in 200 shows one


def add_spatial(sheet: Sheet, readout: str, wells: pd.DataFrame, curves: pd.DataFrame) -> None:
    """NRFE of every plate, and its patterns; one that chance explains is for information only.

    `wells` are the used wells of one readout with the list of plates as categories of `plate`.
    """
    residuals = plate_residuals(wells, curves)
    for plate in map(str, wells["plate"].cat.categories):
        part = residuals[residuals["plate"] == plate]
        note = f"{len(part)} wells" if len(part) else "no well with a curve"
        sheet.add(readout, plate, "nrfe", nrfe(part), limit="nrfe", note=note)
        for found in patterns(part):
            seen = found.p <= CHANCE
            words = (
                f"{found.where}; p {found.p:.3f}"
                if found.p > CHANCE
                else f"{found.where}; p ≤ {CHANCE:g}"
            )
            limit = "residual_pattern" if seen else ""
            metric = f"residual_{found.name}"
            sheet.add(readout, plate, metric, abs(found.effect), limit=limit, note=words)
