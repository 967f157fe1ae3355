"""The section "Repeats": this screen against others of the same sample. No verdict: a person decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exvivo.figures.differences import differences
from exvivo.figures.scatter import Dot, scatter
from exvivo.figures.svg import Figure
from exvivo.figures.waterfall import drug_name
from exvivo.figures.words import MISSING, fixed, known
from exvivo.report.context import Context, readout_name, text
from exvivo.responses.read import RANKED

PAIR = ["screen_a", "readout_a", "screen_b", "readout_b"]


@dataclass(frozen=True)
class Side:
    """One measurement of a drug and what speaks for or against it."""

    score: str
    interval: str
    remarks: str


@dataclass(frozen=True)
class Mismatch:
    """A drug that is a hit on one side only."""

    key: str
    name: str
    first: Side
    second: Side
    curves: str
    remark: str


@dataclass(frozen=True)
class Pair:
    """Two measurements of the sample; `reason` says why no scores are shown."""

    first: str
    second: str
    facts: list[tuple[str, str]]
    quality: list[tuple[str, str, str]]
    scatter: Figure | None = None
    differences: Figure | None = None
    mismatches: list[Mismatch] | None = None
    reason: str = ""


@dataclass(frozen=True)
class Repeats:
    """The section's content."""

    sample: str
    pairs: list[Pair]
    hit: float


def repeats(context: Context) -> Repeats | None:
    """Pairs with another screen of the sample; None where there is none."""
    frame = context.inputs.repeats
    others = frame[frame["screen_a"] != frame["screen_b"]] if len(frame) else frame
    if not len(others):
        return None
    pairs = [_pair(context, dict(zip(PAIR, key, strict=True)), rows.set_index("level").to_dict("index"))
             for key, rows in others.groupby(PAIR, sort=False)]  # fmt: skip
    return Repeats(context.inputs.sample, pairs, context.inputs.hit)


def _pair(context: Context, pair: dict[str, str], levels: dict[str, dict[str, Any]]) -> Pair:
    inputs, scores, fits = context.inputs, levels["dss"], levels["curve"]
    titles = [f"{pair[f'screen_{s}']}, {readout_name(pair[f'readout_{s}'])}" for s in "ab"]
    held = [pair[f"screen_{s}"] for s in "ab" if scores[f"verdict_{s}"] not in RANKED]
    facts = [("Drugs", f"{scores['n']}"), ("Curves: Pearson r", fixed(fits["pearson"], 2))]
    if context.held or held:
        who = " and ".join(held) or inputs.screen
        return Pair(*titles, [], [], reason=f"{who} is on hold, so no score is shown")
    interval = f" ({fixed(scores['pearson_low'], 2)} to {fixed(scores['pearson_high'], 2)})"
    facts += [
        ("Scores: Pearson r (95 %)", fixed(scores["pearson"], 2) + interval),
        ("Spearman ρ", fixed(scores["spearman"], 2)),
        ("Concordance (Lin)", fixed(scores["ccc"], 2)),
        ("Mean difference", fixed(scores["bias"])),
        ("Hits first / second / both", f"{scores['hits_a']} / {scores['hits_b']} / {scores['hits_both']}"),
    ]  # fmt: skip
    if scores["n_other_doses"]:
        facts.append(("Tested at other doses", f"{scores['n_other_doses']} drugs"))
    dots = _dots(context, pair)
    limits = (scores["limit_low"], scores["limit_high"])
    drawn = len(dots) > 2
    rows = _of_pair(inputs.mismatches, pair).to_dict("records")
    return Pair(
        *titles,
        facts,
        _quality(rows),
        scatter(dots, title="DSS_asym", x_title=titles[0], y_title=titles[1], limit=inputs.hit, diagonal=True) if drawn else None,
        differences(dots, title="Differences", bias=scores["bias"], limits=limits, unit="DSS_asym") if drawn else None,
        [_mismatch(context, row) for row in rows],
    )  # fmt: skip


def _of_pair(frame: Any, pair: dict[str, str]) -> Any:
    chosen = frame["screen_a"] == pair["screen_a"]
    for name in PAIR[1:]:
        chosen &= frame[name] == pair[name]
    return frame[chosen]


def _dots(context: Context, pair: dict[str, str]) -> list[Dot]:
    hit, dots = context.inputs.hit, []
    for row in _of_pair(context.inputs.paired, pair).to_dict("records"):
        a, b = float(row["dss_a"]), float(row["dss_b"])
        kind = "mismatch" if (a > hit) != (b > hit) else ("hit" if a > hit else "")
        drug = (row["treatment"], text(row["addon"]))
        told = f"{drug_name(*drug)}: {fixed(a)} and {fixed(b)}"
        dots.append(Dot(a, b, told, kind, context.keys.get(drug, "")))
    return dots


def _quality(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Quality of both sides, the same in every row of the table."""
    if not rows:
        return []
    words = {"z_prime": "Robust Z′ that counts", "replicate_pearson": "Replicates: Pearson r"}
    return [
        (word, *(fixed(rows[0][f"{name}_{s}"], 2) for s in "ab")) for name, word in words.items()
    ]


def _mismatch(context: Context, row: dict[str, Any]) -> Mismatch:
    drug = (row["treatment"], text(row["addon"]))
    return Mismatch(
        key=context.keys.get(drug, ""),
        name=drug_name(*drug),
        first=_side(row, "a"),
        second=_side(row, "b"),
        curves=f"{fixed(row['curve_difference'], 0)} points",
        remark="tested at other doses" if row["other_doses"] else "",
    )


def _side(row: dict[str, Any], side: str) -> Side:
    low, high = row[f"dss_{side}_low"], row[f"dss_{side}_high"]
    status = text(row[f"status_{side}"])
    remarks = [f"GOF {fixed(row[f'gof_{side}'], 2)}"]
    if text(row[f"replicates_{side}"]):
        remarks.append(f"replicates {row[f'replicates_{side}']}")
    if status != "ok":
        remarks.append(status)
    return Side(
        fixed(row[f"dss_{side}"]),
        f"{fixed(low)} to {fixed(high)}" if known(low) and known(high) else MISSING,
        "; ".join(remarks),
    )
