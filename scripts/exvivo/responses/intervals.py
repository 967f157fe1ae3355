"""Intervals and p-values as columns of the scores."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exvivo.responses.concentrations import ic50_text
from exvivo.responses.uncertainty import BY_WELLS

INTERVAL_NUMBERS = (
    "dss_asym_low",
    "dss_asym_high",
    BY_WELLS,
    "rel_ic50_low",
    "rel_ic50_high",
    "abs_ic50_low",
    "abs_ic50_high",
    "p_value",
    "q_value",
)
INTERVAL_TEXTS = ("rel_ic50_interval", "abs_ic50_interval")
_DRUG = ["screen", "readout", "treatment", "addon"]


def add_intervals(scores: pd.DataFrame, intervals: pd.DataFrame | None) -> pd.DataFrame:
    """Scores with the columns `INTERVAL_NUMBERS` and `INTERVAL_TEXTS`, empty without `intervals`.

    An interval reaches at least to the number itself, which comes from another fit. An end of an IC50's
    interval is a number only within the tested doses; outside them the text says so. A drug with a curve and without an interval has the
    reason among its reasons.
    """
    if intervals is None:
        return scores.assign(
            **dict.fromkeys(INTERVAL_NUMBERS, np.nan), **dict.fromkeys(INTERVAL_TEXTS, "")
        )
    frame = scores.merge(intervals, on=_DRUG, how="left", validate="1:1")
    for name in ("dss_asym", "rel_ic50", "abs_ic50"):
        for end, pick in (("low", np.fmin), ("high", np.fmax)):
            # A screen that cannot be scored has no rows, and columns without a type.
            column, value = frame[f"{name}_{end}"].astype(float), frame[name].astype(float)
            frame[f"{name}_{end}"] = pick(column, value).where(np.isfinite(column), column)
    low, score = frame[BY_WELLS].astype(float), frame["dss_asym"].astype(float)
    frame[BY_WELLS] = np.fmin(low, score).where(np.isfinite(low), low)
    for name in ("rel_ic50", "abs_ic50"):
        frame[f"{name}_interval"] = [interval_text(row, name) for row in frame.to_dict("records")]
        for end in ("low", "high"):
            dose = frame[f"{name}_{end}"]
            tested = dose.between(frame["min_concentration"], frame["max_concentration"])
            frame[f"{name}_{end}"] = dose.where(tested & (frame["status"] == "ok"))
    fitted = frame["status"].isin(["ok", "inverted"]) & frame["dss_asym_low"].isna()
    told = [
        "; ".join(filter(None, [reason, basis])) if lacks else reason
        for reason, basis, lacks in zip(frame["reason"], frame["basis"], fitted, strict=True)
    ]
    return frame.assign(reason=told).drop(columns="basis")


def interval_text(row: dict[str, object], name: str) -> str:
    """The interval of an IC50 as a report may say it: "12 nM – 85 nM", "3 µM – > 10 µM", "> 10 µM"."""
    low, high = (
        ic50_text(
            str(row["status"]),
            float(row[f"{name}_{end}"]),
            float(row["min_concentration"]),
            float(row["max_concentration"]),
        )
        for end in ("low", "high")
    )
    return low if low == high else f"{low} – {high}"
