"""Networks of a search: accuracy against time and against size, with those that no other beats."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from markupsafe import Markup

from exvivo.figures.scales import Linear, left_axis, rotated_title, short
from exvivo.figures.svg import Figure, group, label, path, stack, tag
from exvivo.figures.words import count, percent

_WIDE, _HIGH, _LEFT, _TOP, _RIGHT, _BOTTOM = 330.0, 250.0, 52.0, 30.0, 14.0, 46.0
_SHOWN = 3000  # dots of a panel: beyond, one in so many


def pareto(nets: pd.DataFrame) -> Figure:
    """Two panels of ranked nets (`exvivo.morphology.ranking.rank`): training accuracy against seconds and weights.

    Nets that no other beats are ringed, the chosen one is filled, the network in use (net -1) is a square. Raises
    `ValueError` where no net has an accuracy.
    """
    nets = nets[nets["train_accuracy"].notna()]
    if nets.empty:
        raise ValueError("there is nothing to draw")
    special = nets["front"] | nets["chosen"] | (nets["net"] < 0)
    rest = nets[~special]
    nets = pd.concat([rest.iloc[:: max(1, len(rest) // _SHOWN)], nets[special]])
    panels = [
        _panel(nets, "seconds", "training, seconds (log scale)"),
        _panel(nets, "weights", "weights (log scale)"),
    ]
    front = int(nets["front"].sum())
    text = f"Training accuracy of {count(len(rest) + int(special.sum()), 'net')} against time and size; no other beats {front}."
    return stack(panels, columns=2, text=text)


def _panel(nets: pd.DataFrame, column: str, x_title: str) -> Figure:
    values = [math.log10(max(float(v), 1e-3)) for v in nets[column]]
    low, high = min(values), max(values)
    room = max(high - low, 0.2) * 0.05
    across = Linear(low - room, high + room, _LEFT, _LEFT + _WIDE)
    bottom = min(0.5, float(nets["train_accuracy"].min()))
    up = Linear(bottom - 0.02, 1.02, _TOP + _HIGH, _TOP)
    rows = list(zip(nets.itertuples(), values, strict=True))
    line = sorted((across(v), up(row.train_accuracy)) for row, v in rows if row.front)
    body = group(
        left_axis(up, _LEFT, _LEFT + _WIDE, percent=True),
        _powers(across),
        path(_staircase(line), class_="front-line"),
        *(_dot(row, across(v), up(row.train_accuracy)) for row, v in rows),
        label(_LEFT + _WIDE / 2, _TOP + _HIGH + 34, x_title, class_="axis-title middle"),
        rotated_title(13, _TOP + _HIGH / 2, "training accuracy, %"),
    )
    return Figure(_LEFT + _WIDE + _RIGHT, _TOP + _HIGH + _BOTTOM, body, x_title)


def _staircase(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The best accuracy up to each place; smaller y is higher."""
    steps: list[tuple[float, float]] = []
    for x, y in points:
        if steps and y >= steps[-1][1]:
            continue
        if steps:
            steps.append((x, steps[-1][1]))
        steps.append((x, y))
    return steps


def _powers(across: Linear) -> Markup:
    """Grid lines at powers of ten, or at their halves where there are few."""
    first, last = math.ceil(across.low), math.floor(across.high)
    places = [float(p) for p in range(first, last + 1)]
    if len(places) < 2:
        places = across.ticks(3)
    bottom = _TOP + _HIGH
    return group(
        *(path([(across(p), _TOP), (across(p), bottom)], class_="grid") for p in places),
        *(
            label(across(p), bottom + 15, short(float(f"{10**p:.3g}")), class_="tick middle")
            for p in places
        ),
    )


def _dot(row: Any, x: float, y: float) -> Markup:
    name = "network in use" if row.net < 0 else f"net {row.net}"
    told = f"{name}: training {percent(row.train_accuracy, 1)}, test {percent(row.test_accuracy, 1)}, {row.seconds:.3g} s, {row.weights:,} weights"
    title = tag("title", told)
    if row.net < 0:
        return tag("rect", title, x=x - 4, y=y - 4, width=8, height=8, class_="dot mismatch")
    kind = "dot" + (" hit" if row.chosen else "") + (" front" if row.front else "")
    return tag(
        "circle", title, cx=x, cy=y, r=5 if row.chosen else 3.4 if row.front else 2, class_=kind
    )
