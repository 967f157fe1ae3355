"""How the network was trained: curves of each phase, and controls that a model judged without seeing them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from exvivo.figures.history import SMALLEST_LOSS, history
from exvivo.figures.strip import Control, strip
from exvivo.figures.svg import Figure
from exvivo.figures.words import fixed, known
from exvivo.report.context import Context, number
from exvivo.report.inputs import Phase

_TITLES = {
    1: "Phase I: on the controls of a cell line",
    2: "Phase II: on the controls of this screen",
    3: "Phase III: on the drug wells, with exchanged duplicate labels",
}
_MEASURES = ("loss", "accuracy", "auroc")


@dataclass(frozen=True)
class PhaseView:
    """One phase: its figures, or why there are none; `ends` what the last epoch reached."""

    number: int
    title: str
    figures: list[Figure]
    ends: list[tuple[str, str]]
    reason: str


@dataclass(frozen=True)
class Training:
    """The section's content; `crossfit` the strip plots, cross-fitted first, in-sample beside it."""

    phases: list[PhaseView]
    crossfit: list[Figure]
    crossfit_reason: str
    reason: str = ""


def training(context: Context) -> Training:
    """All three phases, whether trained or not; `reason` where the screen has no network at all."""
    if not context.inputs.phases and not context.inputs.network:
        return Training([], [], "", "this screen is made of readout files alone, without a network")
    phases = [_view(context, number) for number in (1, 2, 3)]
    figures, reason = _crossfit(context)
    return Training(phases, figures, reason)


def _view(context: Context, number: int) -> PhaseView:
    phase = context.inputs.phases.get(number)
    reason = _reason(context, number, phase)
    table = phase.history if phase is not None and not reason else None
    if table is None:
        return PhaseView(number, _TITLES[number], [], [], reason)
    # Phase III learns from exchanged predictions, whose entropy is not that of smoothed labels.
    floor = SMALLEST_LOSS if number < 3 else None
    drawn = [history(table, measure, floor=floor) for measure in _MEASURES]
    figures = [figure for figure in drawn if figure is not None]
    return PhaseView(number, _TITLES[number], figures, _ends(table), "")


def _reason(context: Context, number: int, phase: Phase | None) -> str:
    if phase is None:
        return "no readout of this screen needs it"
    if phase.skipped:
        return phase.skipped
    return "its training history is missing" if phase.history is None else ""


def _ends(table: pd.DataFrame) -> list[tuple[str, str]]:
    last = table.iloc[-1]
    words = {"loss": "loss", "accuracy": "accuracy", "auroc": "AUROC"}
    ends = [("epochs", f"{number(last.get('epoch')) or len(table):g}")]
    for prefix, kind in (("", ""), ("validation_", "validation ")):
        for name, word in words.items():
            if known(last.get(prefix + name)):
                ends.append((kind + word, fixed(last[prefix + name], 3)))
    return ends


def _crossfit(context: Context) -> tuple[list[Figure], str]:
    frame = context.inputs.crossfit
    if frame is None or not len(frame):
        return [], "no model was cross-fitted for this screen"
    column = next((c for c in ("viability", "value", "prediction") if c in frame), None)
    if column is None or not {"plate", "well"} <= set(frame.columns):
        return [], "the cross-fitted predictions lack the columns plate, well and viability"
    layout = context.inputs.layout
    sides = context.sides(layout, "viability_phase2")
    controls = dict(zip(zip(layout["plate"], layout["well"], strict=True), sides, strict=True))
    trained = context.inputs.of("viability_phase2").to_dict("records")
    final = {(row["plate"], row["well"]): row["value"] for row in trained}
    held_out, own = [], []
    for row in frame.to_dict("records"):
        key = (row["plate"], row["well"])
        held_out.append(_control(row, controls.get(key, ""), row[column]))
        own.append(_control(row, controls.get(key, ""), final.get(key)))
    titles = (
        "Cross-fitted: judged by models that did not see them",
        "In-sample: judged by the final model",
    )
    figures = []
    for title, controls in zip(titles, (held_out, own), strict=True):
        shown = [c for c in controls if c is not None]
        if shown:
            figures.append(strip(shown, title=title, y_title="readout (1: negative control)"))
    return figures, "" if figures else "no control has a cross-fitted prediction"


def _control(row: dict[str, object], side: str, value: object) -> Control | None:
    if side not in ("negative", "positive") or not known(value):
        return None
    plate, well = str(row["plate"]), str(row["well"])
    return Control(plate, side, float(value), f"{well}: {fixed(value, 3)}", f"{plate}/{well}")  # type: ignore[arg-type]
