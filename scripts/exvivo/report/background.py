"""The section "In context": expected drugs, healthy controls, other screens, plasma levels, the solvent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from exvivo.figures.intervals import Estimate, forest
from exvivo.figures.placement import Placed, placement
from exvivo.figures.svg import Figure
from exvivo.figures.waterfall import drug_name
from exvivo.figures.words import MISSING, dose, fixed, known, percent
from exvivo.report.badges import Badge, badges_of
from exvivo.report.context import Context, drugs_of, number, text

SHIFT = ("untreated_shift_signed", "untreated_shift_low", "untreated_shift_high")
_FACTS = {
    "diagnosis": "Diagnosis",
    "drivers": "Drivers",
    "material": "Material",
    "culture_days": "Days in culture",
    "cells_per_well": "Cells per well",
    "tumour_content": "Tumour content",
}


@dataclass(frozen=True)
class Line:
    """One drug of the table, texts as shown."""

    key: str
    name: str
    score: str
    hit: bool
    selective: str
    healthy: str
    others: str
    percentile: str
    plasma: str
    effect: str
    reachable: str
    badges: list[Badge]


@dataclass(frozen=True)
class Expected:
    """A drug that was expected, and what was found."""

    key: str
    name: str
    drivers: str
    found: str
    score: str
    rank: str


@dataclass(frozen=True)
class Known:
    """Which columns of the table there is anything for."""

    controls: bool = False
    cohort: bool = False
    plasma: bool = False


@dataclass(frozen=True)
class Background:
    """The section's content; `reason` says why there is none."""

    reason: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    further: list[Line] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    overlap: str = ""
    figure: Figure | None = None
    solvent: Figure | None = None
    sources: list[str] = field(default_factory=list)
    has: Known = field(default_factory=Known)


def background(context: Context) -> Background:
    """What is known of the headline readout's drugs beyond this screen; no score of a held screen."""
    inputs, record = context.inputs, context.inputs.background
    facts = [
        (word, record["facts"][name])
        for name, word in _FACTS.items()
        if name in record.get("facts", {})
    ]
    solvent = _solvent(inputs.quality, inputs.headline)
    frame = inputs.context
    mine = frame[frame["readout"] == inputs.headline] if len(frame) else frame
    reason = "the screen is on hold, so no score is shown" if context.held else ""
    if not len(context.scores):
        reason = reason or "no drug has a score"
    if reason:
        return Background(reason, facts, solvent=solvent)
    has = Known(
        controls=bool(record.get("controls")),
        cohort=bool(record.get("cohort")),
        plasma=bool(mine["max_plasma_nM"].notna().any()),
    )
    rows = mine.sort_values("dss_asym", ascending=False, kind="stable", na_position="last")
    badges = badges_of(context)
    lines = [
        _line(context, drug, row, badges.get(drug, []))
        for drug, row in zip(drugs_of(rows), rows.to_dict("records"), strict=True)
    ]
    told = has != Known()
    return Background(
        facts=facts,
        lines=[line for line in lines if line.hit or line.badges] if told else [],
        further=[line for line in lines if not (line.hit or line.badges)] if told else [],
        expected=_expected(context),
        overlap=_overlap(record.get("overlap", {}).get(inputs.headline)),
        figure=_placement(context, rows) if has.controls or has.cohort else None,
        solvent=solvent,
        sources=_sources(record, has),
        has=has,
    )


def _line(
    context: Context, drug: tuple[str, str], row: dict[str, Any], badges: list[Badge]
) -> Line:
    healthy = fixed(row["control_dss"])
    if known(row["control_n"]):
        healthy += f" (n = {row['control_n']:.0f})"
    return Line(
        key=context.keys.get(drug, ""),
        name=drug_name(*drug),
        score=fixed(row["dss_asym"]),
        hit=bool(row["hit"]),
        selective=fixed(row["sdss_asym"]) + (f"\u00a0(z\u00a0{fixed(row['zdss_asym'])})" if known(row["zdss_asym"]) else ""),
        healthy=healthy if known(row["control_dss"]) else text(row["control_note"]) or MISSING,
        others=_others(row),
        percentile=fixed(row["cohort_percentile"], 0) if known(row["cohort_percentile"]) else "",
        plasma=dose(row["max_plasma_nM"]) + {"below": ", below all doses", "above": ", above all doses"}.get(row["plasma_place"], ""),
        effect=_effect(row),
        reachable=_reachable(row),
        badges=badges,
    )  # fmt: skip


def _others(row: dict[str, Any]) -> str:
    if not known(row["cohort_median"]):
        return text(row["cohort_note"]) or MISSING
    share = percent(row["cohort_hit_share"])
    return f"{fixed(row['cohort_median'])} (hit in {share} of {row['cohort_n']})"


def _effect(row: dict[str, Any]) -> str:
    """The effect at the plasma level; beyond the tested doses that at the highest of them, said so."""
    if known(row["effect_at_plasma"]):
        return f"{fixed(row['effect_at_plasma'], 0)} %"
    if known(row["effect_reachable"]):
        return f"{fixed(row['effect_reachable'], 0)} % at highest dose"
    return "not tested" if row["plasma_place"] == "below" else MISSING


def _reachable(row: dict[str, Any]) -> str:
    if not known(row["dss_reachable"]) or not row["dss_asym"] > 0:
        return MISSING
    return f"{100 * min(row['dss_reachable'] / row['dss_asym'], 1):.0f} %"


def _expected(context: Context) -> list[Expected]:
    frame = context.inputs.expected
    mine = frame[frame["readout"] == context.inputs.headline] if len(frame) else frame
    return [
        Expected(
            key=context.keys.get((row["drug"], ""), "") if row["found"] != "not tested" else "",
            name=row["drug"],
            drivers=row["drivers"],
            found=row["found"],
            score=fixed(row["dss_asym"]),
            rank=f"{row['rank']:g}" if known(row["rank"]) else MISSING,
        )
        for row in mine.to_dict("records")
    ]


def _overlap(found: dict[str, Any] | None) -> str:
    """Expected drugs among the hits in one sentence, with how likely that is by chance."""
    if not found or not found["expected"]:
        return ""
    sentence = (
        f"{found['both']} of {found['expected']} expected drugs with a score are hits; "
        f"{found['hits'] - found['both']} of {found['hits']} hits were not expected."
    )
    if found["p"] is not None:
        p = found["p"]
        told = f"{p:.2g}" if p >= 0.001 else "below 0.001"
        sentence += f" By chance alone at least so many would be found with probability {told} ({found['scored']} drugs, exact test)."
    return sentence


def _placement(context: Context, rows: pd.DataFrame) -> Figure | None:
    drugs = [
        Placed(
            key=context.keys.get(drug, ""),
            name=drug_name(*drug),
            score=float(row["dss_asym"]),
            median=number(row["cohort_median"]),
            low=number(row["cohort_q25"]),
            high=number(row["cohort_q75"]),
            healthy=number(row["control_dss"]),
        )
        for drug, row in zip(drugs_of(rows), rows.to_dict("records"), strict=True)
        if row["hit"] and (known(row["cohort_median"]) or known(row["control_dss"]))
    ]
    return placement(drugs, hit=context.inputs.hit) if drugs else None


def _solvent(quality: pd.DataFrame, readout: str) -> Figure | None:
    """Untreated wells against the solvent by plate, with intervals, from the quality table."""
    own = quality[(quality["readout"] == readout) & quality["metric"].isin(SHIFT)]
    estimates = []
    for scope, part in own.groupby("scope", sort=False):
        values = dict(zip(part["metric"], part["value"], strict=True))
        if not all(known(values.get(name)) for name in SHIFT):
            continue
        value, low, high = (100 * values[name] for name in SHIFT)
        name = "all plates" if scope == "screen" else str(scope)
        told = f"{name}: {fixed(value)} points, 95 % {fixed(low)} to {fixed(high)}"
        estimates.append(Estimate(name, value, low, high, told))
    if not estimates:
        return None
    words = "Untreated minus negative control, percent points of viability. " + "; ".join(
        e.text for e in estimates
    )
    return forest(estimates, title="untreated minus solvent (percent points)", text=words)


def _sources(record: dict[str, Any], has: Known) -> list[str]:
    """Which versions were used, and names that could not be told apart."""
    told = []
    for name, word in (("controls", "Healthy controls"), ("cohort", "Other screens")):
        if getattr(has, name):
            used = record[name]
            screens = f", made from {used['screens']} screens" if used["screens"] else ""
            told.append(
                f"{word}: reference “{used['name']}”{screens}, SHA-256 {used['sha256'][:12]}…"
            )
    for name, claimed in record.get("ambiguous", {}).items():
        told.append(
            f"“{name}” is a synonym of {' and of '.join(claimed)} in drugs.tsv, so nothing is said of it"
        )
    return told
