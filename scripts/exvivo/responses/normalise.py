"""From readouts and a layout to responses: viability per well, on the scale of the plate's own controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from exvivo.errors import ScoringError
from exvivo.readouts.flags import UNUSABLE, join_flags, reasons
from exvivo.responses.relative import relative_to_solvent
from exvivo.sheets.config import DEFAULT_CONTRAST
from exvivo.sheets.layouts import contrast_wells
from exvivo.tables import RESPONSES

NOT_MEASURED = "not_measured"  # a well of the layout without a value
NOT_FINITE = "not_finite"  # a value that is infinite
NOT_IN_LAYOUT = "not_in_layout"  # a value whose well the layout does not name
EXCLUDED = "excluded"  # by a check of its image, or by a person
NO_CONTRAST = "no_contrast"  # the plate's controls give no scale

UNUSED_ROLES = ("empty", "excluded")
SIDES = ("negative", "positive")


def build_responses(
    layout: pd.DataFrame,
    readout: pd.DataFrame,
    *,
    screen: str,
    readout_name: str,
    contrast: Mapping[str, Mapping[str, Any]] | None = None,
    death: bool = False,
    excluded: Mapping[tuple[str, str], Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Join a readout with the layout and normalise it on each plate.

    viability = (value - median of the positive controls) / (median negative - median positive), never
    clipped (Berker et al. 2022; iTReX). The scale has no preferred direction: a readout that rises with
    death needs no option. `death` gives 1 - viability, for sheets whose negative control is the killed one.

    A contrast whose positive side is None has one control alone: viability = value / mean of the negative controls, of the
    plate or, where it has few, of all plates (`exvivo.responses.relative`).

    Args:
        layout: `exvivo.tables.LAYOUT` of the screen.
        readout: `exvivo.tables.READOUT`, rows of all plates; wells may be missing.
        screen: the screen's id.
        readout_name: the readout's name.
        contrast: the wells of 0 and 100 %, see `exvivo.sheets.layouts.contrast_wells`; default: the roles.
        death: whether to turn the scale round.
        excluded: by (plate, well) the checks that exclude a well; the well "" stands for a whole plate
            (`exvivo.inspection.flags.excluded_wells`). Such a well is flagged `excluded: …` and not used.

    Returns:
        `exvivo.tables.RESPONSES`: each well of the layout once and in its order, then wells that have a value
        and no place in the layout (`used` false). Viability is missing where there is no value, in empty
        and excluded wells, and on plates whose controls give no scale.

    Raises:
        ScoringError: wells are doubled, the readout has another plate, or the layout gives a plate no control.

    """
    _check_unique(layout, "layout")
    _check_unique(readout, f"readout {readout_name}")
    _check_plates(layout, readout, readout_name)
    frame = _join(layout, readout)
    _exclude(frame, excluded or {})
    frame.insert(0, "readout", readout_name)
    frame.insert(0, "screen", screen)
    contrast = contrast or DEFAULT_CONTRAST
    frame["side"] = contrast_wells(frame, contrast)
    _check_controls(frame, readout_name, [side for side in SIDES if contrast[side]])
    measurable = ~frame["role"].isin(UNUSED_ROLES) & ~_unusable(frame["flag"])
    frame["viability"] = np.nan
    if contrast["positive"] is None:
        _relate(frame, measurable)
    for _, rows in frame.groupby("plate", sort=False) if contrast["positive"] else ():
        _normalise(frame, rows.index, measurable, death)
    frame["used"] = measurable & frame["viability"].notna()
    return frame[RESPONSES.names]


def _join(layout: pd.DataFrame, readout: pd.DataFrame) -> pd.DataFrame:
    """All wells of the layout, then the measured wells it does not name, with a cleaned value and flag."""
    frame = layout.merge(readout, on=["plate", "well"], how="outer", indicator="origin")
    order = layout[["plate", "well"]].assign(order=range(len(layout)))
    frame = frame.merge(order, on=["plate", "well"], how="left").sort_values(
        ["order", "plate", "well"], kind="stable", ignore_index=True
    )
    stray = frame["origin"] == "right_only"
    frame = frame[~(stray & frame["value"].isna())].reset_index(drop=True)
    stray = frame["origin"] == "right_only"
    frame.loc[stray, "role"] = "excluded"
    texts = ["role", "well_type", "treatment", "addon", "flag"]
    frame[texts] = frame[texts].fillna("").astype(object)
    frame["replicate"] = frame["replicate"].fillna(1).astype("int64")
    infinite = np.isinf(frame["value"])
    frame["value"] = frame["value"].where(~infinite)
    unexplained = frame["value"].isna() & ~infinite & ~_unusable(frame["flag"])
    unmeasured = unexplained & ~frame["role"].isin(UNUSED_ROLES)
    own = [
        (stray, NOT_IN_LAYOUT),
        (infinite, NOT_FINITE),
        (unmeasured, NOT_MEASURED),
    ]
    for mask, flag in own:
        frame.loc[mask, "flag"] = [join_flags(text, flag) for text in frame.loc[mask, "flag"]]
    return frame


def _exclude(frame: pd.DataFrame, excluded: Mapping[tuple[str, str], Sequence[str]]) -> None:
    for row in frame.index if excluded else ():
        plate, well = frame.at[row, "plate"], frame.at[row, "well"]
        checks = [*excluded.get((plate, ""), ()), *excluded.get((plate, well), ())]
        if checks and frame.at[row, "role"] not in UNUSED_ROLES:
            flag = f"{EXCLUDED}: {', '.join(dict.fromkeys(checks))}"
            frame.at[row, "flag"] = join_flags(frame.at[row, "flag"], flag)


def _unusable(flags: pd.Series) -> pd.Series:
    return flags.map(lambda text: not UNUSABLE.isdisjoint(reasons(text))).astype(bool)


def _normalise(frame: pd.DataFrame, rows: pd.Index, measurable: pd.Series, death: bool) -> None:
    """Fill in the viability of one plate, or flag its wells where the controls give no scale."""
    usable = rows[measurable[rows] & frame.loc[rows, "value"].notna()]
    side = frame.loc[usable, "side"]
    negative, positive = (frame.loc[usable[side == name], "value"].median() for name in SIDES)
    if not abs(negative - positive) > 0:  # also where one of them is missing
        frame.loc[rows, "flag"] = [join_flags(t, NO_CONTRAST) for t in frame.loc[rows, "flag"]]
        return
    viability = (frame.loc[usable, "value"] - positive) / (negative - positive)
    frame.loc[usable, "viability"] = 1.0 - viability if death else viability


def _relate(frame: pd.DataFrame, measurable: pd.Series) -> None:
    """Fill in viability relative to the solvent, or flag wells of plates where that cannot be had."""
    usable = frame[measurable & frame["value"].notna()]
    negative = usable["side"] == "negative"
    found = relative_to_solvent(usable.assign(negative=negative)[["plate", "value", "negative"]])
    frame.loc[usable.index, "viability"] = found
    lost = usable.index[found.isna()]
    frame.loc[lost, "flag"] = [join_flags(text, NO_CONTRAST) for text in frame.loc[lost, "flag"]]


def _check_unique(frame: pd.DataFrame, name: str) -> None:
    doubled = frame.duplicated(["plate", "well"], keep=False)
    if doubled.any():
        first = frame[doubled].iloc[0]
        raise ScoringError(
            "a well occurs more than once",
            expected="each well of a plate once",
            found=f"{int(doubled.sum())} rows, such as plate {first['plate']} well {first['well']}",
            where=name,
            hint="remove the rows that do not belong there",
        )


def _check_plates(layout: pd.DataFrame, readout: pd.DataFrame, name: str) -> None:
    known = list(dict.fromkeys(layout["plate"]))
    unknown = [plate for plate in dict.fromkeys(readout["plate"]) if plate not in known]
    if unknown:
        raise ScoringError(
            "the readout has plates that the layout does not have",
            expected=", ".join(known),
            found=", ".join(unknown),
            where=f"readout {name}",
            hint="give every plate of plates.tsv its layout",
        )


def _check_controls(frame: pd.DataFrame, name: str, sides: Sequence[str]) -> None:
    """Every plate of the layout needs wells of both sides; whether they were measured is quality's matter."""
    for plate, rows in frame.groupby("plate", sort=False):
        lacking = [side for side in sides if not (rows["side"] == side).any()]
        if lacking:
            raise ScoringError(
                f"plate {plate} has no {' and no '.join(lacking)} control well for this readout",
                expected=f"wells of {' and '.join(sides)} control on every plate",
                found=f"roles {', '.join(sorted(set(rows['role'])))}",
                where=f"layout, readout {name}",
                hint="mend the layout, or name the contrast in config, readouts.<readout>.contrast",
            )
