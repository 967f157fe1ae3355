"""Plates with a known answer for the layout truth test: simulated wells, looked at in memory, never written."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from exvivo.placement.examine import Measured
from exvivo.placement.features import well_features
from exvivo.sheets.names import parse_well, well_name
from exvivo.simulate.design import PlateDesign, ScreenDesign, screen_plates
from exvivo.simulate.drugs import panel
from exvivo.simulate.parameters import Imaging
from exvivo.simulate.render import Place, render_well
from exvivo.simulate.samples import SCREEN_SCENE
from exvivo.tables import LAYOUT

CONTRAST = {
    "negative": {"role": "negative_control", "treatment": None, "concentration": None},
    "positive": {"role": "positive_control", "treatment": None, "concentration": None},
}
IMAGING = Imaging(size=64, planes=3, projection=False)


def design_layout(plates: list[PlateDesign]) -> pd.DataFrame:
    """`exvivo.tables.LAYOUT` of simulated plates."""
    rows = [
        {
            "plate": plate.plate,
            "layout_plate": plate.layout_plate,
            "well": well,
            "role": content.role,
            "well_type": content.role,
            "treatment": content.treatment,
            "concentration": np.nan if content.concentration is None else content.concentration,
            "replicate": content.replicate,
            "addon": "",
            "sample": "",
        }
        for plate in plates
        for well, content in plate.named().items()
    ]
    return pd.DataFrame(rows)[LAYOUT.names]


def measured_plate(plate: PlateDesign, seed: int) -> Measured:
    """Features of every well of a simulated plate."""
    wells, images = list(plate.named()), []
    for place, content in plate.wells.items():
        where = Place(*place, plate.rows, plate.columns)
        stack = render_well(
            SCREEN_SCENE, content.state, IMAGING, seed=seed, plate=plate.plate, place=where
        ).astype(np.float32)
        images.append([stack.max(axis=0), stack[len(stack) // 2]])
    return Measured("images", *well_features(np.array(images), wells))


def simulated(
    seed: int, design: ScreenDesign | None = None
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Layout and features of a simulated screen S01."""
    design = design or ScreenDesign()
    plates = screen_plates("S01", panel(seed, design.drugs), design, seed=seed)
    return design_layout(plates), {p.plate: measured_plate(p, seed) for p in plates}


def moved(
    layout: pd.DataFrame, plate: str, move: Callable[[int, int], tuple[int, int]]
) -> pd.DataFrame:
    """The layout with the contents of one plate moved to other wells."""
    own = layout["plate"] == plate
    wells = [well_name(*move(*parse_well(well))) for well in layout.loc[own, "well"]]
    return layout.assign(well=layout["well"].mask(own, pd.Series(wells, layout.index[own])))


def swapped(layout: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """The layout with two plates exchanged."""
    return layout.assign(plate=layout["plate"].replace({first: second, second: first}))


def exchanged(layout: pd.DataFrame, plates: list[str]) -> pd.DataFrame:
    """The layout with the roles and contents of negative and positive controls exchanged on `plates`."""
    columns = ["role", "well_type", "treatment", "concentration"]
    frame = layout.copy()
    for plate in plates:
        own = layout["plate"] == plate
        for here, there in (
            ("negative_control", "positive_control"),
            ("positive_control", "negative_control"),
        ):
            source = layout.loc[own & (layout["role"] == there), columns].iloc[0]
            target = own & (layout["role"] == here)
            for name in columns:
                frame.loc[target, name] = source[name]
    return frame
