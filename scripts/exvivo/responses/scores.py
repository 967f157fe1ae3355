"""Scores of a screen: one row per drug and readout, made from its curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from exvivo.responses.concentrations import concentration_text, ic50_text
from exvivo.responses.curve import PARAMETERS, evaluate, inverse, signed_slope
from exvivo.responses.dss import Threshold, activity_threshold, dss_types
from exvivo.responses.fit import ALL_REPLICATES
from exvivo.responses.intervals import INTERVAL_NUMBERS, INTERVAL_TEXTS, add_intervals
from exvivo.responses.uncertainty import BY_WELLS

Array = NDArray[np.float64]

IMIN_FLOOR, IMAX_CEILING = -10.0, 110.0  # of the exported asymptotes, percent (iTReX)
DRUG = ["screen", "readout", "treatment", "addon"]
AUC_COLUMNS = ("auc", "auc_p_value", "auc_q_value")  # of readouts without a second control
AUC_HIT, AUC_P = 0.1, 0.05
_FITTED = [
    "dss_asym",
    "dss_asym_adj",
    "dss1",
    "dss2",
    "dss3",
    "control_dss",
    "sdss_asym",
    "control_dss_adj",
    "sdss_asym_adj",
    "abs_ic25",
    "abs_ic50",
    "abs_ic75",
    "rel_ic50",
    "slope",
    "imin",
    "imax",
    "a_min",
    "gof",
    "min_concentration",
    "max_concentration",
    *INTERVAL_NUMBERS,
]
_COUNTS = ["n_doses", "n_replicates"]


def score(
    curves: pd.DataFrame,
    responses: pd.DataFrame,
    *,
    threshold: Threshold = "variable",
    hit: float = 10.0,
    reference: pd.DataFrame | None = None,
    intervals: pd.DataFrame | None = None,
    relative: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Score every treatment of a screen.

    Args:
        curves: `exvivo.tables.CURVES`.
        responses: `exvivo.tables.RESPONSES` that the curves were fitted to.
        threshold: activity threshold in percent, or `variable` (10 % of Imax, as published).
        hit: a drug is a hit if its DSS_asym is greater.
        reference: mean scores of healthy controls (see `exvivo.responses.reference`), for sDSS of single drugs.
        intervals: as from `exvivo.responses.uncertainty`; without, their columns are empty.
        relative: as from `exvivo.responses.relative.relative_scores`: drugs in it are ranked by their AUC, and are a
            hit if it exceeds 0.1 with p < 0.05 (ours, as the published volcano plots), whatever their curve.

    Returns:
        A frame of `scores_schema`, per readout from the highest DSS_asym down. Scores of curves that failed
        are missing. `hit_published` is DSS_asym > hit and nothing else; `hit` also needs a sound curve and,
        where `intervals` are given, the lower end of the interval of its wells (`BY_WELLS`) above `hit`. That a screen on hold has no
        hit is not known here: see `exvivo.responses.read.final_hits`.

    """
    doses = _tested_doses(responses)
    treated = curves[(curves["role"] == "treatment") & (curves["replicate"] == ALL_REPLICATES)]
    frame = treated[[*DRUG, "status", "reason", "n_doses"]].reset_index(drop=True)
    values = _values(treated, threshold)
    frame = pd.concat([frame, values], axis=1)
    frame = _add_reference(frame, reference)
    frame["rel_ic50_text"] = [ic50_text(*row) for row in _ic50_rows(frame)]
    frame = _add_inhibition(frame, treated, doses)
    frame["reason"] = [_reason(row, doses) for row in frame.to_dict("records")]
    frame = _add_replicates(frame, curves, threshold)
    frame["n_replicates"] = _count_replicates(frame, responses)
    frame = add_intervals(frame, intervals)
    frame["hit_published"] = frame["dss_asym"] > hit
    frame["hit"] = frame["hit_published"] & (frame["status"] == "ok")
    if intervals is not None:
        frame["hit"] &= frame[BY_WELLS] > hit
    frame = _add_relative(frame, relative)
    ranked = frame["dss_asym"] if relative is None else frame["auc"].fillna(frame["dss_asym"])
    frame["rank"] = ranked.groupby([frame["screen"], frame["readout"]]).rank(ascending=False)
    order = list(dict.fromkeys(frame["readout"]))
    frame["order"] = frame["readout"].map(order.index)
    frame = frame.sort_values(["order", "rank", "treatment", "addon"], na_position="last")
    return frame[scores_schema(frame.columns).names].reset_index(drop=True)


def _add_relative(frame: pd.DataFrame, relative: pd.DataFrame | None) -> pd.DataFrame:
    """AUC and its test beside the curve's scores; they decide on hits where a readout has no second control."""
    if relative is None:
        return frame
    frame = frame.merge(relative, on=DRUG, how="left", validate="1:1")
    own = frame["readout"].isin(set(relative["readout"]))
    hit = (frame["auc"] > AUC_HIT) & (frame["auc_p_value"] < AUC_P)
    for name in ("hit", "hit_published"):
        frame[name] = frame[name].where(~own, hit)
    return frame


def scores_schema(columns: pd.Index | list[str]) -> pa.Schema:
    """Schema of a scores table that has these columns: the numbers of doses and replicates vary."""

    def numbered(prefix: str) -> list[str]:
        found = [c for c in columns if c.startswith(prefix) and c[len(prefix) :].isdigit()]
        return sorted(found, key=lambda name: int(name[len(prefix) :]))

    numbers = [
        *_FITTED,
        *(name for name in AUC_COLUMNS if name in set(columns)),
        *numbered("pi"),
        *numbered("dss_asym_rep"),
    ]
    return pa.schema(
        [(name, pa.string()) for name in DRUG]
        + [("rank", pa.float64()), ("hit", pa.bool_()), ("hit_published", pa.bool_())]
        + [(name, pa.string()) for name in ("status", "reason", "rel_ic50_text", *INTERVAL_TEXTS)]
        + [(name, pa.int64()) for name in _COUNTS]
        + [(name, pa.float64()) for name in numbers]
    )


def _values(curves: pd.DataFrame, threshold: Threshold) -> pd.DataFrame:
    """The numbers of each curve that follow from its parameters, as iTReX exports them."""
    parameters = curves[list(PARAMETERS)].to_numpy(dtype=float)
    low, high = (
        np.log10(curves[name].to_numpy(dtype=float))
        for name in ("min_concentration", "max_concentration")
    )
    types = dss_types(parameters, low, high, threshold)
    bounds = 100.0 * np.sort(parameters[:, :2], axis=1)
    imin, imax = np.maximum(bounds[:, 0], IMIN_FLOOR), np.minimum(bounds[:, 1], IMAX_CEILING)
    gof = curves["gof"].to_numpy(dtype=float)
    targets = {"abs_ic25": 0.25, "abs_ic50": 0.5, "abs_ic75": 0.75, "rel_ic50": (imin + imax) / 200}
    doses = {
        name: inverse(parameters, np.broadcast_to(target, imin.shape), low, high)
        for name, target in targets.items()
    }
    return pd.DataFrame(
        {
            "dss_asym": types[:, 0] / 2,
            "dss_asym_adj": types[:, 0] / 2 * gof,
            **{f"dss{i + 1}": types[:, i] for i in range(3)},
            **doses,
            "slope": signed_slope(parameters),
            "imin": imin,
            "imax": imax,
            "a_min": activity_threshold(parameters, threshold),
            "gof": gof,
            "min_concentration": curves["min_concentration"].to_numpy(),
            "max_concentration": curves["max_concentration"].to_numpy(),
        }
    )


def _add_reference(frame: pd.DataFrame, reference: pd.DataFrame | None) -> pd.DataFrame:
    """sDSS: score minus the mean of the healthy controls, by exact name and readout; missing where there is none."""
    if reference is None:
        frame = frame.assign(control_dss=np.nan, control_dss_adj=np.nan)
    else:
        frame = frame.merge(_of_readouts(reference, frame), on=["readout", "treatment"], how="left")
        combination = frame["addon"] != ""
        frame.loc[combination, ["control_dss", "control_dss_adj"]] = np.nan
    frame["sdss_asym"] = frame["dss_asym"] - frame["control_dss"]
    frame["sdss_asym_adj"] = frame["dss_asym_adj"] - frame["control_dss_adj"]
    return frame


def _of_readouts(reference: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """The reference with its rows of any readout repeated for each readout of the scores."""
    names = list(dict.fromkeys(frame["readout"]))
    common = reference[reference["readout"] == ""].drop(columns="readout")
    parts = [common.assign(readout=name) for name in names]
    return pd.concat([reference[reference["readout"] != ""], *parts], ignore_index=True)


def _ic50_rows(frame: pd.DataFrame) -> zip:
    columns = ["status", "rel_ic50", "min_concentration", "max_concentration"]
    return zip(*(frame[name] for name in columns), strict=True)


def _tested_doses(responses: pd.DataFrame) -> dict[tuple, dict[float, bool]]:
    """For each drug its doses in the layout, in order, and whether any well of it was used."""
    treated = responses[responses["role"] == "treatment"]
    used = treated.groupby([*DRUG, "concentration"])["used"].any()
    doses: dict[tuple, dict[float, bool]] = {}
    for (*drug, dose), measured in used.items():
        doses.setdefault(tuple(drug), {})[dose] = bool(measured)
    return doses


def _reason(row: dict[str, Any], doses: dict[tuple, dict[float, bool]]) -> str:
    """The curve's own reason, and doses without a measured well: the score is that of the others."""
    tested = doses[tuple(row[name] for name in DRUG)]
    lost = [concentration_text(dose) for dose, measured in tested.items() if not measured]
    if not lost or row["status"] not in ("ok", "inverted"):
        return str(row["reason"])
    return "; ".join(filter(None, [row["reason"], f"not measured at {', '.join(lost)}"]))


def _add_inhibition(
    frame: pd.DataFrame, curves: pd.DataFrame, doses: dict[tuple, dict[float, bool]]
) -> pd.DataFrame:
    """pi1, pi2, …: fitted inhibition in percent at each dose; missing where no well of it was measured."""
    count = max((len(found) for found in doses.values()), default=0)
    inhibition = np.full((len(frame), count), np.nan)
    parameters = curves[list(PARAMETERS)].to_numpy(dtype=float)
    for i, drug in enumerate(frame[DRUG].itertuples(index=False, name=None)):
        tested = doses[drug]
        fitted = 100.0 * evaluate(parameters[i], np.log10(list(tested)))
        inhibition[i, : len(tested)] = np.where(list(tested.values()), fitted, np.nan)
    names = [f"pi{i + 1}" for i in range(count)]
    return pd.concat([frame, pd.DataFrame(inhibition, columns=names)], axis=1)


def _add_replicates(
    frame: pd.DataFrame, curves: pd.DataFrame, threshold: Threshold
) -> pd.DataFrame:
    """dss_asym_rep1, …: the score of each replicate's own curve."""
    single = curves[(curves["role"] == "treatment") & (curves["replicate"] != ALL_REPLICATES)]
    single = single.reset_index(drop=True)
    scores = single[[*DRUG, "replicate"]].assign(dss=_values(single, threshold)["dss_asym"])
    wide = scores.pivot(index=DRUG, columns="replicate", values="dss")
    wide.columns = [f"dss_asym_rep{number}" for number in wide.columns]
    return frame.merge(wide.reset_index(), on=DRUG, how="left")


def _count_replicates(frame: pd.DataFrame, responses: pd.DataFrame) -> Array:
    used = responses[responses["used"] & (responses["role"] == "treatment")]
    counts = used.groupby(DRUG)["replicate"].nunique()
    return counts.reindex(pd.MultiIndex.from_frame(frame[DRUG]), fill_value=0).to_numpy()
