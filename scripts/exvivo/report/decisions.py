"""What people decided about the screen, and what each decision changes: before is without it, after with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exvivo.figures.waterfall import drug_name
from exvivo.figures.words import count, fixed, known
from exvivo.report.context import Context, readout_name, spoken, text
from exvivo.sheets.decisions import ALL

_ACTIONS = {
    "exclude_well": "Well {well} of plate {plate} is left out",
    "include_well": "Well {well} of plate {plate} is used although a check leaves it out",
    "accept_plate": "Plate {plate} is accepted",
    "accept_screen": "The screen is accepted",
    "set_contrast": "Another contrast for {readout}: {value}",
}
_MOVED = 10  # scores shown for a decision; decisions.tsv has all


@dataclass(frozen=True)
class Moved:
    """A score that a decision moves, in words."""

    key: str
    name: str
    readout: str
    before: str
    after: str
    rank: str
    hit: str


@dataclass(frozen=True)
class Entry:
    """One decision: `idle` where it changes nothing."""

    id: str
    what: str
    why: str
    signed: str
    effect: str
    idle: bool
    moved: list[Moved]
    more: int


@dataclass(frozen=True)
class Decisions:
    """The section's content; a held screen shows no score."""

    entries: list[Entry]
    together: Entry | None
    held: bool


def decisions(context: Context) -> Decisions:
    """All decisions in the order of their sheet, then all of them together."""
    rows = context.inputs.decisions
    entries = [_entry(context, row) for row in rows if row["decision"] != ALL]
    together = next((_entry(context, row) for row in rows if row["decision"] == ALL), None)
    return Decisions(entries, together, context.held)


def notice(context: Context) -> str:
    """A sentence for the verdict: how many decisions apply, and that some change nothing."""
    rows = [row for row in context.inputs.decisions if row["decision"] != ALL]
    if not rows:
        return ""
    idle = sum(1 for row in rows if not row["changes"])
    verb = "applies" if len(rows) == 1 else "apply"
    told = f"{count(len(rows), 'decision')} by people {verb}"
    return told + (f" ({idle} of them without effect)" if idle else "")


def _entry(context: Context, row: Mapping[str, Any]) -> Entry:
    own = context.inputs.moved
    own = own[own["decision"] == row["decision"]] if len(own) else own
    rows = [] if context.held else own.head(_MOVED).to_dict("records")
    what = _ACTIONS.get(str(row.get("action")), "All decisions together")
    named = {**row, "readout": readout_name(str(row.get("readout", "")))}
    value = f" ({row['value']})" if row.get("value") and "{value}" not in what else ""
    return Entry(
        id=str(row["decision"]),
        what=what.format(**named) + value,
        why=text(row.get("reason")),
        signed=f"{row['initials']}, {row['date']}" if row.get("initials") else "",
        effect=spoken(row["effect"]),
        idle=not row["changes"],
        moved=[_moved(context, found) for found in rows],
        more=0 if context.held else max(len(own) - _MOVED, 0),
    )


def _moved(context: Context, row: Mapping[str, Any]) -> Moved:
    drug = (text(row["treatment"]), text(row["addon"]))
    hits = [str(row[f"hit_{when}"]) == "True" for when in ("before", "after")]
    change = "" if hits[0] == hits[1] else ("now a hit" if hits[1] else "no longer a hit")
    ranks = [_rank(row[f"rank_{when}"]) for when in ("before", "after")]
    return Moved(
        key=context.keys.get(drug, ""),
        name=drug_name(*drug),
        readout=readout_name(text(row["readout"])),
        before=fixed(row["dss_asym_before"]),
        after=fixed(row["dss_asym_after"]),
        rank=" → ".join(ranks),
        hit=change,
    )


def _rank(value: object) -> str:
    return f"{float(value):g}" if known(value) else "–"  # type: ignore[arg-type]
