"""Flags that hold a screen, on a plate that a person accepts: they stay as warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from exvivo.inspection.flags import HOLD, WARN
from exvivo.sheets.decisions import ACCEPT_PLATE


def accept_holds(flags: pd.DataFrame, decisions: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """`exvivo.tables.WELL_FLAGS` in which the accepted flags of accepted plates only warn, and say by whom.

    `decisions` as from `exvivo.sheets.decisions.acceptances`; their `value` names a check, or is empty for all.
    """
    flags = flags.copy()
    for decision in decisions:
        if decision["action"] == ACCEPT_PLATE:
            held = (flags["plate"] == decision["plate"]) & (flags["consequence"] == HOLD)
            if decision["value"]:
                held &= flags["check"] == decision["value"]
            flags.loc[held, "text"] += f"; accepted: {decision['text']}"
            flags.loc[held, "consequence"] = WARN
    return flags
