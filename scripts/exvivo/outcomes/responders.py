"""Patients who did better than before, or better than expected: ratios, exceptional responders, enrichment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from exvivo.errors import ScoringError

BENEFIT = 1.3  # PFS ratio above which a therapy counts as better than the one before
EXCEPTIONAL = 3.0  # times the PFS expected for the disease


@dataclass(frozen=True)
class Ratios:
    """PFS on this therapy divided by that on the one before, of one group.

    Attributes: `ratios` by patient, with `lower_bound` where progression has not come yet; `median`; `benefit` share above
    1.3; `p_value` of the paired test (Wilcoxon signed-rank on log ratios, two-sided), missing with fewer than
    six patients whose ratio is not 1.
    """

    ratios: pd.DataFrame
    median: float
    benefit: float
    p_value: float


def pfs_ratios(outcomes: pd.DataFrame) -> Ratios:
    """Compare each patient with himself.

    `outcomes`: patient, days, event, previous_days. Patients without a previous therapy do not count. A ratio without
    progression is a lower bound and is kept as such (ours): the median and the test understate it.
    """
    from scipy.stats import wilcoxon

    known = outcomes[outcomes["previous_days"].notna()]
    if not (known["previous_days"] > 0).all() or not (known["days"] > 0).all():
        raise ScoringError(
            "a ratio needs two times above 0",
            expected="days and previous_days above 0, or previous_days left out",
            found=f"{int((~(known['previous_days'] > 0)).sum())} previous times not above 0",
            hint="mend the table of outcomes",
        )
    ratio = (known["days"] / known["previous_days"]).to_numpy(float)
    table = pd.DataFrame(
        {
            "patient": known["patient"].to_numpy(),
            "ratio": ratio,
            "lower_bound": ~known["event"].to_numpy(bool),
        }
    )
    logs = np.log(ratio)
    p_value = float(wilcoxon(logs).pvalue) if (np.abs(logs) > 1e-12).sum() >= 6 else np.nan
    if not len(ratio):
        return Ratios(table, np.nan, np.nan, np.nan)
    return Ratios(table, float(np.median(ratio)), float((ratio > BENEFIT).mean()), p_value)


def exceptional(outcomes: pd.DataFrame, times: float = EXCEPTIONAL) -> pd.Series:
    """Whether each patient lived without progression at least `times` as long as expected for the disease.

    `outcomes`: days, expected_days. Missing where nothing is expected. A patient without progression yet may still become
    one; until then he is not.
    """
    long = (outcomes["days"] >= times * outcomes["expected_days"]).astype("boolean")
    return long.mask(outcomes["expected_days"].isna())


def enrichment(member: pd.Series, special: pd.Series) -> dict[str, float]:
    """Are `special` patients (exceptional responders) over-represented among the `member`s of a group?

    Both are boolean by patient; patients without either do not count. `p_value` is P(X ≥ k), hypergeometric;
    `p_strict` is P(X > k), the tail that reproduces the published values (8 of 21: 0.0024) although
    the paper's text says "at least".
    """
    from scipy.stats import hypergeom

    known = member.notna() & special.notna()
    member, special = member[known].astype(bool), special[known].astype(bool)
    total, hits, drawn = len(member), int(special.sum()), int(member.sum())
    found = int((member & special).sum())
    law = hypergeom(total, hits, drawn)
    return {
        "patients": total,
        "special": hits,
        "members": drawn,
        "found": found,
        "expected": drawn * hits / total if total else np.nan,
        "p_value": float(law.sf(found - 1)),
        "p_strict": float(law.sf(found)),
    }
