"""Decisions of people about single screens: what no schema can say of their rows, and what they mean.

Standard library only: read at DAG time. A decision's rows are handed to the rules of its own screen as plain
parameters, so that it reruns nothing of another one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from exvivo.errors import ExvivoError, Problem
from exvivo.sheets.names import parse_well, suggest, well_name
from exvivo.sheets.values import ROLES

if TYPE_CHECKING:
    from exvivo.sheets.registry import Record

EXCLUDE_WELL, INCLUDE_WELL = "exclude_well", "include_well"
ACCEPT_PLATE, ACCEPT_SCREEN, SET_CONTRAST = "accept_plate", "accept_screen", "set_contrast"
ALL = "all"  # stands for all decisions together; no decision may be called so
_NEEDS = {
    EXCLUDE_WELL: ("plate", "well"),
    INCLUDE_WELL: ("plate", "well"),
    ACCEPT_PLATE: ("plate",),
    ACCEPT_SCREEN: ("value",),
    SET_CONTRAST: ("readout", "value"),
}
_MAY_HAVE = {ACCEPT_PLATE: ("plate", "value")}
_CONTRAST = re.compile(r"(negative|positive)\s*:\s*(\S.*)", re.S)
_DOSE = re.compile(r"(.*\S)\s*@\s*([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)", re.S)


@dataclass(frozen=True)
class Decision:
    """A row of the sheet of decisions. `well` is written as the layouts write it: B02."""

    decision: str
    screen: str
    plate: str
    well: str
    readout: str
    action: str
    value: str
    initials: str
    date: str
    reason: str

    @property
    def signed(self) -> str:
        """Which, by whom, when and why, in words: no two are alike."""
        return f"decision {self.decision} by {self.initials} on {self.date}: {self.reason}"


def build_decision(record: Record) -> Decision:
    """The decision of a row that was checked."""
    values = dict(record.values)
    if values["well"]:
        values["well"] = well_name(*parse_well(values["well"]))
    return Decision(**values)


def check_decisions(
    records: Sequence[Record],
    plates: Mapping[str, str],
    screens: Mapping[str, Mapping[str, str]],
    file: str,
    problems: list[Problem],
) -> None:
    """Add to `problems` all that is wrong with rows that passed their schema.

    `plates` gives the screen of each plate, `screens` the row of each screen. Whether the layout has a well is
    not known here: the report says so.
    """
    for record in records:
        _check_cells(record, file, problems)
        values, line = record.values, record.line
        own = screens.get(values["screen"])
        if own is None:
            hint = suggest(values["screen"], screens)
            expected = "a screen in screens.tsv"
            problems.append(Problem(file, line, "screen", repr(values["screen"]), expected, hint))
            continue
        if own["kind"] != "drug":
            expected = "a drug screen: of a training screen, change the layout"
            problems.append(Problem(file, line, "screen", "a training screen", expected))
        if values["plate"] and plates.get(values["plate"]) != values["screen"]:
            known = [plate for plate, screen in plates.items() if screen == values["screen"]]
            expected = f"a plate of {values['screen']}: {', '.join(known)}"
            hint = suggest(values["plate"], known)
            problems.append(Problem(file, line, "plate", repr(values["plate"]), expected, hint))
        readouts = re.split(r"[,;\s]+", own["readouts"])
        if values["readout"] and values["readout"] not in readouts:
            expected = f"a readout of {values['screen']}: {', '.join(readouts)}"
            hint = suggest(values["readout"], readouts)
            problems.append(Problem(file, line, "readout", repr(values["readout"]), expected, hint))


def _check_cells(record: Record, file: str, problems: list[Problem]) -> None:
    """Which cells an action needs and which say nothing to it; dates and contrasts that mean something."""
    values, line, action = record.values, record.line, record.values["action"]
    allowed = _MAY_HAVE.get(action, _NEEDS[action])
    for column in ("plate", "well", "readout", "value"):
        if column in _NEEDS[action] and not values[column]:
            problems.append(Problem(file, line, column, "nothing", f"a value, for {action}"))
        elif values[column] and column not in allowed:
            expected = f"nothing, for {action}"
            problems.append(Problem(file, line, column, repr(values[column]), expected))
    if values["well"] and not _is_well(values["well"]):
        problems.append(
            Problem(file, line, "well", repr(values["well"]), "a well from A01 to AF48")
        )
    if values["decision"].casefold() == ALL:
        problems.append(Problem(file, line, "decision", "'all'", "another id"))
    if not _is_date(values["date"]):
        problems.append(Problem(file, line, "date", repr(values["date"]), "a day of the calendar"))
    if not values["reason"].isprintable():
        problems.append(Problem(file, line, "reason", "control characters", "a sentence"))
    match = _CONTRAST.fullmatch(values["value"])
    meant = match is not None and match[2].strip() not in ("empty", "excluded")
    if action == SET_CONTRAST and values["value"] and not meant:
        expected = "`negative: …` or `positive: …` with a role or a treatment"
        problems.append(Problem(file, line, "value", repr(values["value"]), expected))


def _is_well(text: str) -> bool:
    try:
        parse_well(text)
    except ExvivoError:
        return False
    return True


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def decided_contrasts(
    contrasts: Mapping[str, Mapping[str, Any]], decisions: Sequence[Decision]
) -> dict[str, Any]:
    """The contrast of each readout after the decisions: the last one for a side counts."""
    result = {name: dict(contrast) for name, contrast in contrasts.items()}
    for decision in decisions:
        match = _CONTRAST.fullmatch(decision.value) if decision.action == SET_CONTRAST else None
        if match and decision.readout in result:
            result[decision.readout][match[1]] = _side(match[2].strip())
    return result


def _side(text: str) -> dict[str, Any]:
    """A role of the layout, or a treatment, at all concentrations or at one."""
    side: dict[str, Any] = {"role": None, "treatment": None, "concentration": None}
    dose = _DOSE.fullmatch(text)
    if text in ROLES:
        return side | {"role": text}
    if dose:
        return side | {"treatment": dose[1], "concentration": float(dose[2])}
    return side | {"treatment": text}


def well_rows(decisions: Sequence[Decision]) -> list[dict[str, str]]:
    """What the flags of wells need: plate, well, consequence, text (`exvivo.inspection.judge.join_flags`)."""
    consequence = {EXCLUDE_WELL: "exclude", INCLUDE_WELL: "include"}
    return [
        {"plate": d.plate, "well": d.well, "consequence": consequence[d.action], "text": d.signed}
        for d in decisions
        if d.action in consequence
    ]


def acceptances(decisions: Sequence[Decision]) -> list[dict[str, str]]:
    """What lets a screen be ranked in spite of a check: rows for `exvivo.quality.accepted`."""
    chosen = [d for d in decisions if d.action in (ACCEPT_PLATE, ACCEPT_SCREEN)]
    return [{**plain(d), "text": d.signed} for d in chosen]


def rows(decisions: Sequence[Decision]) -> list[dict[str, str]]:
    """All decisions as plain values."""
    return [plain(decision) for decision in decisions]


def plain(decision: Decision) -> dict[str, str]:
    """A decision as plain values, for a rule's parameters."""
    return asdict(decision)
