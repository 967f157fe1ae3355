"""The readouts of the screen against each other: where they agree about a drug, and where not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exvivo.figures.scatter import Dot, correlation, scatter
from exvivo.figures.svg import Figure
from exvivo.figures.waterfall import drug_name
from exvivo.figures.words import fixed, known
from exvivo.report.context import Context, Drug, drugs_of, readout_name


@dataclass(frozen=True)
class Mismatch:
    """A drug that one readout calls a hit and the other does not."""

    key: str
    name: str
    headline: str
    other: str
    hit_of: str


@dataclass(frozen=True)
class Pair:
    """The headline against one other readout."""

    other: str
    figure: Figure
    drugs: int
    agreement: str
    mismatches: list[Mismatch]


@dataclass(frozen=True)
class Comparison:
    """The section's content; `reason` says why there is none."""

    headline: str
    pairs: list[Pair]
    hit: float
    reason: str = ""


def comparison(context: Context) -> Comparison:
    """Scores of each other readout against the headline's; nothing for a held screen."""
    inputs = context.inputs
    name, hit = readout_name(inputs.headline), inputs.hit
    if context.held:
        return Comparison(name, [], hit, "the screen is on hold, so no score is shown")
    others = [r for r in dict.fromkeys(inputs.scores["readout"]) if r != inputs.headline]
    pairs = [pair for pair in (_pair(context, other) for other in others) if pair is not None]
    reason = (
        "" if pairs else "the screen has one readout with scores, so there is nothing to compare"
    )
    return Comparison(name, pairs, hit, reason)


def _scores(context: Context, readout: str) -> dict[Drug, float]:
    frame = context.inputs.scores
    frame = frame[frame["readout"] == readout]
    pairs = zip(drugs_of(frame), frame["dss_asym"], strict=True)
    return {drug: float(score) for drug, score in pairs if known(score)}


def _pair(context: Context, other: str) -> Pair | None:
    mine, theirs = _scores(context, context.inputs.headline), _scores(context, other)
    both = [drug for drug in mine if drug in theirs]
    if not both:
        return None
    hit, name = context.inputs.hit, readout_name(other)
    dots = [_dot(context, drug, mine[drug], theirs[drug]) for drug in both]
    figure = scatter(
        dots,
        title=f"DSS_asym against {name}",
        x_title=name,
        y_title=readout_name(context.inputs.headline),
        limit=hit,
    )
    differ = [drug for drug in both if (mine[drug] > hit) != (theirs[drug] > hit)]
    differ.sort(key=lambda drug: -abs(mine[drug] - theirs[drug]))
    words: dict[str, Any] = {"mine": readout_name(context.inputs.headline), "theirs": name}
    mismatches = [
        Mismatch(
            key=context.keys.get(drug, ""),
            name=drug_name(*drug),
            headline=fixed(mine[drug]),
            other=fixed(theirs[drug]),
            hit_of=words["mine"] if mine[drug] > hit else words["theirs"],
        )
        for drug in differ
    ]
    return Pair(name, figure, len(both), correlation(dots), mismatches)


def _dot(context: Context, drug: Drug, mine: float, theirs: float) -> Dot:
    hit = context.inputs.hit
    kind = "mismatch" if (mine > hit) != (theirs > hit) else ("hit" if mine > hit else "")
    told = f"{drug_name(*drug)}: {fixed(mine)} and {fixed(theirs)}"
    return Dot(theirs, mine, told, kind, context.keys.get(drug, ""))
