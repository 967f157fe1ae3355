"""Progression-free survival of groups: Kaplan–Meier, the area under it, and tests between groups.

The estimators are those of lifelines. AUKM is ours where the paper is silent: area under the curve up to a time common to
all groups, divided by that time (the restricted mean as a share).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.errors import ScoringError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Survival:
    """A Kaplan–Meier estimate.

    Attributes: `n` patients, `events`; `median` in days, infinite if not reached; `area` under the curve from 0 to `tau`
    days and `aukm` = area / tau; `curve` one row per time: time, survival, low, high (95 %, log-log), at_risk,
    events, censored.
    """

    n: int
    events: int
    median: float
    tau: float
    area: float
    aukm: float
    curve: pd.DataFrame


def survival(days: Sequence[float], event: Sequence[bool], tau: float | None = None) -> Survival:
    """Estimate the survival of one group.

    `days` from the start of the therapy to progression or to the last time seen; `event` whether it was progression.
    `tau`: where the area ends (give all groups the same, the longest time of all patients); by default the longest here.
    Raises `ScoringError` for no patients, or times that are missing or not positive.
    """
    from lifelines import KaplanMeierFitter
    from lifelines.utils import restricted_mean_survival_time

    times, events = _check(days, event)
    tau = float(times.max()) if tau is None else float(tau)
    fitter = KaplanMeierFitter().fit(times, events)
    area = float(restricted_mean_survival_time(fitter, t=tau))
    median = float(fitter.median_survival_time_)
    bounds = fitter.confidence_interval_survival_function_
    steps = fitter.event_table
    curve = pd.DataFrame(
        {
            "time": fitter.survival_function_.index.to_numpy(float),
            "survival": fitter.survival_function_.iloc[:, 0].to_numpy(float),
            "low": bounds.iloc[:, 0].to_numpy(float),
            "high": bounds.iloc[:, 1].to_numpy(float),
            "at_risk": steps["at_risk"].to_numpy(int),
            "events": steps["observed"].to_numpy(int),
            "censored": steps["censored"].to_numpy(int),
        }
    )
    return Survival(len(times), int(events.sum()), median, tau, area, area / tau, curve)


def at_risk(days: Sequence[float], times: Sequence[float]) -> list[int]:
    """How many patients are still under observation just before each of `times`: the row below a plot."""
    known = np.asarray(days, float)
    return [int((known >= time).sum()) for time in times]


def compare(
    first: tuple[Sequence[float], Sequence[bool]], second: tuple[Sequence[float], Sequence[bool]]
) -> dict[str, float]:
    """Test two groups of (days, event) against each other, two-sided.

    Returns chi² and p of the Gehan–Breslow–Wilcoxon test (`wilcoxon_…`, weights early times; ours for the paper's
    "Wilcoxon rank test", since it respects censoring) and of the log-rank test (`logrank_…`).
    """
    from lifelines.statistics import logrank_test

    (a, a_event), (b, b_event) = _check(*first), _check(*second)
    found: dict[str, float] = {}
    for name, weights in (("wilcoxon", "wilcoxon"), ("logrank", None)):
        test = logrank_test(a, b, a_event, b_event, weightings=weights)
        found[f"{name}_chi2"], found[f"{name}_p"] = float(test.test_statistic), float(test.p_value)
    return found


def _check(days: Sequence[float], event: Sequence[bool]) -> tuple[Array, NDArray[np.bool_]]:
    times = np.asarray(days, np.float64)
    if not len(times) or len(times) != len(event) or not (np.isfinite(times) & (times > 0)).all():
        raise ScoringError(
            "survival cannot be estimated from these times",
            expected="days above 0 and whether there was progression, for at least one patient",
            found=f"{len(times)} times, {len(event)} events, {int((~(times > 0)).sum())} not above 0",
            hint="mend the table of outcomes",
        )
    return times, np.asarray(event, bool)
