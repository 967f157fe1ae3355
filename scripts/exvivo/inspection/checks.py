"""From numbers to flags: each check with its limit and what follows, as the configuration says.

Most numbers mean something only beside the plate's other wells, so they are divided by the median of its wells with
something to see. A well in which a drug killed everything has cells, sharp ones, in the middle: no check asks
whether they live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from exvivo.inspection.flags import EXCLUDE, WARN, flag

MIN_WELLS = 6  # with something to see; fewer give no median to compare with
SEEN = 8.0  # standard deviations of the noise by which cells stand out at least
COMPARED = 0.05  # of the plate's brightest wells (95th percentile), from which a well counts as having cells
QUIET_CORNER = (
    0.1  # of the fine structure: up to this the wells of a plate hold one object in the middle
)
QUIET = 1 / 12  # of the usual fine structure: less in a corner is quiet
TOO_MANY = (
    0.3  # of a plate's wells: a shape that so many have belongs to the plate, not to single wells
)
_LEAST_NOISE = 0.3  # grey values; whole numbers have no less


@dataclass(frozen=True)
class Check:
    """One check of single wells.

    Attributes: `name`; `value` of each well from `Plate`, NaN where it cannot be told; `above` whether more than the
    limit is wrong, or less; `text` what is wrong, as the beginning of a sentence; `unit` of the value in words; `shape`
    whether it rests on what wells of one spheroid look like.
    """

    name: str
    value: Callable[[Plate], pd.Series]
    above: bool
    text: str
    unit: str = ""
    shape: bool = False


class Plate:
    """The metrics of one plate (`exvivo.tables.IMAGE_QUALITY`) beside those of its usual wells."""

    def __init__(self, metrics: pd.DataFrame, settings: Mapping[str, Any]) -> None:
        self.metrics, self.settings = metrics, settings
        bright = metrics["bright"]
        self.signal = bright / metrics["noise"].clip(lower=_LEAST_NOISE)
        top = float(bright.quantile(0.95)) if len(bright) else 0.0
        usual = metrics[(bright >= COMPARED * top) & (self.signal >= SEEN)]
        self.known = len(usual) >= MIN_WELLS
        self.usual = usual.median(numeric_only=True)
        self.busy_corner = float(usual["fine_corner"].quantile(0.9)) if self.known else np.nan
        corner = (usual["fine_corner"] / usual["fine"]).median()
        wanted = settings["objects"]
        self.one_object = wanted == "one" or (wanted == "auto" and corner <= QUIET_CORNER)

    def relative(self, name: str, to: str = "") -> pd.Series:
        """A metric over the usual well's, or over another metric of the usual well; NaN with too few wells."""
        usual = float(self.usual[to or name]) if self.known else np.nan
        return self.metrics[name] / (usual if usual > 0 else np.nan)

    def brightness(self) -> pd.Series:
        """`bright` of a usual well as 1; 0 where nothing stands out of the noise."""
        value = self.relative("bright")
        return value.where(self.signal >= SEEN, 0.0)

    def blank(self) -> pd.Series:
        """Wells with nothing to see, for whatever reason."""
        return self.brightness() < float(self.settings["empty"]["limit"])

    def dark(self) -> pd.Series:
        """Wells whose ground lacks the light that the dye in the medium gives."""
        return self.relative("ground") < float(self.settings["no_stain"]["limit"])

    def corners(self) -> pd.Series:
        """Fine structure in the quietest corner over that of the plate's busier wells.

        Cells that fall off a dying spheroid reach the corners too, on some plates in most dead wells: so it
        is the 90th percentile that is compared with, and at least a twelfth of the usual well's fine structure.
        """
        least = QUIET * float(self.usual["fine"]) if self.known else np.nan
        return self.metrics["fine_corner"] / max(self.busy_corner, least)

    def with_cells(self, value: pd.Series) -> pd.Series:
        """`value` where there are cells, else NaN."""
        return value.where(~self.blank())

    def single(self, value: pd.Series) -> pd.Series:
        """`value` where there are cells, on a plate whose wells hold one object each, else NaN."""
        return self.with_cells(value) * self._told()

    def slope(self) -> pd.Series:
        """Rise of the ground across the field over the ground, beyond the rise that the plate's wells share."""
        across = []
        for name in ("slope_x", "slope_y"):
            own = self.metrics[name] / self.metrics["ground"]
            shared = float(self.usual[name] / self.usual["ground"]) if self.known else 0.0
            across.append(own - shared)
        # Between cells all over the field there is too little ground to fit a plane to.
        return np.hypot(*across) * self._told()

    def _told(self) -> float:
        """1 on a plate whose wells hold one object each, else NaN, which is beyond no limit."""
        return 1.0 if self.one_object else np.nan


CHECKS = (
    Check(
        "empty",
        lambda plate: plate.brightness().where(~(plate.blank() & plate.dark())),
        False,
        "there is nothing to see but the ground",
        "of the brightness of the plate's usual well",
    ),
    Check(
        "no_stain",
        lambda plate: plate.relative("ground").where(plate.blank()),
        False,
        "there is nothing to see, and the medium too lacks the light of the dye",
        "of the plate's usual ground",
    ),
    Check(
        "off_field",
        lambda plate: plate.single(plate.metrics["off_centre"]),
        True,
        "the spheroid lies at the border of the field or is cut by it",
        "of the field's side from its middle",
        shape=True,
    ),
    Check(
        "out_of_focus",
        lambda plate: plate.with_cells(plate.relative("sharpness")),
        False,
        "the image is blurred",
        "of the plate's usual sharpness",
    ),
    Check(
        "saturated",
        lambda plate: plate.metrics["ceiling"],
        True,
        "pixels have the largest value that the camera can give",
        "of all pixels",
    ),
    Check(
        "fibre",
        lambda plate: plate.with_cells(plate.metrics["length"]),
        True,
        "something bright is long and thin as a fibre",
        "times as long as wide",
        shape=True,
    ),
    Check(
        "dust",
        lambda plate: plate.single(plate.relative("clump")),
        True,
        "something is brighter and smoother than cells are",
        "times the plate's usual brightest spot",
        shape=True,
    ),
    Check(
        "contamination",
        lambda plate: plate.single(plate.corners()),
        True,
        "there are specks in all corners of the field",
        "times the plate's usual fine structure in the quietest corner",
        shape=True,
    ),
    Check(
        "side_light",
        lambda plate: plate.slope(),
        True,
        "the ground rises from one side of the field to the other",
        "of the ground, beyond what the plate's wells share",
    ),
)


def check_plate(metrics: pd.DataFrame, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of `exvivo.tables.WELL_FLAGS` for the metrics of one plate (`exvivo.tables.IMAGE_QUALITY`).

    `settings` is the section `image_quality` of the configuration. A check of shapes that flags more than 30 % of
    the wells excludes none of them: the plate was imaged in another way than wells of one spheroid are.
    """
    if not len(metrics):
        return []
    plate = Plate(metrics, settings)
    return [row for check in CHECKS for row in _apply(check, plate, settings[check.name])]


def _apply(check: Check, plate: Plate, setting: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    limit, consequence, values = float(setting["limit"]), setting["consequence"], check.value(plate)
    wrong = values > limit if check.above else values < limit
    text, needed = check.text, "at most" if check.above else "at least"
    if check.shape and wrong.mean() > TOO_MANY:
        consequence = WARN if consequence == EXCLUDE else consequence
        text = f"as on {int(wrong.sum())} of {len(wrong)} wells of this plate, {text}"
    for index in plate.metrics.index[wrong]:
        where = plate.metrics.at[index, "plate"], plate.metrics.at[index, "well"]
        value = float(values[index])
        said = f"{text} ({value:.3g} {check.unit}; {needed} {limit:g} expected)"
        yield flag(*where, check.name, consequence, said, value=value, limit=limit)
