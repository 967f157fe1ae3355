"""The ranked list of drugs and its waterfall; of a held screen, an alphabetical list without scores."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from exvivo.figures.svg import Figure
from exvivo.figures.waterfall import bars_of, drug_name, waterfall
from exvivo.figures.words import MISSING, dose, fixed, known, listed
from exvivo.readouts.kinds import kind_of
from exvivo.report.badges import Badge, badges_of
from exvivo.report.context import Context, drugs_of, natural, number, text

STATUS = {"inverted": "inverted", "failed": "fit failed", "no_curve": "no curve"}
_POOR_FIT = 0.7


@dataclass(frozen=True)
class Row:
    """One drug: texts as the table shows them, numbers to sort by (None sorts last)."""

    key: str
    name: str
    rank: str
    group: str
    target: str
    score: str
    share: float  # of the longest bar, 0..1
    hit: bool
    replicates: list[str]
    ic50: str
    ic50_value: float | None
    effect: str
    fit: str
    interval: str
    ic50_interval: str
    q_value: str
    auc: str  # of a readout without a second control, and its test against the solvent wells
    auc_test: str
    flags: list[str]
    badges: list[Badge]
    sort: dict[str, float | None]


@dataclass(frozen=True)
class Ranking:
    """The section's content; `figure` is None for a held screen and where no drug has a score."""

    held: bool
    rows: list[Row]
    figure: Figure | None
    replicates: list[str]
    level: str  # of the intervals, "95 %"; empty where there are none
    has_group: bool
    beyond: str  # what the intervals do not hold
    hit: float
    unscored: int
    by_auc: bool = False  # the readout has no second control
    curves: bool = True  # whether any drug has one: else the table has no columns of curves


def ranking(context: Context) -> Ranking:
    """Rows in rank order, drugs without a score at the end; of a held screen alphabetically and bare."""
    scores = context.scores
    found = [re.fullmatch(r"dss_asym_rep(\d+)", str(c)) for c in scores.columns]
    replicates = [m[1] for m in found if m and scores[m[0]].notna().any()]
    records = scores.to_dict("records")
    ranked_by = "auc" if context.by_auc else "dss_asym"
    top = max((float(r[ranked_by]) for r in records if known(r.get(ranked_by))), default=1.0)
    shared = Counter(number(record.get("rank")) for record in records)
    badges = badges_of(context)
    rows = [
        _row(context, record, replicates, top, shared, badges.get(drug, []))
        for drug, record in zip(drugs_of(scores), records, strict=True)
    ]
    if context.held:
        rows.sort(key=lambda row: natural(row.name))
    else:
        rows.sort(
            key=lambda row: (
                _last(row.sort["rank"]),
                -(row.sort["auc" if context.by_auc else "score"] or 0),
                natural(row.name),
            )
        )
    curves = any(known(r["dss_asym"]) for r in records) or not context.by_auc
    if not curves:
        lacking = STATUS["no_curve"]
        rows = [
            replace(row, flags=[f for f in row.flags if not f.startswith(lacking)]) for row in rows
        ]
    drawable = not context.held and bool(bars_of(scores))
    return Ranking(
        held=context.held,
        rows=rows,
        figure=waterfall(scores, hit=context.inputs.hit, links=True) if drawable else None,
        replicates=[] if context.held else replicates,
        level=context.inputs.interval if any(row.interval for row in rows) else "",
        beyond=beyond_interval(context) if any(row.interval for row in rows) else "",
        has_group=any(row.group or row.target for row in rows),
        hit=context.inputs.hit,
        unscored=sum(1 for r in records if not known(r["dss_asym"]) and not known(r.get("auc"))),
        by_auc=context.by_auc,
        curves=curves,
    )


def _last(value: float | None) -> float:
    return float("inf") if value is None else value


def _row(
    context: Context,
    record: dict[str, Any],
    replicates: list[str],
    top: float,
    shared: Counter[float | None],
    badges: list[Badge],
) -> Row:
    name = drug_name(text(record["treatment"]), text(record["addon"]))
    known_drug = context.inputs.drugs.row(text(record["treatment"]))
    common = {
        "key": text(record["key"]),
        "name": name,
        "group": known_drug.get("class", ""),
        "target": known_drug.get("target", ""),
        "flags": flags(record, context.inputs.hit, held=context.held),
        "badges": badges,
    }
    if context.held:
        bare = {"rank": "", "score": "", "share": 0.0, "hit": False, "replicates": [], "ic50": ""}
        bare |= dict.fromkeys(("interval", "ic50_interval", "q_value", "auc", "auc_test"), "")
        return Row(**common, **bare, ic50_value=None, effect="", fit="", sort={})
    score, effect = number(record["dss_asym"]), largest_effect(record)
    auc = number(record.get("auc"))
    length = (auc if context.by_auc else score) or 0.0
    ic50_value, ic50_text = ic50(record)
    per_replicate = [record.get(f"dss_asym_rep{r}") for r in replicates]
    scored = score is not None or known(record.get("auc"))
    rank = number(record.get("rank")) if scored else None
    return Row(
        **common,
        rank=MISSING if rank is None else f"{'=' if shared[rank] > 1 else ''}{rank:g}",
        score=fixed(score),
        share=max(length, 0.0) / top if top > 0 else 0.0,
        hit=bool(record["hit"]),
        replicates=[fixed(v) for v in per_replicate],
        ic50=ic50_text,
        ic50_value=ic50_value,
        effect=fixed(effect, 0) + (" %" if effect is not None else ""),
        fit=fixed(record.get("gof"), 2),
        interval=interval(record),
        ic50_interval=ic50_interval(record),
        q_value=rate(record.get("q_value")),
        auc=fixed(auc, 2),
        auc_test=rate(record.get("auc_p_value")),
        sort={
            "rank": rank,
            "score": score,
            "auc": auc,
            "effect": effect,
            "fit": number(record.get("gof")),
            "ic50": _order(ic50_value, ic50_text, record),
            **{f"rep{r}": number(v) for r, v in zip(replicates, per_replicate, strict=True)},
        },
    )


def _order(value: float | None, words: str, record: dict[str, Any]) -> float | None:
    """What an IC50 sorts by: beyond the tested doses just beyond them, unknown last."""
    if value is not None:
        return value
    if words.startswith(">"):
        return float(record["max_concentration"]) * 1.001
    return float(record["min_concentration"]) * 0.999 if words.startswith("<") else None


def effects(record: dict[str, Any]) -> list[float]:
    """Fitted percent inhibition at the tested doses, lowest dose first; only those that are known."""
    columns = sorted((int(c[2:]), c) for c in record if re.fullmatch(r"pi\d+", str(c)))
    return [float(record[c]) for _, c in columns if known(record[c])]


def largest_effect(record: dict[str, Any]) -> float | None:
    """The largest fitted inhibition at a tested dose, in percent."""
    return max(effects(record), default=None)


def ic50(record: dict[str, Any]) -> tuple[float | None, str]:
    """The absolute IC50 within the tested doses, and its text; outside them "> 10 µM", no number.

    The published number may be extrapolated or simply the last dose (specification, section 12); it stays
    in the iTReX export.
    """
    value = number(record.get("abs_ic50"))
    low, high = number(record.get("min_concentration")), number(record.get("max_concentration"))
    fitted = effects(record)
    if text(record.get("status")) not in ("ok", "") or low is None or high is None or not fitted:
        return None, MISSING
    if fitted[0] >= 50 and (value is None or value <= low):
        return None, f"< {dose(low)}"
    if max(fitted) < 50 or value is None or value > high:
        return None, f"> {dose(high)}"
    return (value, dose(value)) if value >= low else (None, f"< {dose(low)}")


def interval(record: dict[str, Any]) -> str:
    """The score's interval: "24.6–31.8", empty where there is none."""
    ends = [record.get(f"dss_asym_{end}") for end in ("low", "high")]
    return "–".join(fixed(end) for end in ends) if all(map(known, ends)) else ""


def beyond_interval(context: Context) -> str:
    """What the intervals of the headline do not hold, in sentences."""
    kind = kind_of(context.inputs.headline)
    held = ["how much wells and controls scatter"]
    scoring = context.inputs.scoring
    if kind.trained_on_controls and scoring.get("between_models"):
        held.append("what the models of the cross-fit differ about")
    if kind.training and scoring.get("network_error"):
        held.append("what such networks get wrong on simulated screens")
    told = f"Intervals hold {listed(held)}."
    if kind.training:
        told += (
            " Cells that die otherwise than in the positive control may be read as more alive or more dead than they are, "
            "in all wells of a drug alike: "
        )
        told += (
            "that real cells are not misread more than simulated ones is an assumption. Hits are judged without this last "
            "part, and marked where an error as large as on simulated screens would unmake them."
            if scoring.get("network_error")
            else "that is in no interval."
        )
    return told


def ic50_interval(record: dict[str, Any]) -> str:
    """The interval of the absolute IC50, with "> 10 µM" for an end that no tested dose reaches."""
    return text(record.get("abs_ic50_interval"))


def rate(value: object) -> str:
    """A false discovery rate: "= 0.042", "< 0.001"; empty where there is none."""
    if not known(value):
        return ""
    return "< 0.001" if float(value) < 0.001 else f"= {float(value):.2g}"  # type: ignore[arg-type]


def flags(record: dict[str, Any], hit: float, *, held: bool = False) -> list[str]:
    """What a reader must know beside the score, in words."""
    found = []
    status, reason = text(record.get("status")), text(record.get("reason"))
    if status in STATUS:
        found.append(STATUS[status] + (f": {reason}" if reason else ""))
    elif reason:
        found.append(reason)
    if held or not known(record.get("dss_asym")):
        return found
    if known(record.get("gof")) and record["gof"] < _POOR_FIT and float(record["dss_asym"]) > hit:
        found.append(f"poor fit (GOF {fixed(record['gof'], 2)})")
    single = [float(v) for c, v in record.items() if str(c).startswith("dss_asym_rep") and known(v)]
    if len(single) > 1 and min(single) <= hit < max(single):
        found.append("replicates disagree about the hit")
    if bool(record.get("hit_published")) and not bool(record.get("hit")):
        told = "a hit by the published definition only"
        low = record.get("dss_asym_low_wells", record.get("dss_asym_low"))
        reaches = text(status) == "ok" and known(low) and float(low) <= hit
        found.append(told + (f": from {fixed(low)} by the scatter of its wells" if reaches else ""))
    elif bool(record.get("hit")) and not known(record.get("auc")):
        low = record.get("dss_asym_low")
        if known(low) and float(low) <= hit:
            found.append(
                f"no hit if the network misreads it as it can simulated drugs: {fixed(low)}"
            )
    return found
