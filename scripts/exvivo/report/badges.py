"""The few words beside a drug that change how its score reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exvivo.context import drugs as codes
from exvivo.figures.words import dose, fixed, percent
from exvivo.report.context import Context, Drug, drugs_of


@dataclass(frozen=True)
class Badge:
    """A tag: its code (a class of the style sheet), its word, and the sentence that explains it."""

    code: str
    word: str
    text: str


def badges_of(context: Context) -> dict[Drug, list[Badge]]:
    """Badges of each drug of the headline readout; none of a held screen."""
    frame = context.inputs.context
    if context.held or not len(frame):
        return {}
    mine = frame[frame["readout"] == context.inputs.headline]
    rows = mine.to_dict("records")
    return {
        drug: [_badge(code, row) for code in str(row["badges"]).split(";") if code]
        for drug, row in zip(drugs_of(mine), rows, strict=True)
    }


def _badge(code: str, row: Mapping[str, Any]) -> Badge:
    n, level = int(row["cohort_n"]), dose(row["max_plasma_nM"])
    known = {
        codes.EXPECTED: ("expected", f"Expected for {row['expected_for']}."),
        codes.UNUSUAL: (
            "unusually strong",
            f"Stronger than in {fixed(row['cohort_percentile'], 0)} % of {n} other screens.",
        ),
        codes.TOPS: (
            f"tops {percent(row['cohort_top_share'])} of screens",
            f"Among the first drugs of the list in {percent(row['cohort_top_share'])} of {n} other screens: no news.",
        ),
        codes.HEALTHY: (
            "healthy cells alike",
            f"Healthy controls have a mean score of {fixed(row['control_dss'])}: not selective.",
        ),
        codes.ABOVE_PLASMA: (
            "only above plasma level",
            f"All of the score comes from doses above {level}, the highest plasma level known.",
        ),
        codes.BELOW_TESTED: (
            "plasma level not tested",
            f"The highest plasma level known, {level}, lies below all tested doses.",
        ),
    }
    return Badge(code, *known[code])
