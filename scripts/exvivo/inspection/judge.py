"""What is known of the wells of one screen, from all who look at them: images, network, layout, people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from exvivo.inspection.flags import DECISION, WHOLE_PLATE, flag, flags_frame

NOTHING_MEANT = ("empty",)  # roles in which an image without cells is as it should be


def join_flags(
    parts: Sequence[pd.DataFrame],
    layout: pd.DataFrame,
    decisions: Sequence[Mapping[str, Any]] = (),
) -> pd.DataFrame:
    """Flags of all sources on the wells of a screen, by plate and well in the order of the layout.

    Args:
        parts: tables `exvivo.tables.WELL_FLAGS`: of the plates, of the network, of the layout.
        layout: `exvivo.tables.LAYOUT`. Flags on wells that it leaves empty are dropped: nothing was meant to
            be there. Flags on wells that it does not name are kept: such a well is not used anyway.
        decisions: what a person decided, one row each: plate, well ("" for the whole plate), consequence, text.

    Returns:
        `WELL_FLAGS`; decisions come last for each well, so that they outweigh the checks.

    """
    decided = [
        flag(row["plate"], row["well"], DECISION, row["consequence"], row["text"], source=DECISION)
        for row in decisions
    ]
    frames = [part for part in (*parts, flags_frame(decided)) if len(part)]
    if not frames:
        return flags_frame([])
    joined = pd.concat(frames, ignore_index=True)
    role = dict(zip(_keys(layout), layout["role"], strict=True))
    keys = _keys(joined)
    meant = [role.get(key) not in NOTHING_MEANT for key in keys]
    place = {key: number for number, key in enumerate(role)}
    first: dict[str, int] = {}
    for plate, well in place:
        first.setdefault(plate, place[plate, well])
    order = [
        first.get(plate, len(place)) - 0.5
        if well == WHOLE_PLATE
        else place.get((plate, well), len(place))
        for plate, well in keys
    ]
    joined = joined.assign(order=order)[meant]
    return joined.sort_values("order", kind="stable").drop(columns="order").reset_index(drop=True)


def _keys(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(frame["plate"], frame["well"], strict=True))
