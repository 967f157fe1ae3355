"""Drugs against the solvent: scores of the readouts that have no second control, side by side, and where they disagree.

Heinemann et al. 2022: AUC is the sum over a drug's concentrations of 1 - value relative to the solvent. A drug that takes all
cells alike shows in the counts and not in a fraction, one that takes a marker off shows in the marker and not in morphology.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from exvivo.figures.scatter import Dot, scatter
from exvivo.figures.svg import Figure
from exvivo.figures.waterfall import drug_name
from exvivo.figures.words import fixed, known
from exvivo.report.context import Context, readout_name, text
from exvivo.responses.read import RANKED
from exvivo.responses.scores import AUC_HIT, AUC_P


@dataclass(frozen=True)
class Cell:
    """Score of a drug in one readout: its AUC, its test in words, whether it is a hit."""

    auc: str
    test: str
    hit: bool


@dataclass(frozen=True)
class Row:
    """One drug in all readouts; `remark` says where readouts disagree."""

    key: str
    name: str
    cells: list[Cell]
    remark: str


@dataclass(frozen=True)
class Solvent:
    """The section's content."""

    readouts: list[str]
    rows: list[Row]
    figures: list[Figure]
    limit: float
    p_value: float
    reason: str = ""


def solvent(context: Context) -> Solvent | None:
    """None for a screen whose readouts all have two controls; of a held one the reason alone."""
    scores = context.inputs.scores
    if "auc" not in scores or not scores["auc"].notna().any():
        return None
    if context.held:
        reason = "the screen is on hold, so no score is shown"
        return Solvent([], [], [], AUC_HIT, AUC_P, reason)
    names = [name for name in context.inputs.readouts if has_auc(context, name, scores)]
    tables = {name: _by_drug(scores, name) for name in names}
    first = next(iter(tables.values()), {})
    ordered = sorted(
        first, key=lambda drug: -(first[drug]["auc"] if known(first[drug]["auc"]) else -9)
    )
    rows = [_row(context, drug, tables) for drug in ordered]
    figures = [_figure(context, names[0], other, tables) for other in names[1:]]
    called = [readout_name(name) for name in names]
    return Solvent(called, rows, [f for f in figures if f], AUC_HIT, AUC_P)


def has_auc(context: Context, name: str, scores: pd.DataFrame) -> bool:
    """Whether the readout has such scores, and no verdict of its own that holds it."""
    single = (context.inputs.verdict.get("readouts") or {}).get(name) or {}
    own = scores.loc[scores["readout"] == name, "auc"]
    return bool(own.notna().any()) and single.get("verdict", "pass") in RANKED


def _by_drug(scores: pd.DataFrame, name: str) -> dict[tuple[str, str], dict[str, float]]:
    own = scores[scores["readout"] == name]
    return {
        (text(row["treatment"]), text(row["addon"])): {
            key: row[key] for key in ("auc", "auc_p_value", "auc_q_value", "hit")
        }
        for row in own.to_dict("records")
    }


def _row(context: Context, drug: tuple[str, str], tables: dict) -> Row:
    cells = [_cell(table.get(drug, {})) for table in tables.values()]
    hits = [cell for cell in cells if cell.hit]
    remark = "" if len(hits) in (0, len(cells)) else f"a hit in {len(hits)} of {len(cells)}"
    return Row(context.keys.get(drug, ""), drug_name(*drug), cells, remark)


def _cell(found: dict[str, float]) -> Cell:
    auc = found.get("auc")
    if auc is None or not known(auc):
        return Cell("–", "", False)
    p, q = found["auc_p_value"], found["auc_q_value"]
    test = f"p {_small(p)}, q {_small(q)}" if known(p) else ""
    return Cell(fixed(float(auc), 2), test, bool(found["hit"]))


def _small(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _figure(context: Context, first: str, other: str, tables: dict) -> Figure | None:
    dots = []
    for drug, own in tables[first].items():
        against = tables[other].get(drug, {})
        if known(own["auc"]) and known(against.get("auc")):
            x, y = float(own["auc"]), float(against["auc"])
            mismatch = bool(own["hit"]) != bool(against["hit"])
            kind = "mismatch" if mismatch else ("hit" if own["hit"] else "")
            told = f"{drug_name(*drug)}: {fixed(x, 2)} and {fixed(y, 2)}"
            dots.append(Dot(x, y, told, kind, context.keys.get(drug, "")))
    if len(dots) < 3:
        return None
    titles = (readout_name(first), readout_name(other))
    return scatter(
        dots, title=f"AUC: {titles[1]}", x_title=titles[0], y_title=titles[1], limit=AUC_HIT, diagonal=True
    )  # fmt: skip
