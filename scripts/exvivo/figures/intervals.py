"""Estimates with their intervals, one line each, around a line that means "no effect"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from exvivo.figures.scales import Linear, bottom_axis
from exvivo.figures.svg import Figure, group, label, path, shorten, tag

_LEFT, _PLOT, _RIGHT, _TOP, _STEP = 118.0, 250.0, 16.0, 8.0, 21.0


@dataclass(frozen=True)
class Estimate:
    """One line: a value with the ends of its interval, and what its tooltip says."""

    name: str
    value: float
    low: float
    high: float
    text: str


def forest(estimates: Sequence[Estimate], *, title: str, text: str) -> Figure:
    """Estimates one below the other; `title` names the axis, `text` tells a person who cannot see it."""
    if not estimates:
        raise ValueError("no estimate to draw")
    ends = [v for e in estimates for v in (e.low, e.high, e.value)]
    room = max(max(ends) - min(ends), 0.05) * 0.08
    across = Linear(min(0.0, *ends) - room, max(0.0, *ends) + room, _LEFT, _LEFT + _PLOT)
    bottom = _TOP + _STEP * len(estimates)
    body = group(
        bottom_axis(across, _TOP, bottom, ticks=across.ticks(4)),
        path([(across(0), _TOP), (across(0), bottom)], class_="axis"),
        *(_line(e, _TOP + (i + 0.5) * _STEP, across) for i, e in enumerate(estimates)),
        label(_LEFT + _PLOT / 2, bottom + 30, title, class_="axis-title middle"),
    )
    return Figure(_LEFT + _PLOT + _RIGHT, bottom + 38, body, text)


def _line(estimate: Estimate, y: float, across: Linear) -> Markup:
    return group(
        tag("title", estimate.text),
        path([(across(estimate.low), y), (across(estimate.high), y)], class_="median"),
        tag("circle", cx=across(estimate.value), cy=y, r=4, class_="negative"),
        label(_LEFT - 8, y + 3.5, shorten(estimate.name, 20), class_="name end"),
    )
