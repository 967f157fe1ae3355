"""Verdict first: may this screen be ranked, why not, and what stands out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from exvivo.figures.waterfall import Bar, bars_of
from exvivo.figures.words import count, fixed
from exvivo.report.context import Context, limit_text, names, readout_name, reason_text, text
from exvivo.report.decisions import notice
from exvivo.report.explanations import metric_name
from exvivo.responses.scores import AUC_HIT

_BEST = 5


@dataclass(frozen=True)
class Verdict:
    """`reasons` hold the screen; `concerns` do not, but a reader must know them; `facts` are label and value.

    `missing` is what a provisional report lacks, `accepted` which failed checks a person accepts, `decided` that
    decisions apply: never silent.
    """

    held: bool
    word: str
    sentence: str
    reasons: list[str]
    concerns: list[str]
    facts: list[tuple[str, str]]
    best: list[Bar] = field(default_factory=list)
    hits: int = 0
    hit: float = 10.0
    missing: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    decided: str = ""


def verdict(context: Context) -> Verdict:
    """The first section. A screen without a verdict is on hold: silence is no pass."""
    inputs = context.inputs
    reasons = _reasons(context) if context.held else []
    bars = [] if context.held else bars_of(context.scores)
    hits = [bar for bar in bars if bar.hit]
    found, scored = len(hits), len(bars)
    if context.by_auc and not context.held:
        found, scored = int(context.scores["hit"].sum()), int(context.scores["auc"].notna().sum())
    return Verdict(
        held=context.held,
        word=_word(context),
        sentence=_sentence(context, found, scored),
        reasons=reasons,
        concerns=[
            *concerns(inputs.quality, headline=inputs.headline, held=context.held),
            *(str(note) for note in inputs.admission.get("notes") or []),
        ],
        facts=_facts(context, found),
        best=hits[:_BEST],
        hits=found,
        hit=inputs.hit,
        missing=[reason_text(line) for line in _provisional(context)],
        accepted=[
            _accepted(line)
            for line in inputs.verdict.get("accepted") or []
            if line["readout"] in ("", inputs.headline)
        ],
        decided=notice(context),
    )


def _word(context: Context) -> str:
    if context.held:
        return "On hold"
    word = "Accepted" if is_accepted(context) else "Pass"
    return f"{word}, provisional" if _provisional(context) else word


def _provisional(context: Context) -> list[str]:
    return [str(line) for line in context.inputs.verdict.get("provisional") or []]


def _accepted(line: dict[str, Any]) -> str:
    place = [readout_name(line["readout"]) if line["readout"] else ""]
    place += ["" if line["scope"] == "screen" else f"plate {line['scope']}"]
    where = ", ".join(filter(None, place))
    return reason_text(
        f"{metric_name(line['metric'])}{f' ({where})' if where else ''} failed; {line['note']}"
    )


def _reasons(context: Context) -> list[str]:
    inputs = context.inputs
    given = [*(inputs.verdict.get("reasons") or []), *(inputs.admission.get("reasons") or [])]
    reasons = [reason_text(reason) for reason in given]
    if not inputs.verdict:
        reasons.insert(0, "There is no verdict for this screen (verdict.json is missing).")
    return names(reasons) or ["The verdict names no reason; see the quality table."]


def _sentence(context: Context, hits: int, scored: int) -> str:
    if context.held:
        return "This screen is on hold. No drug is ranked, and no score is shown."
    passed = "The screen passed its quality gate"
    if is_accepted(context):
        passed = "The screen failed a check of its quality gate, and a person accepts that"
    if not scored:
        return f"{passed}. No drug has a score."
    found = f"{hits} of {count(scored, 'scored drug')} {'is a hit' if hits == 1 else 'are hits'}"
    return f"{passed}. {found if hits else 'No drug is a hit'}."


def is_accepted(context: Context) -> bool:
    """Whether the screen is ranked because of a person's decision."""
    return context.inputs.verdict.get("verdict") == "accepted"


def concerns(quality: pd.DataFrame, *, headline: str, held: bool) -> list[str]:
    """Failures and warnings that did not hold the screen, one short text per check.

    Another readout's trouble stands in the quality table alone, a failed gate of a held screen in its reasons.
    """
    by_metric: dict[str, list[dict[str, Any]]] = {}
    rows = quality[quality["verdict"].isin(["warn", "fail"])] if len(quality) else quality
    for row in rows.to_dict("records"):
        reason = held and row["verdict"] == "fail" and row["gate"]
        if text(row["readout"]) in ("", headline) and not reason:
            by_metric.setdefault(text(row["metric"]), []).append(row)
    return [_concern(metric, found) for metric, found in by_metric.items()]


def _concern(metric: str, rows: list[dict[str, Any]]) -> str:
    places = [
        fixed(row["value"], 2) + ("" if row["scope"] == "screen" else f" on {row['scope']}")
        for row in rows
    ]
    limits = names(limit_text(row["limit"]).split(" (")[0] for row in rows if text(row["limit"]))
    word = "failed" if any(row["verdict"] == "fail" for row in rows) else "warning"
    wanted = f", wanted {limits[0]}" if limits else ""
    return f"{metric_name(metric)}: {', '.join(places)}{wanted} ({word})"


def _facts(context: Context, hits: int) -> list[tuple[str, str]]:
    inputs = context.inputs
    mine = inputs.of(inputs.headline)
    plates = names(mine["plate"])
    filled = mine[mine["role"] != "empty"]
    drugs = len(set(zip(context.scores["treatment"], context.scores["addon"], strict=True)))
    facts = [
        ("Sample", inputs.sample or "not named"),
        ("Drugs", f"{drugs}"),
        ("Plates", f"{len(plates)}" + (f" ({', '.join(plates)})" if 0 < len(plates) <= 4 else "")),
        ("Wells with a value", f"{int(filled['value'].notna().sum())} of {len(filled)}"),
        ("Headline readout", readout_name(inputs.headline) if inputs.headline else "none"),
    ]
    if inputs.network:
        facts.append(("Network", inputs.network))
    if not context.held:
        limit = f"AUC > {AUC_HIT:g}" if context.by_auc else f"DSS_asym > {inputs.hit:g}"
        facts.insert(1, (f"Hits ({limit})", f"{hits}"))
    return facts
