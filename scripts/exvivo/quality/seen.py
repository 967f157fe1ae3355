"""Quality lines of what was seen on the wells' images, and the holds that follow."""

from __future__ import annotations

import pandas as pd

from exvivo.inspection.flags import excluded_wells, holding
from exvivo.quality.rows import SCREEN, Sheet

_LISTED = 12  # wells named in a note before it says how many more there are


def add_well_flags(sheet: Sheet, flags: pd.DataFrame | None) -> None:
    """How many wells each check has flagged and which, and how many are excluded; holds with their reasons.

    `flags` is `exvivo.tables.WELL_FLAGS` of the screen; None where nobody looked.
    """
    if flags is None:
        return
    for check, part in flags.groupby("check", sort=False):
        wells = part[["plate", "well"]].drop_duplicates()
        consequences = ", ".join(dict.fromkeys(part["consequence"]))
        note = f"{consequences}: {_some(wells)}"
        sheet.add("", SCREEN, f"wells_{check}", float(len(wells)), note=note)
    excluded = excluded_wells(flags)
    wells = pd.DataFrame(list(excluded), columns=["plate", "well"])
    sheet.add("", SCREEN, "wells_excluded", float(len(wells)), note=_some(wells))
    for check, part in holding(flags).groupby("check", sort=False):
        reasons = [f"{_place(plate, well)}: {text}" for plate, well, text in _rows(part)]
        more = len(reasons) - _LISTED
        reasons = reasons[:_LISTED] + ([f"{more} more flags of {check}"] if more > 0 else [])
        sheet.hold(f"hold_{check}", False, reasons)


def _rows(part: pd.DataFrame) -> zip:
    return zip(part["plate"], part["well"], part["text"], strict=True)


def _place(plate: str, well: str) -> str:
    return f"plate {plate}, well {well}" if well else f"plate {plate}"


def _some(wells: pd.DataFrame) -> str:
    """The first wells in words, by plate."""
    named = [f"{plate} {well}".strip() for plate, well in wells.itertuples(index=False)]
    more = len(named) - _LISTED
    return ", ".join(named[:_LISTED]) + (f" and {more} more" if more > 0 else "")
