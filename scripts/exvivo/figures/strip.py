"""The controls of each plate as two columns of dots: how well the two kinds come apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from exvivo.figures.scales import Linear, left_axis, rotated_title
from exvivo.figures.svg import Figure, group, label, path, shorten, tag
from exvivo.figures.words import count, fixed

_LEFT, _TOP, _PLOT, _COLUMN, _GAP = 52.0, 32.0, 200.0, 46.0, 30.0


@dataclass(frozen=True)
class Control:
    """One control well: `side` of the contrast is "negative" or "positive"."""

    plate: str
    side: str
    value: float
    text: str
    well: str = ""


def strip(controls: Sequence[Control], *, title: str, y_title: str) -> Figure:
    """Dots of the controls by plate and side, with their medians. `ValueError` if there are none."""
    if not controls:
        raise ValueError("no controls: there is nothing to draw")
    plates = list(dict.fromkeys(c.plate for c in controls))
    values = [c.value for c in controls]
    room = max(max(values) - min(values), 1e-6) * 0.06
    up = Linear(min(values) - room, max(values) + room, _TOP + _PLOT, _TOP)
    block = 2 * _COLUMN + _GAP
    right = _LEFT + block * len(plates)
    columns = [
        _column([c for c in controls if (c.plate, c.side) == (plate, side)], x, up)
        for i, plate in enumerate(plates)
        for x, side in (
            (_LEFT + i * block + _GAP / 2 + _COLUMN * 0.5, "negative"),
            (_LEFT + i * block + _GAP / 2 + _COLUMN * 1.5, "positive"),
        )
    ]
    names = [
        label(_LEFT + (i + 0.5) * block, _TOP + _PLOT + 34, shorten(p, 20), class_="middle name")
        for i, p in enumerate(plates)
    ]
    body = group(
        label(_LEFT, 16, title, class_="heading"),
        left_axis(up, _LEFT, right),
        rotated_title(13, _TOP + _PLOT / 2, y_title),
        path([(_LEFT, _TOP + _PLOT), (right, _TOP + _PLOT)], class_="axis"),
        *columns,
        *names,
    )
    return Figure(right + 10, _TOP + _PLOT + 44, body, _in_words(controls, title))


def _column(controls: list[Control], x: float, up: Linear) -> Markup:
    if not controls:
        return group()
    kind = controls[0].side
    order = sorted(range(len(controls)), key=lambda i: controls[i].value)
    dots = []
    for rank, index in enumerate(order):
        control = controls[index]
        # Neighbours in value lie side by side, so that none hides another
        shift = ((rank % 5) - 2) * 5.2
        told = tag("title", control.text)
        key = control.well or None
        dots.append(
            tag("circle", told, cx=x + shift, cy=up(control.value), r=3, class_=kind, data_w=key)
        )
    middle = up(float(np.median([c.value for c in controls])))
    return group(
        *dots,
        path([(x - 17, middle), (x + 17, middle)], class_="median"),
        label(x, _TOP + _PLOT + 16, kind, class_="tick middle"),
    )


def _in_words(controls: Sequence[Control], title: str) -> str:
    parts = []
    for plate, side in dict.fromkeys((c.plate, c.side) for c in controls):
        values = [c.value for c in controls if (c.plate, c.side) == (plate, side)]
        middle = fixed(float(np.median(values)), 2)
        parts.append(f"{plate}, {side}: median {middle} of {count(len(values), 'well')}")
    return f"{title}. {'; '.join(parts)}."
