"""Quality: every metric with its limit, its verdict and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from exvivo.figures.scatter import Dot, correlation, scatter
from exvivo.figures.svg import Figure
from exvivo.figures.words import MISSING, figures, known
from exvivo.report.context import Context, drugs_of, limit_text, natural, number, readout_name, text
from exvivo.report.explanations import explain, metric_name

VERDICTS = {"pass": "pass", "warn": "warning", "fail": "fail", "info": "for information"}
_ORDER = {"fail": 0, "warn": 1, "pass": 2, "info": 3}


@dataclass(frozen=True)
class Metric:
    """One line: `verdict` is the key for its sign, `word` how it is called."""

    scope: str
    name: str
    value: str
    limit: str
    verdict: str
    word: str
    gate: bool
    note: str
    meaning: str


@dataclass(frozen=True)
class MetricGroup:
    """The metrics of one readout, or of the screen as a whole."""

    title: str
    headline: bool
    metrics: list[Metric]


@dataclass(frozen=True)
class Quality:
    """The section's content; `replicates` shows replicate 2 against 1 for the headline readout."""

    groups: list[MetricGroup]
    counts: list[tuple[str, str, int]]
    replicates: Figure | None
    agreement: str
    meanings: list[tuple[str, str]]


def quality(context: Context) -> Quality:
    """Metrics of the screen first, then of the headline, then of other readouts."""
    frame = context.inputs.quality
    groups = [
        _group(context, name, frame[frame["readout"].map(text) == name])
        for name in sorted({text(r) for r in frame["readout"]}, key=lambda r: _place(context, r))
    ]
    verdicts = frame["verdict"].value_counts() if len(frame) else {}
    figure, agreement = replicate_figure(context)
    metrics = dict.fromkeys(frame["metric"])
    return Quality(
        groups=groups,
        counts=[(key, word, int(verdicts.get(key, 0))) for key, word in VERDICTS.items()],
        replicates=figure,
        agreement=agreement,
        meanings=[(metric_name(m), explain(m)) for m in metrics if explain(m)],
    )


def _place(context: Context, readout: str) -> tuple[int, str]:
    return ({"": 0, context.inputs.headline: 1}.get(readout, 2), readout)


def _group(context: Context, readout: str, frame: pd.DataFrame) -> MetricGroup:
    metrics = [_metric(row) for row in frame.to_dict("records")]
    metrics.sort(
        key=lambda m: (_ORDER.get(m.verdict, 9), not m.gate, m.scope != "screen", natural(m.scope))
    )
    headline = readout == context.inputs.headline
    title = (
        readout_name(readout) + (" (headline)" if headline else "") if readout else "Whole screen"
    )
    return MetricGroup(title, headline, metrics)


def _metric(row: dict[str, Any]) -> Metric:
    verdict = text(row["verdict"])
    return Metric(
        scope="whole screen" if row["scope"] == "screen" else text(row["scope"]),
        name=metric_name(text(row["metric"])),
        value=figures(row["value"]) if known(row["value"]) else MISSING,
        limit=limit_text(row["limit"]),
        verdict=verdict,
        word=VERDICTS.get(verdict, verdict),
        gate=bool(row["gate"]),
        note=text(row["note"]),
        meaning=explain(text(row["metric"])),
    )


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
