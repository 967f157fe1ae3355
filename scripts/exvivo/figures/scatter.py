"""Two numbers per drug or per well against each other: readouts, replicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from exvivo.figures.scales import Linear, bottom_axis, left_axis, rotated_title
from exvivo.figures.svg import Figure, group, label, path, tag
from exvivo.figures.words import count, fixed

_SIDE, _LEFT, _TOP, _RIGHT, _BOTTOM = 290.0, 52.0, 30.0, 12.0, 46.0


@dataclass(frozen=True)
class Dot:
    """One dot: `text` is its tooltip, `kind` a class (hit, mismatch or nothing), `key` its link."""

    x: float
    y: float
    text: str
    kind: str = ""
    key: str = ""


def scatter(
    dots: Sequence[Dot],
    *,
    title: str,
    x_title: str,
    y_title: str,
    limit: float | None = None,
    limits: tuple[float, float] | None = None,
    diagonal: bool = False,
) -> Figure:
    """Dots on a square with equal axes.

    Parameters: `limit` draws a line on both axes and shades the two quadrants in which the two disagree;
    `limits` fixes the axes (dots beyond are put on the edge), else they follow the dots.
    """
    low, high = limits or _range(dots, limit)
    across = Linear(low, high, _LEFT, _LEFT + _SIDE)
    up = Linear(low, high, _TOP + _SIDE, _TOP)
    ticks = across.ticks(5)
    ends = [(across(low), up(low)), (across(high), up(high))]
    body = group(
        label(_LEFT, 16, title, class_="heading"),
        _quadrants(across, up, limit),
        left_axis(up, _LEFT, _LEFT + _SIDE, ticks=ticks),
        bottom_axis(across, _TOP, _TOP + _SIDE, ticks=ticks),
        path(ends if diagonal else [], class_="axis"),
        _lines(across, up, limit),
        *(_dot(dot, across, up) for dot in sorted(dots, key=lambda d: bool(d.kind))),
        label(_LEFT + _SIDE / 2, _TOP + _SIDE + 34, x_title, class_="axis-title middle"),
        rotated_title(13, _TOP + _SIDE / 2, y_title),
    )
    width, height = _LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BOTTOM
    text = f"{title}: {y_title} against {x_title}, {count(len(dots), 'dot')}. {correlation(dots)}"
    return Figure(width, height, body, text.strip(), interactive=any(d.key for d in dots))


def correlation(dots: Sequence[Dot]) -> str:
    """Pearson's r and Spearman's rho of the dots in words; empty for fewer than three or constant ones."""
    if len(dots) < 3:
        return ""
    x, y = (np.asarray([getattr(d, axis) for d in dots], dtype=float) for axis in "xy")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return ""
    pearson = float(np.corrcoef(x, y)[0, 1])
    spearman = float(np.corrcoef(_ranks(x), _ranks(y))[0, 1])
    return f"Pearson r {fixed(pearson, 2)}, Spearman ρ {fixed(spearman, 2)}"


def _ranks(values: np.ndarray) -> np.ndarray:
    """Average ranks, equal values sharing theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    upper = np.cumsum(counts)
    return (upper - (counts - 1) / 2)[inverse]


def _range(dots: Sequence[Dot], limit: float | None) -> tuple[float, float]:
    values = [v for d in dots for v in (d.x, d.y)] + ([0.0, limit * 2] if limit else [])
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = max(high - low, 1e-9) * 0.04
    return low - room, high + room


def _lines(across: Linear, up: Linear, limit: float | None) -> Markup:
    if limit is None:
        return group()
    return group(
        path([(across(limit), _TOP), (across(limit), _TOP + _SIDE)], class_="limit"),
        path([(_LEFT, up(limit)), (_LEFT + _SIDE, up(limit))], class_="limit"),
    )


def _quadrants(across: Linear, up: Linear, limit: float | None) -> Markup:
    if limit is None:
        return group()
    x, y = across(limit), up(limit)
    right, bottom = _LEFT + _SIDE, _TOP + _SIDE
    return group(
        tag("rect", x=_LEFT, y=_TOP, width=x - _LEFT, height=y - _TOP, class_="quadrant"),
        tag("rect", x=x, y=y, width=right - x, height=bottom - y, class_="quadrant"),
    )


def _dot(dot: Dot, across: Linear, up: Linear) -> Markup:
    drawn = tag(
        "circle",
        tag("title", dot.text),
        cx=across.held(dot.x),
        cy=up.held(dot.y),
        r=4 if dot.key else 2.4,
        class_=f"dot {dot.kind}".strip(),
    )
    if not dot.key:
        return drawn
    return tag("a", drawn, href=f"#{dot.key}", data_drug=dot.key, aria_label=dot.text)
