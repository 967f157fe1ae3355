"""Simulated screens in memory: the layout as a table, images and readouts of every well, no files. For tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from exvivo.sheets.names import parse_well, well_name
from exvivo.simulate.design import PlateDesign
from exvivo.simulate.documents import READER_CV, READER_EMPTY, READER_FULL
from exvivo.simulate.parameters import Imaging
from exvivo.simulate.randomness import Purpose, stream
from exvivo.simulate.render import Place, render_well
from exvivo.simulate.samples import SCREEN_SCENE
from exvivo.tables import LAYOUT
from exvivo.wells import WellImages

SMALL = Imaging(size=64, planes=3, projection=False)
_CONTENT = ["role", "well_type", "treatment", "concentration"]


def layout_table(plates: Sequence[PlateDesign]) -> pd.DataFrame:
    """`exvivo.tables.LAYOUT` of `plates`."""
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


def well_images(plate: PlateDesign, seed: int, imaging: Imaging = SMALL) -> WellImages:
    """MIP and MID of every well of a drug plate, as projection would leave them, unscaled."""
    images = []
    for place, content in plate.wells.items():
        where = Place(*place, plate.rows, plate.columns)
        how = {"seed": seed, "plate": plate.plate, "place": where}
        stack = render_well(SCREEN_SCENE, content.state, imaging, **how)
        images.append([stack.max(axis=0), stack[len(stack) // 2]])
    wells = list(plate.named())
    pixels = np.array(images, dtype=np.float32)
    return WellImages(plate.plate, wells, [0] * len(wells), pixels, 65535.0, [""] * len(wells))


def reader_values(plate: PlateDesign, seed: int, cv: float = READER_CV) -> pd.DataFrame:
    """`exvivo.tables.READOUT` of a plate reader: counts proportional to viability, with an error of `cv`."""
    rng = stream(seed, Purpose.READER, plate.plate)
    counts = [READER_EMPTY + READER_FULL * c.state.viability for c in plate.wells.values()]
    noise = np.exp(rng.normal(0.0, cv, len(counts)))
    frame = pd.DataFrame({"well": list(plate.named()), "value": np.array(counts) * noise})
    return frame.assign(plate=plate.plate, flag="")[["plate", "well", "value", "flag"]]


def move_wells(
    layout: pd.DataFrame, plate: str, move: Callable[[int, int], tuple[int, int]]
) -> pd.DataFrame:
    """The layout with the contents of one plate at other 0-based (row, column)."""
    own = layout["plate"] == plate
    wells = [well_name(*move(*parse_well(well))) for well in layout.loc[own, "well"]]
    return layout.assign(well=layout["well"].mask(own, pd.Series(wells, layout.index[own])))


def swap_plates(layout: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """The layout with two plates exchanged."""
    return layout.assign(plate=layout["plate"].replace({first: second, second: first}))


def exchange_controls(layout: pd.DataFrame, plates: Sequence[str]) -> pd.DataFrame:
    """The layout with what it says of negative and of positive controls exchanged on `plates`."""
    frame, roles = layout.copy(), ["negative_control", "positive_control"]
    for plate in plates:
        own = layout["plate"] == plate
        for here, there in (roles, roles[::-1]):
            source = layout.loc[own & (layout["role"] == there), _CONTENT].iloc[0]
            for name in _CONTENT:
                frame.loc[own & (layout["role"] == here), name] = source[name]
    return frame
