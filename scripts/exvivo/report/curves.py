"""Dose–response cards, one per drug, with the image of a well under each dose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from exvivo.figures.curves import Panel, Point, Tile, panel
from exvivo.figures.svg import Figure
from exvivo.figures.waterfall import drug_name
from exvivo.figures.words import dose, fixed, percent
from exvivo.report.context import Context, Drug, drugs_of, natural, number, text
from exvivo.report.ranking import STATUS, flags, ic50, ic50_interval, interval

Band = tuple[list[float], list[float], list[float]]
_PARAMETERS = ("bottom", "top", "x_mid", "slope", "asymmetry")


@dataclass(frozen=True)
class Card:
    """One drug: `facts` are label and value; `figure` None where no well has a value."""

    key: str
    name: str
    rank: str
    hit: bool
    figure: Figure | None
    facts: list[tuple[str, str]]
    flags: list[str]


@dataclass(frozen=True)
class Curves:
    """The section's content: drugs in the order of the list, then the titration controls."""

    held: bool
    cards: list[Card]
    titrations: list[Card]
    with_images: bool


def curves(context: Context) -> Curves:
    """Cards for every drug of the scores and every drug and titration with wells."""
    fits, bands = _fits(context), _bands(context)
    records = context.scores.to_dict("records")
    scored = dict(zip(drugs_of(context.scores), records, strict=True))
    treated, titrated = context.by_drug("treatment"), context.by_drug("titration")
    drugs = sorted({**scored, **treated}, key=lambda d: _order(d, scored, held=context.held))
    cards = [
        _card(
            context,
            d,
            context.keys[d],
            treated.get(d),
            scored.get(d, {}),
            fits.get(("treatment", d), {}),
            bands.get(("treatment", d)),
        )
        for d in drugs
    ]
    titrations = [
        _card(
            context,
            d,
            f"titration-{i}",
            titrated[d],
            {},
            fits.get(("titration", d), {}),
            bands.get(("titration", d)),
        )
        for i, d in enumerate(sorted(titrated), start=1)
    ]
    return Curves(context.held, cards, titrations, bool(context.images.uris))


def _order(drug: Drug, scored: dict[Drug, dict[str, Any]], *, held: bool) -> tuple[Any, ...]:
    rank = None if held else number(scored.get(drug, {}).get("rank"))
    return (float("inf") if rank is None else rank, natural(drug_name(*drug)))


def _fits(context: Context) -> dict[tuple[str, Drug], dict[str, Any]]:
    """The fit over all replicates by role and drug."""
    frame = context.inputs.curves
    frame = frame[(frame["readout"] == context.inputs.headline) & (frame["replicate"] == 0)]
    rows = frame.to_dict("records")
    return {(text(r["role"]), d): r for d, r in zip(drugs_of(frame), rows, strict=True)}


def _bands(context: Context) -> dict[tuple[str, Drug], Band]:
    """The curves' intervals by role and drug."""
    frame = context.inputs.bands
    if not len(frame):
        return {}
    frame = frame[frame["readout"] == context.inputs.headline]
    found: dict[tuple[str, Drug], Band] = {}
    for (role, treatment, addon), rows in frame.groupby(["role", "treatment", "addon"]):
        columns = (rows[name].tolist() for name in ("concentration", "low", "high"))
        found[str(role), (str(treatment), str(addon))] = tuple(columns)  # type: ignore[assignment]
    return found


def _card(
    context: Context,
    drug: Drug,
    key: str,
    frame: pd.DataFrame | None,
    score: dict[str, Any],
    curve: dict[str, Any],
    band: Band | None,
) -> Card:
    name = drug_name(*drug)
    ranked = bool(score) and not context.held
    hit = ranked and bool(score["hit"])
    rank = number(score.get("rank")) if ranked else None
    content = None
    if frame is not None:
        content = _panel(context, name, frame, score, curve, hit=hit, band=band)
    drawable = content is not None and any(p.dose > 0 for p in content.points)
    return Card(
        key=key,
        name=name,
        rank=f"{rank:g}" if rank is not None else "",
        hit=hit,
        figure=panel(content) if content is not None and drawable else None,
        facts=_facts(context, score) if ranked else [],
        flags=flags(score, context.inputs.hit, held=context.held) if score else _status(curve),
    )


def _status(curve: dict[str, Any]) -> list[str]:
    status, reason = text(curve.get("status")), text(curve.get("reason"))
    if status not in STATUS:
        return []
    return [STATUS[status] + (f": {reason}" if reason else "")]


def _facts(context: Context, score: dict[str, Any]) -> list[tuple[str, str]]:
    told, within = interval(score), ic50_interval(score)
    return [
        ("DSS", fixed(score["dss_asym"])),
        *([(context.inputs.interval, told)] if told else []),
        ("IC50", ic50(score)[1] + (f" ({within})" if within else "")),
        ("GOF", fixed(score.get("gof"), 2)),
    ]


def _panel(
    context: Context,
    name: str,
    frame: pd.DataFrame,
    score: dict[str, Any],
    curve: dict[str, Any],
    *,
    hit: bool,
    band: Band | None,
) -> Panel:
    values = [number(curve.get(p)) for p in _PARAMETERS]
    fitted = [v for v in values if v is not None]
    usable = text(curve.get("status")) in ("ok", "inverted") and len(fitted) == len(values)
    rows = [r for r in frame.to_dict("records") if number(r["viability"]) is not None]
    ranked = bool(score) and not context.held
    threshold = number(score.get("a_min")) if ranked and score.get("status") == "ok" else None
    return Panel(
        name=name,
        points=[_point(row) for row in rows if number(row["concentration"]) is not None],
        parameters=fitted if usable else None,
        ic50=ic50(score)[0] if ranked else None,
        hit=hit,
        threshold=threshold / 100 if threshold is not None else None,
        tiles=_tiles(context, rows),
        band=band if usable else None,
    )


def _point(row: dict[str, Any]) -> Point:
    return Point(
        dose=float(row["concentration"]),
        viability=float(row["viability"]),
        replicate=int(row["replicate"]),
        used=bool(row["used"]),
        well=f"{row['plate']}/{row['well']}",
    )


def _tiles(context: Context, rows: list[dict[str, Any]]) -> dict[float, Tile]:
    """For each dose the well nearest to the median of its replicates (the first of equals) with an image."""
    pictured = [
        r
        for r in rows
        if number(r["concentration"]) and context.image(r["plate"], r["well"], place=False)
    ]
    tiles = {}
    for level in sorted({float(r["concentration"]) for r in pictured}):
        same = [r for r in pictured if float(r["concentration"]) == level]
        middle = float(np.median([float(r["viability"]) for r in same]))
        best = min(
            same, key=lambda r: (_distance(r, middle), int(r["replicate"]), r["plate"], r["well"])
        )
        told = f"Well {best['well']} of plate {best['plate']}: {dose(level)}, viability {percent(best['viability'])}"
        uri = context.image(best["plate"], best["well"])
        tiles[level] = Tile(level, uri, f"{best['plate']}/{best['well']}", told)
    return tiles


def _distance(row: dict[str, Any], middle: float) -> float:
    """Distance from the median; rounded, so that the two of a pair are equally near."""
    return round(abs(float(row["viability"]) - middle), 9)
