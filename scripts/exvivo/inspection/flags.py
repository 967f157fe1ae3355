"""Flags of wells (`exvivo.tables.WELL_FLAGS`): how they are written, and what follows from all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from exvivo.tables import WELL_FLAGS, read_table

WARN, EXCLUDE, HOLD, INCLUDE = "warn", "exclude", "hold", "include"
DECISION = "decision"  # source of what a person decided: it outweighs every check
WHOLE_PLATE = ""  # well of a flag that concerns all wells of its plate


def flag(
    plate: str,
    well: str,
    check: str,
    consequence: str,
    text: str,
    *,
    source: str = "image",
    value: float | None = None,
    limit: float | None = None,
) -> dict[str, Any]:
    """One row of `WELL_FLAGS`; `text` is one sentence without its full stop."""
    values = (plate, well, check, source, value, limit, consequence, text)
    return dict(zip(WELL_FLAGS.names, values, strict=True))


def flags_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """`WELL_FLAGS` as a frame."""
    frame = pd.DataFrame(list(rows), columns=WELL_FLAGS.names)
    return frame.astype({"value": "float64", "limit": "float64"})


def read_flags(paths: Sequence[Path | str]) -> pd.DataFrame:
    """The flags of several files, one after the other."""
    frames = [read_table(path, WELL_FLAGS) for path in paths]
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else flags_frame([])


def excluded_wells(flags: pd.DataFrame) -> dict[tuple[str, str], list[str]]:
    """Checks that exclude, by (plate, well); the well is `WHOLE_PLATE` where all of a plate are excluded.

    A decision outweighs the checks, and the last one counts: a well that a person includes is not excluded.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for row in _in_force(flags).to_dict("records"):
        if row["consequence"] == EXCLUDE:
            checks = found.setdefault((row["plate"], row["well"]), [])
            checks += [row["check"]] if row["check"] not in checks else []
    return found


def holding(flags: pd.DataFrame) -> pd.DataFrame:
    """The flags that put a screen on hold."""
    rows = _in_force(flags)
    return rows[rows["consequence"] == HOLD]


def _in_force(flags: pd.DataFrame) -> pd.DataFrame:
    """All flags but those of wells on which a person decided: of these the last decision alone."""
    decided = flags[flags["source"] == DECISION].drop_duplicates(["plate", "well"], keep="last")
    keys = set(zip(decided["plate"], decided["well"], strict=True))
    free = [key not in keys for key in zip(flags["plate"], flags["well"], strict=True)]
    return pd.concat([flags[free], decided]).sort_index()
