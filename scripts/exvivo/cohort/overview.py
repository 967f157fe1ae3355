"""Drugs across all screens: the map and the numbers that the page's script shows under the pointer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exvivo.cohort.load import CohortScreen
from exvivo.figures.matrix import CELL, LEFT, MatrixRow, matrix, top_of
from exvivo.figures.svg import Figure
from exvivo.figures.waterfall import drug_name
from exvivo.report.context import spoken


def drug_map(screens: Sequence[CohortScreen], hit: float) -> tuple[Figure | None, dict[str, Any]]:
    """The drugs of all screens as a matrix, most effective first, and its numbers for the page's script."""
    scores: dict[str, dict[str, float]] = {}
    for screen in screens:
        if not screen.held:
            rows = screen.scores.dropna(subset="dss_asym")
            named = [drug_name(t, a) for t, a in zip(rows["treatment"], rows["addon"], strict=True)]
            scores[screen.screen] = dict(zip(named, rows["dss_asym"].astype(float), strict=True))
    totals: dict[str, list[float]] = {}
    for found in scores.values():
        for drug, score in found.items():
            totals.setdefault(drug, []).append(score)
    columns = sorted(totals, key=lambda d: (-sum(totals[d]) / len(totals[d]), d.casefold(), d))
    if not columns:
        return None, {}
    rows = [
        MatrixRow(
            s.screen,
            [scores.get(s.screen, {}).get(drug) for drug in columns],
            held=s.held,
            note=spoken("; ".join(s.reasons)) or "no verdict",
            href=f"#screen-{s.screen}",
        )
        for s in screens
    ]
    numbers = [
        [None if v is None else _short(v) for v in row.scores] if not row.held else []
        for row in rows
    ]
    data = {
        "left": LEFT,
        "top": round(top_of(columns), 2),
        "cell": CELL,
        "drugs": columns,
        "screens": [r.name for r in rows],
        "scores": numbers,
    }
    return matrix(rows, columns, hit=hit), data


def _short(value: float) -> float | int:
    """One decimal, none where it would be 0."""
    rounded = round(value, 1)
    return int(rounded) if rounded == int(rounded) else rounded
