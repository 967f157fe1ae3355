"""Uneven plates: edges that dry out, gradients, bad rows and columns, a blocked dispensing tip. For tests.

Each takes viability away in a part of a plate's wells, whatever they hold, before anything is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from exvivo.simulate.design import PlateDesign

Share = Callable[[int, int], float]  # of the loss, at a 0-based row and column


def uneven(plate: PlateDesign, loss: float, share: Share) -> PlateDesign:
    """The plate with the viability of each well multiplied by 1 - `loss` × `share` (row, column)."""
    wells = {
        (row, column): replace(
            content,
            state=replace(
                content.state, viability=content.state.viability * (1.0 - loss * share(row, column))
            ),
        )
        for (row, column), content in plate.wells.items()
    }
    return replace(plate, wells=wells)


def edge_effect(plate: PlateDesign, loss: float) -> PlateDesign:
    """Wells in the outermost rows and columns in use lose viability: medium evaporated there."""
    places = np.array(list(plate.wells))
    low, high = places.min(axis=0), places.max(axis=0)
    return uneven(plate, loss, lambda r, c: float(r in (low[0], high[0]) or c in (low[1], high[1])))


def gradient_effect(plate: PlateDesign, loss: float) -> PlateDesign:
    """Viability falls from left to right, by `loss` in all: one side of the incubator was warmer."""
    columns = [column for _, column in plate.wells]
    low, wide = min(columns), max(1, max(columns) - min(columns))
    return uneven(plate, loss, lambda r, c: (c - low) / wide)


def row_effect(plate: PlateDesign, loss: float, row: int) -> PlateDesign:
    """One row (0-based) loses viability."""
    return uneven(plate, loss, lambda r, c: float(r == row))


def column_effect(plate: PlateDesign, loss: float, column: int) -> PlateDesign:
    """One column (0-based) loses viability."""
    return uneven(plate, loss, lambda r, c: float(c == column))


def stripe_effect(plate: PlateDesign, loss: float, every: int = 2) -> PlateDesign:
    """Every `every`-th row loses viability: a tip of the dispenser gave too little."""
    return uneven(plate, loss, lambda r, c: float(r % every == 0))
