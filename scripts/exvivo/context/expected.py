"""Drugs that the sample's drivers let one expect, and what was found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from exvivo.context.names import DrugNames, fold, split_list
from exvivo.context.tables import EXPECTED

HIT, NO_HIT, NO_SCORE, NOT_TESTED = "hit", "not a hit", "no score", "not tested"


@dataclass(frozen=True)
class Overlap:
    """Expected drugs among the hits of one readout.

    `scored` drugs of the screen with a score, `expected` of them, `hits` of them, `both`; `p` the probability
    of at least so many by chance (hypergeometric); None where nothing was expected, or no drug was a hit.
    """

    scored: int
    expected: int
    hits: int
    both: int
    p: float | None

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def drivers_of_drug(row: Mapping[str, str], drivers: Sequence[str]) -> list[str]:
    """Those of the sample's `drivers` for which a row of drugs.tsv expects the drug to work."""
    wanted = {fold(driver) for driver in split_list(row.get("expected_for", ""))}
    return [driver for driver in drivers if fold(driver) in wanted]


def expected_drugs(names: DrugNames, drivers: Sequence[str]) -> dict[str, list[str]]:
    """All drugs of drugs.tsv that are expected for one of `drivers`, with these drivers."""
    found = {drug: drivers_of_drug(row, drivers) for drug, row in names.drugs.items()}
    return {drug: those for drug, those in found.items() if those}


def list_expected(
    scores: pd.DataFrame, names: DrugNames, drivers: Sequence[str], *, screen: str
) -> pd.DataFrame:
    """`EXPECTED`: for each readout and expected drug what was found of it; drugs not tested at the end.

    `scores` has readout, treatment, addon, dss_asym, hit, rank. Combinations are left out.
    """
    single = scores[scores["addon"] == ""]
    rows = []
    for readout, part in single.groupby("readout", sort=False):
        by_key: dict[str, list[dict[str, Any]]] = {}
        for row in part.to_dict("records"):
            by_key.setdefault(names.key(row["treatment"]), []).append(row)
        for drug, those in expected_drugs(names, drivers).items():
            shared = {"screen": screen, "readout": readout, "drivers": "; ".join(those)}
            rows += [
                shared | {"drug": row["treatment"], "found": _found(row), "dss_asym": row["dss_asym"], "rank": row["rank"]}
                for row in by_key.get(fold(drug), [])
            ] or [shared | {"drug": drug, "found": NOT_TESTED, "dss_asym": math.nan, "rank": math.nan}]  # fmt: skip
    frame = pd.DataFrame(rows, columns=EXPECTED.names)
    order = frame["readout"].map(
        {name: i for i, name in enumerate(dict.fromkeys(frame["readout"]))}
    )
    frame = frame.assign(order=order).sort_values(["order", "rank", "drug"], na_position="last")
    return (
        frame.drop(columns="order")
        .reset_index(drop=True)
        .astype({"dss_asym": float, "rank": float})
    )


def _found(row: Mapping[str, Any]) -> str:
    if row["dss_asym"] != row["dss_asym"]:
        return NO_SCORE
    return HIT if row["hit"] else NO_HIT


def overlap(context: pd.DataFrame) -> Overlap:
    """Expected drugs among the hits of one readout: rows of `CONTEXT` of single drugs with a score."""
    scored = context[(context["addon"] == "") & context["dss_asym"].notna()]
    expected, hit = scored["expected_for"] != "", scored["hit"].astype(bool)
    counts = (len(scored), int(expected.sum()), int(hit.sum()), int((expected & hit).sum()))
    p = at_least(*counts) if counts[1] and counts[2] else None
    return Overlap(*counts, p)


def at_least(total: int, marked: int, drawn: int, both: int) -> float:
    """P(X >= both): `drawn` of `total` drugs at random, `marked` of them expected (Fisher, one-sided)."""
    ways = math.comb(total, drawn)
    first = max(both, drawn - (total - marked))
    favourable = sum(
        math.comb(marked, k) * math.comb(total - marked, drawn - k)
        for k in range(first, min(marked, drawn) + 1)
    )
    return favourable / ways if ways else float("nan")
