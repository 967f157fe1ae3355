"""Control charts of the facility's controls: Levey and Jennings (1950) with the rules of Westgard et al. (1981).

Mean and SD come from the first plates of screens that passed, in the order of plates.tsv, and then stay: a
facility that drifts slowly must not take its limits with it. With fewer plates than that all of them set the
limits, which are then provisional.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from exvivo.cohort.load import CohortScreen
from exvivo.tables import QUALITY

PASS = "pass"  # what a person has accepted is no measure of others
FEWEST = 5  # plates, to set limits at all
# First found counts: held-out controls go before the in-sample ones of a trained readout.
METRICS: dict[str, tuple[str, ...]] = {
    "z_prime": ("robust_z_prime_crossfit", "robust_z_prime"),
    "control_cv": ("control_cv",),
    "signal_to_background": ("signal_to_background",),
}
# From the mildest; a point has all that apply.
RULES = {
    "1-2s": "beyond 2 SD (a warning)",
    "2-2s": "two in a row beyond 2 SD on one side",
    "4-1s": "four in a row beyond 1 SD on one side",
    "10x": "ten in a row on one side of the mean",
    "R-4s": "two in a row more than 4 SD apart, beyond 2 SD on both sides",
    "1-3s": "beyond 3 SD",
}
WARNING = "1-2s"

CHART = pa.schema(
    [
        ("readout", pa.string()),
        ("metric", pa.string()),  # a key of METRICS
        ("order", pa.int64()),  # 0-based, among the plates of this readout
        ("plate", pa.string()),
        ("screen", pa.string()),
        ("value", pa.float64()),
        ("held", pa.bool_()),  # its screen is on hold
        ("baseline", pa.bool_()),  # sets mean and SD
        ("mean", pa.float64()),
        ("sd", pa.float64()),
        ("z", pa.float64()),
        ("rules", pa.string()),  # of RULES, joined by ";"
    ]
)


@dataclass(frozen=True)
class Limits:
    """Mean and SD of the plates that set them; NaN where there are too few. `provisional`: fewer than asked."""

    mean: float
    sd: float
    members: np.ndarray
    provisional: bool


def set_limits(values: np.ndarray, sound: np.ndarray, baseline: int) -> Limits:
    """Limits from the first `baseline` values that are `sound`."""
    members = np.flatnonzero(sound & np.isfinite(values))[:baseline]
    known = len(members) >= FEWEST
    chosen = values[members]
    mean, sd = (float(chosen.mean()), float(chosen.std(ddof=1))) if known else (np.nan, np.nan)
    return Limits(mean, sd if sd > 0 else np.nan, members, len(members) < baseline)


def westgard(z: Sequence[float]) -> list[list[str]]:
    """Rules that each point breaks together with those before it; missing values break none and end a run."""
    found = []
    values = np.asarray(z, dtype=float)
    for i, value in enumerate(values):
        broken = [] if not np.isfinite(value) else _broken(values[: i + 1])
        found.append(broken)
    return found


def _broken(past: np.ndarray) -> list[str]:
    """Rules that the last point of a series breaks."""
    last = past[-1]
    tests = {
        "1-2s": abs(last) > 2,
        "2-2s": _run(past, 2, 2.0),
        "4-1s": _run(past, 4, 1.0),
        "10x": _run(past, 10, 0.0),
        "R-4s": len(past) > 1 and abs(last) > 2 and abs(past[-2]) > 2 and abs(last - past[-2]) > 4,
        "1-3s": abs(last) > 3,
    }
    return [rule for rule in RULES if tests[rule]]


def _run(past: np.ndarray, length: int, beyond: float) -> bool:
    """Whether the last `length` points all lie beyond `beyond` SD on one side."""
    tail = past[-length:]
    return len(tail) == length and bool((tail > beyond).all() or (tail < -beyond).all())


def chart_table(
    screens: Sequence[CohortScreen], plates: Sequence[str], *, baseline: int
) -> pd.DataFrame:
    """`CHART`: each metric of the controls by readout and plate, in the order of `plates`."""
    quality = [
        s.quality.assign(held=s.held, sound=s.verdict == PASS) for s in screens if len(s.quality)
    ]
    empty = pd.DataFrame(columns=[*QUALITY.names, "held", "sound"])
    frame = pd.concat(quality, ignore_index=True) if quality else empty
    place = {plate: i for i, plate in enumerate(plates)}
    frame = frame[frame["scope"].isin(place.keys()) & (frame["readout"] != "")]
    charts = [
        _chart(part, str(readout), metric, place, baseline)
        for readout, part in frame.groupby("readout", sort=False)
        for metric in METRICS
    ]
    charts = [chart for chart in charts if len(chart)]
    if not charts:
        return CHART.empty_table().to_pandas()
    return pd.concat(charts, ignore_index=True)[CHART.names]


def _chart(
    part: pd.DataFrame, readout: str, metric: str, place: Mapping[str, int], baseline: int
) -> pd.DataFrame:
    """One metric of one readout over its plates; a plate whose value is missing stays as a gap."""
    wanted = part[part["metric"].isin(METRICS[metric])]
    choice = wanted["metric"].map(METRICS[metric].index)
    wanted = wanted.assign(choice=choice, place=wanted["scope"].map(place))
    rows = wanted.sort_values(["place", "choice"], kind="stable").drop_duplicates("scope")
    values, held = rows["value"].to_numpy(dtype=float), rows["held"].to_numpy(dtype=bool)
    limits = set_limits(values, rows["sound"].to_numpy(dtype=bool), baseline)
    z = (values - limits.mean) / limits.sd
    return pd.DataFrame(
        {
            "readout": readout,
            "metric": metric,
            "order": np.arange(len(rows)),
            "plate": rows["scope"].to_numpy(),
            "screen": rows["screen"].to_numpy(),
            "value": values,
            "held": held,
            "baseline": np.isin(np.arange(len(rows)), limits.members),
            "mean": limits.mean,
            "sd": limits.sd,
            "z": z,
            "rules": [";".join(rules) for rules in westgard(z)],
        }
    )
