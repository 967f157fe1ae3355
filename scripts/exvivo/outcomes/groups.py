"""Which patients received drugs that worked on their own cells: integrated scores, and groups by them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from exvivo.errors import ScoringError

ON_TARGET = 0.1  # iAUC above which the drugs received were on target (Heinemann et al. 2022)

# Groups as published: name and which of the two readouts call the treatment on target (None: either way).
COMPARED: Mapping[str, tuple[bool | None, bool | None]] = {
    "both": (True, True),
    "morphology": (True, None),
    "marker": (None, True),
    "marker not morphology": (False, True),
    "morphology not marker": (True, False),
    "not morphology": (False, None),
    "not marker": (None, False),
    "neither": (False, False),
}


def integrated_auc(scores: pd.DataFrame, received: pd.DataFrame) -> pd.DataFrame:
    """Integrate each patient's scores over the drugs that were tested and then received.

    Args:
        scores: patient, treatment, auc: the score of each drug tested on the patient's cells.
        received: patient, treatment: the drugs of the therapy that followed.

    Returns:
        By patient: `iauc` the mean (ours; the paper does not say how it integrates), `iauc_sum`, `n_tested` and
        `n_received` drugs. A drug that was not tested does not count; a patient none of whose drugs was tested
        has no iAUC. A combination counts drug by drug unless it was tested as one.

    Raises:
        ScoringError: a patient has two scores of one drug.

    """
    twice = scores[scores.duplicated(["patient", "treatment"])]
    if len(twice):
        first = twice.iloc[0]
        raise ScoringError(
            "a drug has more than one score for a patient",
            expected="one row per patient and treatment",
            found=f"{len(twice)} more, such as {first['patient']} {first['treatment']}",
            hint="name one screen and one readout per patient",
        )
    wanted = received[["patient", "treatment"]].drop_duplicates()
    joined = wanted.merge(scores, on=["patient", "treatment"], how="left")
    grouped = joined.groupby("patient")["auc"]
    table = pd.DataFrame({"iauc": grouped.mean(), "iauc_sum": grouped.sum(min_count=1)})
    return table.assign(n_tested=grouped.count(), n_received=grouped.size()).reset_index()


def group_patients(
    morphology: pd.DataFrame, marker: pd.DataFrame, limit: float = ON_TARGET
) -> pd.DataFrame:
    """Sort patients into the published groups by two readouts' iAUC; a group is a column, patients are rows.

    `morphology`, `marker`: from `integrated_auc`. On target means iAUC > `limit`. A patient without one of the two
    is in no group. The groups overlap (`morphology` contains `both`), as published.
    """
    table = morphology[["patient", "iauc"]].merge(
        marker[["patient", "iauc"]], on="patient", suffixes=("_morphology", "_marker")
    )
    table = table.dropna().reset_index(drop=True)
    called = [table[f"iauc_{name}"].to_numpy() > limit for name in ("morphology", "marker")]
    for group, wanted in COMPARED.items():
        member = np.ones(len(table), bool)
        for values, want in zip(called, wanted, strict=True):
            member &= True if want is None else values == want
        table[group] = member
    return table
