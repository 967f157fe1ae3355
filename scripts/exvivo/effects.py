"""What the decisions of people change: a screen is scored again without each of them, and without all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from exvivo.errors import ExvivoError
from exvivo.inspection.flags import DECISION, excluded_wells
from exvivo.responses.moved import moved_scores
from exvivo.sheets.decisions import (
    ACCEPT_PLATE,
    ACCEPT_SCREEN,
    ALL,
    SET_CONTRAST,
    Decision,
    decided_contrasts,
    plain,
)

MOST = 20  # decisions that are weighed one by one; more are weighed together only
_WELLS = ("exclude_well", "include_well")

log = logging.getLogger(__name__)

# The screen's scores with these contrasts by readout and these excluded wells.
Score = Callable[[Mapping[str, Any], Mapping[tuple[str, str], Sequence[str]]], pd.DataFrame]


def weigh(
    decisions: Sequence[Decision],
    *,
    score: Score,
    scores: pd.DataFrame,
    flags: pd.DataFrame,
    layout: pd.DataFrame,
    contrasts: Mapping[str, Any],
    verdict: Mapping[str, Any],
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """What each decision changes.

    Args:
        decisions: those about one screen.
        score: scores the screen with other contrasts and excluded wells.
        scores: the screen's scores, with all decisions.
        flags: `exvivo.tables.WELL_FLAGS` of the screen, with the decisions' own rows.
        layout: `exvivo.tables.LAYOUT`.
        contrasts: as configured, before any decision.
        verdict: the screen's verdict.json.

    Returns:
        For each decision its row with `effect` (a sentence), `changes` (whether it changes anything), `moved` and
        `hits` (scores moved, hits changed); and the moved scores: `decision`, then the columns of
        `exvivo.responses.moved.MOVED`, where before is without the decision. The last entry, `all`, is that of
        all together if there are several.

    """
    rows, moved = [], []
    weighed = decisions if len(decisions) <= MOST else ()
    for decision in decisions:
        row = plain(decision) | {"effect": "", "changes": True, "moved": 0, "hits": 0}
        if decision.action in (ACCEPT_PLATE, ACCEPT_SCREEN):
            row |= _acceptance(decision, verdict, flags)
        elif decision.action in _WELLS and (text := _idle(decision, flags, layout)):
            row |= {"effect": text, "changes": False}
        elif decision in weighed:
            others = [other for other in decisions if other is not decision]
            row |= _change(decision.decision, others, score, scores, flags, contrasts, moved)
        else:
            row["effect"] = f"weighed together with the others: there are more than {MOST}"
        rows.append(row)
    scored = [d for d in decisions if d.action in (*_WELLS, SET_CONTRAST)]
    if len(scored) > 1:
        row = {"decision": ALL} | _change(ALL, [], score, scores, flags, contrasts, moved)
        rows.append(row)
    table = pd.concat(moved, ignore_index=True) if moved else moved_scores(scores, scores)
    return rows, table if "decision" in table else table.assign(decision="")


def _change(
    name: str,
    others: Sequence[Decision],
    score: Score,
    scores: pd.DataFrame,
    flags: pd.DataFrame,
    contrasts: Mapping[str, Any],
    moved: list[pd.DataFrame],
) -> dict[str, Any]:
    """Score with the `others` alone, and add what moved between that and the screen's scores to `moved`."""
    signed = {other.signed for other in others}
    own = (flags["source"] == DECISION) & ~flags["text"].isin(signed)
    try:
        without = score(decided_contrasts(contrasts, others), excluded_wells(flags[~own]))
    except ExvivoError as error:
        log.warning("without %s the screen cannot be scored: %s", name, error)
        return {"effect": "without it the screen could not be scored", "changes": True}
    found = moved_scores(without, scores)
    moved.append(found.assign(decision=name))
    hits = int((found["hit_before"].astype(str) != found["hit_after"].astype(str)).sum())
    if not len(found):
        return {"effect": "changes no score", "changes": False, "moved": 0, "hits": 0}
    text = f"moves {len(found)} of {len(scores)} scores, changes {hits} hits"
    return {"effect": text, "changes": True, "moved": len(found), "hits": hits}


def _idle(decision: Decision, flags: pd.DataFrame, layout: pd.DataFrame) -> str:
    """Why a decision about a well cannot change anything; empty if it can."""
    here = layout[(layout["plate"] == decision.plate) & (layout["well"] == decision.well)]
    if not len(here):
        return f"changes nothing: the layout has no well {decision.well} on plate {decision.plate}"
    role = here["role"].iloc[0]
    if role in ("empty", "excluded"):
        return f"changes nothing: the layout says that this well is {role}"
    checks = flags[(flags["source"] != DECISION) & (flags["plate"] == decision.plate)]
    own = checks[checks["well"] == decision.well]
    if (
        decision.action == "include_well"
        and not (own["consequence"].isin(["exclude", "hold"])).any()
    ):
        return "changes nothing: no check excludes this well"
    return ""


def _acceptance(
    decision: Decision, verdict: Mapping[str, Any], flags: pd.DataFrame
) -> dict[str, Any]:
    lines = [row for row in verdict.get("accepted", []) if row["decision"] == decision.decision]
    told = [
        f"{row['metric']} ({' '.join(filter(None, [row['readout'], row['scope']]))})"
        for row in lines
    ]
    own = flags["text"].str.endswith(f"accepted: {decision.signed}") & (flags["source"] != DECISION)
    told += [
        f"{check} of {number} wells" for check, number in flags[own].groupby("check").size().items()
    ]
    if not told:
        return {"effect": "changes nothing: no such check holds the screen", "changes": False}
    return {"effect": f"lets the screen go on in spite of {', '.join(told)}", "changes": True}
