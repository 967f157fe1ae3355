"""What became of every open screen after a run: finished, waiting, held, failed, or not reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exvivo.errors import StoreError
from exvivo.failures import RECORD, Failure, read_record
from exvivo.files import read_json
from exvivo.sheets import Sheets

FINISHED, WAITING, HELD, FAILED, NOT_REACHED = (
    "finished",
    "waiting",
    "held",
    "failed",
    "not reached",
)
STATES = (FINISHED, WAITING, HELD, FAILED, NOT_REACHED)


@dataclass(slots=True)
class Outcome:
    """A screen and its state; `reasons` in words; `made` whether its report is new; `hours` from arrival to report."""

    screen: str
    state: str
    reasons: list[str] = field(default_factory=list)
    made: bool = False
    hours: float | None = None


def failures(began: float) -> list[Failure]:
    """What the workflow wrote down of the jobs it gave up, if it did so since `began` (seconds since 1970)."""
    if not RECORD.is_file() or RECORD.stat().st_mtime < began:
        return []
    return read_record()[1]


def outcomes(
    sheets: Sheets,
    screens: Sequence[str],
    failed: Sequence[Failure],
    outstanding: Sequence[str],
    began: float,
    root: Path,
) -> list[Outcome]:
    """The state of each of `screens`; `outstanding` still have jobs to run, `began` in seconds since 1970."""
    return [
        _outcome(screen, sheets, failed, screen in outstanding, began, root) for screen in screens
    ]


def _outcome(
    screen: str,
    sheets: Sheets,
    failed: Sequence[Failure],
    outstanding: bool,
    began: float,
    root: Path,
) -> Outcome:
    folder = root / "results/screens" / screen
    report = folder / "report.html"
    made = report.is_file() and report.stat().st_mtime >= began
    own = [f for f in failed if _concerns(f, screen, sheets)]
    if own:
        return Outcome(screen, FAILED, [said(failure) for failure in own], made)
    if outstanding or not report.is_file():
        return Outcome(screen, NOT_REACHED, ["the run ended before its report was made"], made)
    try:
        admission = read_json(folder / "admission.json")
        verdict = read_json(folder / "verdict.json")
    except StoreError as error:
        return Outcome(screen, FAILED, [str(error)], made)
    if admission["verdict"] == "waiting":
        return Outcome(screen, WAITING, [str(r) for r in admission["reasons"]], made)
    if verdict["verdict"] != "pass":
        return Outcome(screen, HELD, [str(reason) for reason in verdict["reasons"]], made)
    return Outcome(screen, FINISHED, [], made)


def said(failure: Failure) -> str:
    """A failed job in one line: where, rule, how it ended, and the error's first line."""
    error = failure.text.splitlines()[0] if failure.text else ""
    parts = [f"{failure.rule} of {failure.where or 'the models'}", failure.sentence, error]
    return ": ".join(part for part in parts if part)


def _concerns(failure: Failure, screen: str, sheets: Sheets) -> bool:
    """Whether a failed job is one that the screen's report needs."""
    needed = {screen, sheets.screens[screen].training_screen} - {""}
    if failure.plate:
        plate = sheets.plates.get(failure.plate)
        return plate is not None and plate.screen in needed
    if failure.screen:
        return failure.screen in needed
    return failure.rule == "fetch_weights" and bool(sheets.screens[screen].network)
