"""The context of each scored drug: one row of `CONTEXT` beside each row of the scores."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from exvivo.context.expected import drivers_of_drug
from exvivo.context.names import DrugNames
from exvivo.context.plasma import at_plasma
from exvivo.context.tables import CONTEXT
from exvivo.responses.curve import PARAMETERS
from exvivo.responses.fit import ALL_REPLICATES
from exvivo.responses.reference import Reference, same_doses
from exvivo.sheets.values import read_numbers

DRUG = ["readout", "treatment", "addon"]
TOP = 10  # a drug tops a list that it is among the first ten of; of a short list among the first third
FEWEST_SCREENS = 5  # of others; fewer give no percentile and no share
OFTEN, RARE = (
    0.5,
    90.0,
)  # share of screens that a drug tops; percentile from which a score is unusual
SELECTIVE = 5.0  # sDSS from which a drug that acts on healthy cells still counts as selective
# What a reader of the ranked list must know at once, in the order shown; texts are the report's.
EXPECTED, UNUSUAL, TOPS, HEALTHY, ABOVE_PLASMA, BELOW_TESTED = (
    "expected",
    "unusual",
    "tops",
    "healthy",
    "above_plasma",
    "below_tested",
)
BADGES = (EXPECTED, UNUSUAL, TOPS, HEALTHY, ABOVE_PLASMA, BELOW_TESTED)
_NO_CONTROL = ("control_n", "control_dss", "control_sd", "sdss_asym", "zdss_asym", "rdss_asym")
_NO_COHORT = (
    "cohort_median",
    "cohort_q25",
    "cohort_q75",
    "cohort_percentile",
    "cohort_hit_share",
    "cohort_top_share",
)


@dataclass(frozen=True)
class Background:
    """What the scores of a screen are compared with.

    Attributes: `names` of drugs.tsv; `drivers` of the sample; `controls` the reference of healthy controls,
    `cohort` that of the facility's own screens (None: not given); `own` the screens that are not others: the
    screen itself and those of the same sample; `hit` the score above which a drug is a hit.
    """

    names: DrugNames = field(default_factory=DrugNames)
    drivers: Sequence[str] = ()
    controls: Reference | None = None
    cohort: Reference | None = None
    own: Collection[str] = ()
    hit: float = 10.0


def describe_drugs(
    scores: pd.DataFrame, curves: pd.DataFrame, background: Background
) -> pd.DataFrame:
    """`CONTEXT` for each row of `scores`, in its order.

    Args:
        scores: as `exvivo.responses.read.read_scores` reads them.
        curves: `exvivo.tables.CURVES`.
        background: what they are compared with.

    """
    names = background.names
    frame = scores[["screen", *DRUG, "dss_asym", "hit"]].reset_index(drop=True)
    frame["drug"] = [names.canonical(name) for name in frame["treatment"]]
    doses = scores[["min_concentration", "max_concentration"]].reset_index(drop=True)
    parts = []
    for readout, rows in frame.groupby("readout", sort=False):
        where = {"readout": str(readout), "background": background}
        controls, cohort = _controls(rows, doses, **where), _cohort(rows, doses, **where)
        parts.append(rows.join(controls).join(cohort))
    empty = pd.DataFrame({name: [] for name in CONTEXT.names})
    frame = pd.concat(parts).sort_index() if parts else empty
    if len(frame):
        frame = frame.join(_plasma(frame, scores, curves, names))
        frame["expected_for"] = _expected(frame, background)
        frame["badges"] = [
            ";".join(_badges(row, background.hit)) for row in frame.to_dict("records")
        ]
    return frame[CONTEXT.names].astype(
        {"hit": bool, "only_above_plasma": bool, "cohort_n": "int64"}
    )


def _matched(
    rows: pd.DataFrame, offered: pd.DataFrame, names: DrugNames
) -> tuple[list[int], list[str]]:
    """Labels of `offered` for each row (-1: none) and why there is none; combinations have none."""
    places, reasons = names.match(list(rows["treatment"]), list(offered["drug"]))
    labels = list(offered.index)
    for i, addon in enumerate(rows["addon"]):
        if addon:
            places[i], reasons[i] = -1, "a combination"
    return [labels[p] if p >= 0 else -1 for p in places], reasons


def _controls(
    rows: pd.DataFrame, doses: pd.DataFrame, *, readout: str, background: Background
) -> pd.DataFrame:
    """sDSS, zDSS and rDSS against healthy controls; the last two where the reference has sd and median."""
    found = pd.DataFrame(np.nan, index=rows.index, columns=list(_NO_CONTROL))
    if background.controls is None:
        return found.assign(control_note="")
    offered = background.controls.of(readout)
    labels, reasons = _matched(rows, offered, background.names)
    for i, (index, label) in enumerate(zip(rows.index, labels, strict=True)):
        if label < 0:
            continue
        if not same_doses(offered.loc[label], *doses.loc[index]):
            reasons[i] = "healthy controls were tested at other doses"
            continue
        control, score = offered.loc[label], rows.at[index, "dss_asym"]
        found.loc[index] = [
            control["n"],
            control["mean"],
            control["sd"],
            score - control["mean"],
            # DSSv2: one added to the spread keeps a drug that never varies from having a huge score.
            (score - control["mean"]) / (control["sd"] + 1.0),
            (score - control["median"]) / (control["mad"] + 1.0),
        ]
    return found.assign(control_note=reasons)


def _cohort(
    rows: pd.DataFrame, doses: pd.DataFrame, *, readout: str, background: Background
) -> pd.DataFrame:
    """Where each score lies among the facility's other screens, and how often the drug acts in them."""
    found = pd.DataFrame(np.nan, index=rows.index, columns=list(_NO_COHORT))
    if background.cohort is None:
        return found.assign(cohort_n=0, cohort_note="")
    offered = background.cohort.of(readout)
    others = background.cohort.others(offered.index, background.own)
    ranks, limit = others.rank(ascending=False, method="min"), others.count() / 3
    topped = ranks.le(limit.clip(upper=TOP), axis=1) & (others > background.hit)
    labels, notes = _matched(rows, offered, background.names)
    counts = []
    for i, (index, label) in enumerate(zip(rows.index, labels, strict=True)):
        values = others.loc[label].dropna().to_numpy() if label >= 0 else np.array([])
        if label >= 0 and not same_doses(offered.loc[label], *doses.loc[index]):
            values, notes[i] = np.array([]), "other screens were tested at other doses"
        counts.append(len(values))
        if len(values) < FEWEST_SCREENS:
            notes[i] = notes[i] or f"{len(values)} other screen(s), {FEWEST_SCREENS} are needed"
            continue
        top = topped.loc[label][others.loc[label].notna()]
        found.loc[index] = [
            *np.quantile(values, (0.5, 0.25, 0.75)),
            percentile(rows.at[index, "dss_asym"], values),
            np.mean(values > background.hit),
            np.mean(top),
        ]
    return found.assign(cohort_n=counts, cohort_note=notes)


def percentile(score: float, others: np.ndarray) -> float:
    """Percent of `others` below `score`, equal ones counted half; NaN for a missing score."""
    if score != score:
        return float("nan")
    return float(100.0 * (np.mean(others < score) + 0.5 * np.mean(others == score)))


def _plasma(
    frame: pd.DataFrame, scores: pd.DataFrame, curves: pd.DataFrame, names: DrugNames
) -> pd.DataFrame:
    fitted = curves[(curves["role"] == "treatment") & (curves["replicate"] == ALL_REPLICATES)]
    wanted = [*DRUG, *PARAMETERS, "min_concentration", "max_concentration"]
    joined = frame[DRUG].merge(fitted[wanted], on=DRUG, how="left", validate="1:1")
    joined.index = frame.index
    told = read_numbers([names.row(name).get("max_plasma_nM", "") for name in frame["treatment"]])
    plasma = [
        np.nan if number is None or isinstance(number, str) else float(number) for number in told
    ]
    level = pd.Series(plasma, index=frame.index).where(frame["addon"] == "")
    limit = scores["a_min"] if "a_min" in scores else pd.Series(np.nan, index=scores.index)
    return at_plasma(joined, level, limit.set_axis(frame.index))


def _expected(frame: pd.DataFrame, background: Background) -> list[str]:
    """The sample's drivers for which each single drug is expected to work."""
    return [
        "" if addon else "; ".join(drivers_of_drug(background.names.row(name), background.drivers))
        for name, addon in zip(frame["treatment"], frame["addon"], strict=True)
    ]


def _badges(row: dict[str, Any], hit: float) -> list[str]:
    """What must be told beside a score, in the order of `BADGES`; of drugs that do not act only "expected"."""
    found = [EXPECTED] if row["expected_for"] else []
    if not row["dss_asym"] > hit:
        return found
    told = {
        UNUSUAL: row["cohort_percentile"] >= RARE,
        TOPS: row["cohort_top_share"] >= OFTEN,
        HEALTHY: row["control_dss"] > hit and row["sdss_asym"] < SELECTIVE,
        ABOVE_PLASMA: bool(row["only_above_plasma"]),
        BELOW_TESTED: row["plasma_place"] == "below" and not row["only_above_plasma"],
    }
    return found + [badge for badge, applies in told.items() if applies]
