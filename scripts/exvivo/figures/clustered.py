"""Clustered heat map: rows and columns in the order of their trees, trees and labels at the sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from exvivo.figures.palette import DIVERGING, KINDS, ramp
from exvivo.figures.svg import Figure, coordinate, group, label, path, shorten, tag
from exvivo.figures.words import count, fixed, known

_CELL, _TREE, _LABEL, _GAP = 13.0, 46.0, 110.0, 4.0
_LEVELS = 12  # of each sign


@dataclass(frozen=True)
class Side:
    """One side of the map: `names`, `labels` that colour the strip (empty for none), leaf `order`, linkage `steps`."""

    names: Sequence[str]
    labels: Sequence[str]
    order: Sequence[int]
    steps: NDArray[np.floating]


def clustered(
    values: NDArray[np.floating],
    rows: Side,
    columns: Side,
    *,
    limit: float,
    value_name: str,
    text: str = "",
) -> Figure:
    """Heat map of `values` (R, C), orange from 0 to `limit`, blue below 0; missing ones are dots. `ValueError` if empty.

    `text` is the alternative to the picture, by default of drugs and samples.
    """
    if not values.size:
        raise ValueError("there is nothing to draw")
    left, top = _LABEL + _TREE + 2 * _GAP + _CELL, _LABEL * 0.8 + _TREE + 2 * _GAP + _CELL
    high, wide = len(rows.order) * _CELL, len(columns.order) * _CELL
    shift = len(_names(rows.labels))  # the colours of columns go on where those of rows end
    most = max(_legend_width(rows.labels), _legend_width(columns.labels), 330.0)
    body = group(
        _cells(values[np.ix_(rows.order, columns.order)], left, top, limit),
        *_row_side(rows, left),
        *(
            tag("g", part, transform=f"translate(0 {coordinate(top)})")
            for part in _row_tree(rows, left, high)
        ),
        *_column_side(columns, left, top, shift),
        _legend(top + high + 16, left, limit, value_name),
        _labels_legend(top + high + 50, left, rows.labels, 0),
        _labels_legend(top + high + 68, left, columns.labels, shift),
    )
    text = (
        text
        or f"{value_name} of {count(len(columns.names), 'drug')} in {count(len(rows.names), 'sample')}, both in the order of their trees."
    )
    return Figure(left + max(wide + 70, most), top + high + 90, body, text)


def level(value: float, limit: float) -> int:
    """The level of a value: -12 at -limit and below, 12 at limit and above."""
    return round(float(np.clip(value / limit, -1, 1)) * _LEVELS)


def colour(number: int) -> str:
    """The colour of a level: orange for an effect, blue for the opposite."""
    return ramp(DIVERGING, 0.5 - 0.5 * number / _LEVELS)


def _cells(values: NDArray[np.floating], left: float, top: float, limit: float) -> Markup:
    """One path per colour, as in `exvivo.figures.matrix`."""
    levels: dict[int, list[str]] = {}
    empty = []
    for r, row in enumerate(values):
        for c, value in enumerate(row):
            if known(value):
                levels.setdefault(level(value, limit), []).append(f"M{c} {r}h1")
            else:
                empty.append(f"M{c}.5 {r}h0")
    drawn = [tag("path", d="".join(s), stroke=colour(n)) for n, s in sorted(levels.items())]
    if empty:
        drawn.append(tag("path", d="".join(empty), class_="untested"))
    place = (
        f"translate({coordinate(left)} {coordinate(top + _CELL / 2)}) scale({coordinate(_CELL)})"
    )
    return group(*drawn, class_="cells", transform=place)


def _row_side(side: Side, left: float) -> list[Markup]:
    top = _LABEL * 0.8 + _TREE + 2 * _GAP + _CELL
    drawn = []
    shades = _shades(side.labels)
    for place, leaf in enumerate(side.order):
        y = top + place * _CELL
        words = shorten(side.names[leaf], 18)
        drawn.append(label(_LABEL - 4, y + 9.5, words, class_="name tick end"))
        if side.labels:
            fill = shades[str(side.labels[leaf])]
            x = left - _CELL - _GAP
            title = tag("title", str(side.labels[leaf]) or "unknown")
            drawn.append(tag("rect", title, x=x, y=y + 0.5, width=_CELL - 2, height=_CELL - 1, fill=fill))  # fmt: skip
    return drawn


def _column_side(side: Side, left: float, top: float, shift: int) -> list[Markup]:
    shades, drawn = _shades(side.labels, shift), []
    base = top - _CELL - _GAP
    for place, leaf in enumerate(side.order):
        x = left + place * _CELL
        if side.labels:
            title = tag("title", str(side.labels[leaf]) or "unknown")
            fill = shades[str(side.labels[leaf])]
            drawn.append(tag("rect", title, x=x + 0.5, y=base, width=_CELL - 1, height=_CELL - 2, fill=fill))  # fmt: skip
        y = base - _TREE - _GAP
        turned = f"rotate(-60 {x + 9:.1f} {y:.1f})"
        words = shorten(side.names[leaf], 18)
        drawn.append(label(x + 9, y, words, class_="name tick", transform=turned))
    for line in _tree(side):
        points = [(left + a * _CELL, base - _GAP - b * (_TREE - 6)) for a, b in line]
        drawn.append(path(points, class_="axis"))
    return drawn


def _row_tree(side: Side, left: float, high: float) -> list[Markup]:
    base = left - _CELL - 2 * _GAP
    return [
        path([(base - b * (_TREE - 6), a * _CELL) for a, b in line], class_="axis")
        for line in _tree(side)
    ]


def _tree(side: Side) -> list[list[tuple[float, float]]]:
    """Brackets of a linkage as (place in leaves, height from 0 to 1)."""
    steps, count_leaves = np.asarray(side.steps), len(side.names)
    if not len(steps):
        return []
    highest = max(float(steps[:, 2].max()), 1e-9)
    place = {leaf: (n + 0.5, 0.0) for n, leaf in enumerate(side.order)}
    brackets = []
    for number, (first, second, height, _) in enumerate(steps):
        (x1, y1), (x2, y2), top = place[int(first)], place[int(second)], float(height) / highest
        brackets.append([(x1, y1), (x1, top), (x2, top), (x2, y2)])
        place[count_leaves + number] = ((x1 + x2) / 2, top)
    return brackets


def _names(labels: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(map(str, labels)) if name]


def _shades(labels: Sequence[str], shift: int = 0) -> dict[str, str]:
    """Colour of each label, the first `shift` colours left out; those beyond the tenth share the last one."""
    names = _names(labels)
    shades = {name: KINDS[min(i + shift, len(KINDS) - 1)] for i, name in enumerate(names)}
    return shades | {"": "#ffffff"}


def _legend(top: float, left: float, limit: float, value_name: str) -> Markup:
    step = 6.0
    boxes = [
        tag("rect", x=left + (n + _LEVELS) * step, y=top, width=step, height=10, fill=colour(n))
        for n in range(-_LEVELS, _LEVELS + 1)
    ]
    marks = ((-_LEVELS, f"≤ {fixed(-limit)}"), (0, "0"), (_LEVELS, f"≥ {fixed(limit)}"))
    words = [
        label(left + (n + _LEVELS + 0.5) * step, top + 22, w, class_="small middle")
        for n, w in marks
    ]
    right = left + (2 * _LEVELS + 1) * step
    return group(*boxes, *words, label(right + 14, top + 9, value_name, class_="small"))


def _labels_legend(top: float, left: float, labels: Sequence[str], shift: int) -> Markup:
    """Names of the labels that colour a strip."""
    drawn, x, shades = [], left, _shades(labels, shift)
    for name in _names(labels):
        drawn.append(tag("rect", x=x, y=top, width=9, height=9, fill=shades[name]))
        drawn.append(label(x + 13, top + 8, shorten(name, 16), class_="small"))
        x += _entry_width(name)
    return group(*drawn)


def _entry_width(name: str) -> float:
    return 26 + 5.2 * len(shorten(name, 16))


def _legend_width(labels: Sequence[str]) -> float:
    return sum(map(_entry_width, _names(labels)))
