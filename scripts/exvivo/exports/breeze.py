"""Tables as Breeze reads and writes them (Potdar et al. 2020; specification: viability route, section 20).

What exvivo does not compute in Breeze's way (standard errors, AUC, sDSS of types 1 to 3) is left empty. An IC50
outside the tested doses is empty too.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from exvivo.exports.screen import Screen

_TREATED = ("treatment", "titration")


def signals(screen: Screen, readout: str) -> pd.DataFrame:
    """Input with raw signals: WELL, PLATE, DRUG_NAME, CONCENTRATION (nM), SCREEN_NAME, WELL_SIGNAL.

    Controls of the readout's contrast are called `negative_control` and `positive_control`, whatever they are made of.
    """
    wells = screen.wells(readout)
    wells = wells[wells["used"]]
    names = [
        f"{row.side}_control" if row.side else drug_name(row.treatment, row.addon)
        for row in wells.itertuples()
    ]
    wells = wells.assign(name=names)
    wells = wells[(wells["side"] != "") | wells["role"].isin(_TREATED)]
    return pd.DataFrame(
        {
            "WELL": wells["well"].to_numpy(),
            "PLATE": wells["plate"].to_numpy(),
            "DRUG_NAME": wells["name"].to_numpy(),
            "CONCENTRATION": wells["concentration"].to_numpy(dtype=float),
            "SCREEN_NAME": screen.name,
            "WELL_SIGNAL": wells["value"].to_numpy(dtype=float),
        }
    )


def inhibitions(screen: Screen, readout: str) -> pd.DataFrame:
    """Input with normalised values: DRUG_NAME, CONCENTRATION (nM), SCREEN_NAME, PERCENT_INHIBITION."""
    wells = screen.wells(readout)
    wells = wells[wells["used"] & (wells["role"] == "treatment")]
    return pd.DataFrame(
        {
            "DRUG_NAME": [drug_name(r.treatment, r.addon) for r in wells.itertuples()],
            "CONCENTRATION": wells["concentration"].to_numpy(dtype=float),
            "SCREEN_NAME": screen.name,
            "PERCENT_INHIBITION": 100 * (1 - wells["viability"].to_numpy(dtype=float)),
        }
    )


def results(screen: Screen, readout: str) -> pd.DataFrame:
    """A table with the columns of Breeze's output; DSS is type 2 of exvivo's own curve."""
    scores = screen.scores[screen.scores["readout"] == readout]
    measured = inhibitions(screen, readout)
    means = measured.groupby(["DRUG_NAME", "CONCENTRATION"])["PERCENT_INHIBITION"].mean()
    rows = []
    for number, row in enumerate(scores.to_dict("records"), start=1):
        name = drug_name(row["treatment"], row["addon"])
        doses = (
            means[name].sort_index().to_list() if name in means.index.get_level_values(0) else []
        )
        rows.append(
            {
                "ID": number,
                "DRUG_NAME": name,
                "ANALYSIS_NAME": "IC50",
                "IC50": _tested(row),
                "SLOPE": row.get("slope", np.nan),
                "MAX": row.get("imax", np.nan),
                "MIN": row.get("imin", np.nan),
                "Min.Conc.tested": row.get("min_concentration", np.nan),
                "Max.Conc.tested": row.get("max_concentration", np.nan),
                "IC50_std_error": np.nan,
                **{
                    f"D{i}": value for i, value in enumerate(doses + [np.nan] * (5 - len(doses)), 1)
                },
                "GRAPH": "",
                "DSS": row.get("dss2", np.nan),
                "sDSS": np.nan,
                "SE_of_estimate": np.nan,
                "AUC": np.nan,
            }
        )
    return pd.DataFrame(rows)


def _tested(row: dict) -> float:
    """The relative IC50 where the curve is sound and it lies within the tested doses."""
    value = row.get("rel_ic50", np.nan)
    inside = row.get("min_concentration", np.nan) <= value <= row.get("max_concentration", np.nan)
    return value if inside and row["status"] == "ok" else np.nan


def drug_name(treatment: str, addon: str) -> str:
    """A drug, or a combination as `treatment + addon`."""
    return f"{treatment} + {addon}" if addon else treatment
