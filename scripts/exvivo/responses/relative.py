"""Scores of readouts that have no second control: relative to the solvent, summed over concentrations.

Heinemann et al. 2022, Methods: the relative cancer fraction (RCF) of a well is its fraction of cancer cells divided by the
mean fraction of the solvent wells; the score of a drug, AUC, is the sum over its concentrations of 1 - mean RCF of the
replicates. Above 0 the drug takes more cancer cells than others (on target), below 0 fewer; at most the number
of concentrations. Counts are scored the same way (inferred from the paper).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from exvivo.sheets.layouts import contrast_wells

MIN_REFERENCE = (
    4  # solvent wells that make a plate its own reference; ours, else the whole sample's
)
DRUG = ["treatment", "addon"]


def relative_to_solvent(wells: pd.DataFrame, min_reference: int = MIN_REFERENCE) -> pd.Series:
    """RCF of each well: its value over the mean of the solvent wells of its plate, or of all plates.

    Args:
        wells: one screen and readout: plate, value (missing where not measured), negative (whether the well is a solvent
            control that counts).
        min_reference: a plate with fewer measured solvent wells is related to those of all plates together.

    Returns:
        By row; missing where the value is, and everywhere on plates whose reference is missing or 0.

    """
    solvent = wells.loc[wells["negative"].astype(bool) & wells["value"].notna()]
    own = solvent.groupby("plate")["value"].agg(["mean", "size"])
    overall = solvent["value"].mean() if len(solvent) else np.nan
    means = own["mean"].where(own["size"] >= min_reference, overall)
    reference = wells["plate"].map(means).fillna(overall)
    return wells["value"] / reference.where(reference > 0)


def auc_scores(wells: pd.DataFrame) -> pd.DataFrame:
    """Score each drug by its relative values.

    Args:
        wells: one screen and readout: treatment, addon, concentration, negative (bool), rcf. Solvent wells are those of
            the t-test's other side.

    Returns:
        One row per drug: treatment, addon, `auc`, `n_doses`, `n_wells`, and Student's t-test (two-sided, equal variances;
        ours pools all concentrations) of 1 - RCF against that of all solvent wells: `t`, `df`, `p_value`.
        A drug with a concentration that was not measured has no AUC: a sum over fewer would look weaker.

    """
    solvent = 1.0 - wells.loc[wells["negative"].astype(bool), "rcf"].dropna()
    treated = wells[~wells["negative"].astype(bool)]
    rows = [
        dict(zip(DRUG, key, strict=True)) | _score(part, solvent.to_numpy(float))
        for key, part in treated.groupby(DRUG, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*DRUG, "auc", "n_doses", "n_wells", "t", "df", "p_value"])


def relative_scores(
    responses: pd.DataFrame, contrasts: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame | None:
    """The AUC of every drug in the readouts that have no second control; None where each has one.

    Args:
        responses: `exvivo.tables.RESPONSES`; viability is relative to the solvent in those readouts.
        contrasts: by readout; without a second control the positive side is None.

    Returns:
        screen, readout, treatment, addon, `auc`, `auc_p_value`, and `auc_q_value` (Benjamini and Hochberg 1995 over the
        drugs of a readout).

    """
    from exvivo.responses.uncertainty import false_discovery_rates

    names = [name for name, contrast in contrasts.items() if contrast["positive"] is None]
    parts = []
    for name in names:
        own = responses[(responses["readout"] == name) & responses["used"].astype(bool)]
        negative = contrast_wells(own, contrasts[name]) == "negative"
        wells = own.assign(negative=negative, rcf=own["viability"])
        wells = wells[negative | (own["role"] == "treatment")]
        found = auc_scores(_with_lost_doses(wells, responses, name))
        found = found.rename(columns={"p_value": "auc_p_value"})[[*DRUG, "auc", "auc_p_value"]]
        found["auc_q_value"] = false_discovery_rates(found["auc_p_value"].to_numpy(float))
        screen = own["screen"].iloc[0] if len(own) else ""
        parts.append(found.assign(screen=screen, readout=name))
    return pd.concat(parts, ignore_index=True) if parts else None


def _with_lost_doses(wells: pd.DataFrame, responses: pd.DataFrame, name: str) -> pd.DataFrame:
    """The used wells and, without a value, those of doses of which none was used: such a drug has no AUC."""
    planned = responses[(responses["readout"] == name) & (responses["role"] == "treatment")]
    lost = planned[~planned.index.isin(wells.index)].assign(negative=False, rcf=np.nan)
    return pd.concat([wells, lost]) if len(lost) else wells


def _score(part: pd.DataFrame, solvent: np.ndarray) -> dict[str, float]:
    from scipy.stats import ttest_ind

    means = part.groupby("concentration")["rcf"].mean()
    effects = 1.0 - part["rcf"].dropna().to_numpy(float)
    row = {"auc": float((1.0 - means).sum(skipna=False)), "n_doses": len(means)}
    row |= {"n_wells": len(effects), "t": np.nan, "df": np.nan, "p_value": np.nan}
    degrees = len(effects) + len(solvent) - 2
    if min(len(effects), len(solvent)) > 0 and degrees > 0:
        test = ttest_ind(effects, solvent)
        row |= {"t": float(test.statistic), "df": degrees, "p_value": float(test.pvalue)}
    return row
