"""Checks that failed and that a person accepts: they stay failed in the table, and hold nothing any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exvivo.quality.rows import FAIL, SCREEN, Sheet
from exvivo.sheets.decisions import ACCEPT_PLATE

# What is not there cannot be accepted: damaged, incomplete or late files, no layout, no responses.
NEVER = frozenset({"plates_ready", "headline_measured"})


def accept(sheet: Sheet, decisions: Sequence[Mapping[str, str]]) -> None:
    """Take the accepted lines of `sheet` out of its gates, with who accepted them and why in their notes.

    `decisions` as from `exvivo.sheets.decisions.acceptances`. Called when all lines are there.
    """
    for decision in decisions:
        for row in sheet.rows:
            if row["gate"] and row["verdict"] == FAIL and _concerns(decision, row):
                row["gate"] = False
                row["note"] = "; ".join(
                    filter(None, [row["note"], f"accepted: {decision['text']}"])
                )
                row["accepted"] = decision["decision"]


def accepted_lines(sheet: Sheet) -> list[dict[str, Any]]:
    """What was accepted, for the verdict: decision, readout, scope, metric, note."""
    names = ("readout", "scope", "metric", "note")
    return [
        {"decision": row["accepted"]} | {name: row[name] for name in names}
        for row in sheet.rows
        if row.get("accepted")
    ]


def _concerns(decision: Mapping[str, str], row: Mapping[str, Any]) -> bool:
    if row["metric"] in NEVER:
        return False
    scope = decision["plate"] if decision["action"] == ACCEPT_PLATE else SCREEN
    return row["scope"] == scope and decision["value"] in ("", row["metric"])
