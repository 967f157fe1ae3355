"""A screen that is scored although plates are missing: which, and what of each readout is missing with them.

The policy is a screen's own (`incomplete` in screens.tsv): wait for all plates, or score what is admitted and
say so. Whatever is missing is made up for when it comes: the layout is that of the admitted plates until then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from exvivo.readiness import READY, WAITING, Readiness

_NAMED = 20  # drugs named in a sentence before it says how many more there are


def set_aside(result: Readiness, plates_of: Mapping[str, Sequence[str]], headline: str) -> None:
    """Take the missing plates' wells out of the layout, and say what is missing with them.

    `plates_of` names the plates of each readout. A headline readout without any plate holds the screen.
    """
    if not result.missing or not len(result.layout):
        return
    whole = result.layout
    for plate, why in result.missing.items():
        result.provisional.append(f"plate {plate} is not in it: {why}")
    for readout, plates in plates_of.items():
        absent = [plate for plate in plates if plate in result.missing]
        if not absent:
            continue
        if len(absent) == len(plates):
            result.provisional.append(f"{readout} is missing as a whole")
        else:
            own = whole[whole["plate"].isin(plates)]
            result.provisional += [f"{readout}: {text}" for text in _drugs(own, absent)]
    result.layout = whole[~whole["plate"].isin(list(result.missing))].reset_index(drop=True)
    here = [plate for plate in plates_of.get(headline, ()) if plate not in result.missing]
    if not here and result.verdict == READY:
        result.hold(WAITING, f"no plate of {headline or 'this screen'} is admitted yet")


def _drugs(layout: pd.DataFrame, absent: Sequence[str]) -> list[str]:
    """Which drugs have lost all their wells, and which some."""
    treated = layout[layout["role"] == "treatment"]
    lost = treated["plate"].isin(absent).groupby([treated["treatment"], treated["addon"]])
    shares = lost.mean()
    told = []
    for words, rows in (
        ("without", shares[shares == 1]),
        ("fewer wells of", shares[shares.between(0, 1, "neither")]),
    ):
        if len(rows):
            names = [" + ".join(filter(None, key)) for key in rows.index]
            more = len(names) - _NAMED
            listed = ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
            told.append(f"{words} {len(names)} of {len(shares)} drugs ({listed})")
    return told
