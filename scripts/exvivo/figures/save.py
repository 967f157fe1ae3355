"""Figures as files of their own, for `snakemake --report` and for slides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from exvivo.figures.heatmap import Cell, heat_map, readout_range
from exvivo.figures.history import SMALLEST_LOSS, history
from exvivo.figures.svg import Figure, label, shorten, stack
from exvivo.figures.waterfall import bars_of, waterfall
from exvivo.figures.words import known
from exvivo.files import write_text


def save_waterfall(
    scores: pd.DataFrame, path: Path | str, *, readout: str, hit: float = 10.0, on_hold: str = ""
) -> None:
    """Write the waterfall of one readout as SVG.

    `scores` as `exvivo.responses.score` makes them; `on_hold` is the reason why the screen ranks nothing:
    then the file holds that sentence and no bar.
    """
    mine = scores[scores["readout"] == readout]
    if on_hold:
        figure = sentence(f"On hold: {on_hold}")
    elif not bars_of(mine):
        figure = sentence("No drug has a score")
    else:
        figure = waterfall(mine, hit=hit)
    write_text(path, figure.standalone())


def save_heatmaps(responses: pd.DataFrame, path: Path | str, *, readout: str) -> None:
    """Write one readout of all plates as SVG: as measured on the left, viability on the right."""
    mine = responses[responses["readout"] == readout]
    limits = readout_range(list(mine["value"]))
    maps: list[Figure] = []
    for index, plate in enumerate(dict.fromkeys(mine["plate"])):
        rows = mine[mine["plate"] == plate].to_dict("records")
        for column, kind, title in (
            ("value", "readout", f"{plate}: as measured"),
            ("viability", "viability", f"{plate}: viability"),
        ):
            how: dict[str, Any] = {"limits": limits} if kind == "readout" else {}
            cells = [_cell(row, column) for row in rows]
            maps.append(heat_map(cells, title=title, name=f"{kind}{index}", kind=kind, **how))
    if not maps:
        figure = sentence("No plate of this screen has a value")
    else:
        figure = stack(maps, columns=2, text=f"Plates of {readout}: as measured, and viability")
    write_text(path, figure.standalone())


def save_history(table: pd.DataFrame, path: Path | str, *, phase: int) -> None:
    """Write the training curves of a phase as SVG; `table` has a row per epoch (see `figures.history`)."""
    floor = SMALLEST_LOSS if phase < 3 else None
    drawn = [history(table, measure, floor=floor) for measure in ("loss", "accuracy", "auroc")]
    figures = [figure for figure in drawn if figure is not None]
    if not figures:
        figure = sentence(f"Phase {phase} was not trained")
    else:
        figure = stack(figures, columns=3, text=f"Training curves of phase {phase}")
    write_text(path, figure.standalone())


def _cell(row: dict[str, Any], column: str) -> Cell:
    value = float(row[column]) if known(row[column]) else None
    reason = "" if value is not None or row["role"] == "empty" else row["flag"] or "no value"
    return Cell(row["well"], row["role"], value, reason)


def sentence(text: str) -> Figure:
    """What stands in the place of a figure that cannot be drawn."""
    return Figure(640, 60, label(20, 34, shorten(text, 110), class_="heading"), text)
