"""A difference between two states of a screen as text, TSV and JSON."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from exvivo.release.compare import UNKNOWN, Cause, Difference

_LISTED = 20  # moved scores in the text; the TSV and the JSON hold all


def as_json(difference: Difference) -> dict[str, Any]:
    """Plain values: `before`, `after`, their verdicts, `moved` and `causes`."""
    before, after = difference.before, difference.after
    rows = json.loads(difference.moved.to_json(orient="records", double_precision=15))
    return {
        "before": before.name,
        "after": after.name,
        "verdicts": [before.verdict.get("verdict"), after.verdict.get("verdict")],
        "moved": rows,
        "causes": [vars(cause) for cause in difference.causes],
    }


def as_tsv(difference: Difference) -> str:
    """The moved scores, one row per readout and drug."""
    return difference.moved.to_csv(sep="\t", index=False, lineterminator="\n")


def as_text(difference: Difference, screen: str) -> str:
    """What a person reads: verdicts, hits that changed, the scores that moved most, and what differs."""
    before, after, moved = difference.before, difference.after, difference.moved
    words = [str(s.verdict.get("verdict", "unknown")) for s in (before, after)]
    lines = [f"{screen}: {before.name} → {after.name}", f"Verdict: {words[0]} → {words[1]}"]
    changed = moved[_hit(moved, "before") != _hit(moved, "after")]
    total = max(len(before.scores), len(after.scores))
    lines.append(f"{len(moved)} of {total} scores moved, {len(changed)} hits changed.")
    lines += [f"  {_row(row)}" for row in moved.head(_LISTED).to_dict("records")]
    if len(moved) > _LISTED:
        lines.append(f"  and {len(moved) - _LISTED} more, by less")
        rest = changed.loc[changed.index >= _LISTED]
        lines += [f"  {_row(row)}" for row in rest.to_dict("records")]
    lines.append("What differs between the two:" if difference.causes else "Nothing differs.")
    lines += [f"  {_cause(cause)}" for cause in difference.causes]
    return "\n".join(lines) + "\n"


def _hit(moved: pd.DataFrame, when: str) -> pd.Series:
    return (
        moved[f"hit_{when}"].map(lambda value: value is True or str(value) == "True").astype(bool)
    )


def _row(row: dict[str, Any]) -> str:
    drug = row["treatment"] + (f" + {row['addon']}" if row["addon"] else "")
    old, new = (row[f"dss_asym_{when}"] for when in ("before", "after"))
    text = f"{row['readout']}  {printable(drug)}: {_number(old)} → {_number(new)}"
    if row["change"] != "moved":
        text += f" ({row['change']})"
    elif old == old and new == new:
        text += f" ({new - old:+.2f})"
    hits = [str(row[f"hit_{when}"]) == "True" for when in ("before", "after")]
    if hits[0] != hits[1]:
        text += ", now a hit" if hits[1] else ", no longer a hit"
    states = [row[f"status_{when}"] for when in ("before", "after")]
    if row["change"] == "moved" and states[0] != states[1]:
        text += f", curve {states[0]} → {states[1]}"
    return text


def _number(value: Any) -> str:
    return "–" if value is None or value != value else f"{value:.2f}"


def _cause(cause: Cause) -> str:
    if cause.kind == UNKNOWN:
        return f"unknown: {cause.what}"
    change = f": {cause.before or 'nothing'} → {cause.after or 'nothing'}"
    return printable(f"{cause.kind}  {cause.what}{change}")


def printable(text: str) -> str:
    """`text` without control characters, which a terminal would obey; at most 200 characters."""
    clean = "".join(c if c.isprintable() else "·" for c in text)
    return clean if len(clean) <= 200 else f"{clean[:199]}…"
