"""Quality: every metric with its limit, its verdict and what it means."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd

from exvivo.figures.scatter import Dot, correlation, scatter
from exvivo.figures.svg import Figure
from exvivo.figures.words import MISSING, figures, known
from exvivo.report.context import (
    Context,
    drugs_of,
    limit_text,
    natural,
    number,
    readout_name,
    spoken,
    text,
)
from exvivo.report.explanations import NAMES_HITS, YES_NO, explain, metric_name

VERDICTS = {"pass": "pass", "warn": "warning", "fail": "fail", "info": "for information"}
SCREEN = "screen"  # scope of what concerns all plates together
_ORDER = {"fail": 0, "warn": 1, "pass": 2, "info": 3}


@dataclass(frozen=True)
class Value:
    """One figure: `where` the screen or a plate, `verdict` the key of its sign, `note` the remark."""

    where: str
    text: str
    verdict: str
    word: str
    note: str


@dataclass(frozen=True)
class Metric:
    """One check: its values by place ("" where there is none), the worst verdict, remarks on what is not well."""

    name: str
    meaning: str
    limit: str
    verdict: str
    word: str
    gate: bool
    values: list[Value | None]
    remarks: list[str]


@dataclass(frozen=True)
class MetricGroup:
    """The checks of one readout, or of the screen as a whole; `further` are without a limit."""

    readout: str
    title: str
    headline: bool
    places: list[str]
    checks: list[Metric]
    further: list[Metric]
    trouble: int


@dataclass(frozen=True)
class Quality:
    """The section's content; `replicates` shows replicate 2 against 1 for the headline readout."""

    groups: list[MetricGroup]
    counts: list[tuple[str, str, int]]
    replicates: Figure | None
    agreement: str
    meanings: list[tuple[str, str]]


def quality(context: Context) -> Quality:
    """Checks of the screen first, then of the headline, then of other readouts; the worst first in each."""
    frame = context.inputs.quality
    readouts = sorted({text(r) for r in frame["readout"]}, key=lambda r: _place(context, r))
    verdicts = Counter(frame["verdict"])
    figure, agreement = replicate_figure(context)
    metrics = dict.fromkeys(frame["metric"])
    return Quality(
        groups=[
            _group(context, name, frame[frame["readout"].map(text) == name]) for name in readouts
        ],
        counts=[(key, word, int(verdicts.get(key, 0))) for key, word in VERDICTS.items()],
        replicates=figure,
        agreement=agreement,
        meanings=[(metric_name(m), explain(m)) for m in metrics if explain(m)],
    )


def _place(context: Context, readout: str) -> tuple[int, str]:
    return ({"": 0, context.inputs.headline: 1}.get(readout, 2), readout)


def _group(context: Context, readout: str, frame: pd.DataFrame) -> MetricGroup:
    rows = [{**row, "note": _note(row, held=context.held)} for row in frame.to_dict("records")]
    plates = sorted({text(r["scope"]) for r in rows} - {SCREEN}, key=natural)
    scopes = [SCREEN, *plates]
    by_metric: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_metric.setdefault(text(row["metric"]), []).append(row)
    metrics = [_metric(name, found, scopes) for name, found in by_metric.items()]
    headline = readout == context.inputs.headline
    title = readout_name(readout) + (" (headline)" if headline else "") if readout else "Screen"
    checks = [m for m in metrics if m.verdict != "info"]
    return MetricGroup(
        readout=readout,
        title=title,
        headline=headline,
        places=["whole screen", *plates],
        checks=sorted(checks, key=lambda m: (_ORDER[m.verdict], not m.gate)),
        further=[m for m in metrics if m.verdict == "info"],
        trouble=sum(1 for m in checks if m.verdict in ("fail", "warn")),
    )


def _note(row: dict[str, Any], *, held: bool) -> str:
    """The remark of a line; that of a held screen names no drug as a hit."""
    note = spoken(row["note"])
    return note.split(" drugs")[0] + " drugs" if held and row["metric"] in NAMES_HITS else note


def _metric(name: str, rows: list[dict[str, Any]], scopes: list[str]) -> Metric:
    by_scope: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_scope.setdefault(text(row["scope"]), []).append(row)
    values = [_value(by_scope[s]) if s in by_scope else None for s in scopes]
    worst = min((text(row["verdict"]) for row in rows), key=lambda v: _ORDER.get(v, 9))
    bad = [row for row in rows if row["verdict"] in ("fail", "warn") and text(row["note"])]
    notes = dict.fromkeys(text(row["note"]) for row in rows)
    if bad:
        remarks = [
            ("" if r["scope"] == SCREEN else f"{r['scope']}: ") + text(r["note"]) for r in bad
        ]
    else:
        remarks = [n for n in notes if n] if len(notes) == 1 or len(rows) == 1 else []
    limits = dict.fromkeys(limit_text(row["limit"]) for row in rows if text(row["limit"]))
    gate = any(bool(row["gate"]) for row in rows)
    word = VERDICTS.get(worst, worst)
    verdict = worst if worst in _ORDER else "info"
    return Metric(
        metric_name(name), explain(name), "; ".join(limits), verdict, word, gate, values, remarks
    )


def _value(rows: list[dict[str, Any]]) -> Value:
    """The values of a metric in one place: usually one, several where other readouts are compared."""
    worst = min((text(row["verdict"]) for row in rows), key=lambda v: _ORDER.get(v, 9))
    told = [figures(row["value"]) if known(row["value"]) else MISSING for row in rows]
    if rows[0]["metric"] in YES_NO and known(rows[0]["value"]):
        told = ["yes" if rows[0]["value"] else "no"]
    note = "; ".join(dict.fromkeys(text(row["note"]) for row in rows if text(row["note"])))
    return Value(text(rows[0]["scope"]), ", ".join(told), worst, VERDICTS.get(worst, worst), note)


def replicate_figure(context: Context) -> tuple[Figure | None, str]:
    """Viability of replicate 2 against replicate 1 of each drug and dose, in percent."""
    frame = context.inputs.of(context.inputs.headline)
    frame = frame[(frame["role"] == "treatment") & frame["used"].astype(bool)]
    by_well: dict[tuple[Any, ...], dict[int, float]] = {}
    for drug, row in zip(drugs_of(frame), frame.to_dict("records"), strict=True):
        value = number(row["viability"])
        if value is not None:
            by_well.setdefault((*drug, row["concentration"]), {})[int(row["replicate"])] = value
    pairs = [found for found in by_well.values() if 1 in found and 2 in found]
    if not pairs:
        return None, ""
    dots = [
        Dot(100 * p[1], 100 * p[2], f"{100 * p[1]:.0f} % and {100 * p[2]:.0f} %") for p in pairs
    ]
    figure = scatter(
        dots,
        title="Replicates: viability (%)",
        x_title="replicate 1",
        y_title="replicate 2",
        limits=(-50.0, 150.0),
        diagonal=True,
    )
    return figure, correlation(dots)
