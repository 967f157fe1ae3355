"""A plate as a heat map: colour for the value, a mark for the role, hatching for what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from markupsafe import Markup

from exvivo.figures.palette import DIVERGING, SEQUENTIAL, is_dark, ramp
from exvivo.figures.scales import short
from exvivo.figures.svg import Figure, group, label, tag
from exvivo.figures.words import count, known
from exvivo.sheets.names import FORMATS, parse_well, row_letters

MARKS = {
    "negative_control": "−",
    "positive_control": "+",
    "titration": "t",
    "untreated": "u",
    "other_control": "o",
    "excluded": "×",
}
_WIDE = 432.0  # pixels for all columns together
_LEFT, _TOP = 24.0, 34.0
VIABILITY_RANGE = (0.0, 2.0)  # of the colours; iTReX draws the same


@dataclass(frozen=True)
class Cell:
    """A well: `value` is None where there is none, and then `reason` says why (empty: nothing was meant)."""

    well: str
    role: str
    value: float | None
    reason: str = ""
    key: str = ""  # "plate/well" of the page's well data


def plate_shape(wells: Sequence[str]) -> tuple[int, int]:
    """Rows and columns of the smallest usual plate that holds `wells`."""
    places = [parse_well(well) for well in wells]
    rows, columns = (max((p[i] for p in places), default=0) + 1 for i in (0, 1))
    fits = (shape for shape in FORMATS.values() if shape[0] >= rows and shape[1] >= columns)
    return next(fits)


def readout_range(values: Sequence[float]) -> tuple[float, float]:
    """The colour range of raw values of a screen: their 1 % and 99 % quantiles, so that one well cannot hide
    the rest; never empty."""
    finite = np.asarray([v for v in values if known(v)], dtype=float)
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(q) for q in np.quantile(finite, [0.01, 0.99]))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def heat_map(
    cells: Sequence[Cell],
    *,
    title: str,
    name: str,
    kind: Literal["readout", "viability"],
    limits: tuple[float, float] = VIABILITY_RANGE,
    shape: tuple[int, int] | None = None,
    marks: Mapping[str, str] = MARKS,
    keys: bool = False,
) -> Figure:
    """Draw one plate.

    Parameters: `name` is unique in the page (hatch patterns need an id); `kind` chooses the colours;
    `limits` are the values at their ends (values beyond keep the end's colour); `shape` the plate's rows and
    columns, from the wells if not given; `keys` writes each cell's key for the page's script.
    """
    rows, columns = shape or plate_shape([cell.well for cell in cells])
    pitch = _WIDE / columns
    stops = DIVERGING if kind == "viability" else SEQUENTIAL
    drawn = [_cell(c, pitch, stops, limits, name, marks, keys=keys) for c in cells]
    height = _TOP + rows * pitch
    body = group(
        _hatch(name),
        label(0, 12, title, class_="heading"),
        _names(rows, columns, pitch),
        group(*drawn, class_="wells"),
        _legend(_LEFT, height + 12, stops, limits, name, kind),
    )
    return Figure(_LEFT + _WIDE + 4, height + 42, body, _in_words(cells, title), interactive=keys)


def _hatch(name: str) -> Markup:
    return tag(
        "defs",
        tag(
            "pattern",
            tag("rect", width=5, height=5, class_="hatch-back"),
            tag("path", d="M0 0V5", class_="hatch-line"),
            id=f"hatch-{name}",
            width=5,
            height=5,
            patternUnits="userSpaceOnUse",
            patternTransform="rotate(45)",
        ),
    )


def _names(rows: int, columns: int, pitch: float) -> Markup:
    """Row letters and column numbers; every second one where they would touch."""
    size = {"font_size": min(10.0, max(pitch * 0.62, 6.5))}
    every = 1 if pitch >= 11 else 2
    letters = [
        label(_LEFT - 5, _TOP + (r + 0.5) * pitch + 3.2, row_letters(r), class_="end", **size)
        for r in range(0, rows, every)
    ]
    numbers = [
        label(_LEFT + (c + 0.5) * pitch, _TOP - 4, str(c + 1), class_="middle", **size)
        for c in range(0, columns, every)
    ]
    return group(*letters, *numbers, class_="well-names")


def _cell(
    cell: Cell,
    pitch: float,
    stops: Sequence[str],
    limits: tuple[float, float],
    name: str,
    marks: Mapping[str, str],
    *,
    keys: bool,
) -> Markup:
    row, column = parse_well(cell.well)
    x, y = _LEFT + column * pitch, _TOP + row * pitch
    if cell.value is None and not cell.reason:
        return tag("circle", cx=x + pitch / 2, cy=y + pitch / 2, r=pitch * 0.1, class_="nothing")
    colour = f"url(#hatch-{name})"
    if cell.value is not None:
        colour = ramp(stops, (cell.value - limits[0]) / (limits[1] - limits[0]))
    key = {"data_w": cell.key} if keys else {}
    side = pitch - 1.2
    place = {"x": x + 0.6, "y": y + 0.6, "width": side, "height": side, "rx": pitch * 0.14}
    square = tag("rect", class_="well", fill=colour, **place, **key)
    mark = marks.get(cell.role, "")
    if not mark or pitch < 8.5:
        return square
    dark = cell.value is not None and is_dark(colour)
    shade = "mark light" if dark else "mark dark"
    size = min(pitch * 0.68, 15.0)
    middle = {"font_size": size, "class_": shade}
    return square + label(x + pitch / 2, y + pitch / 2 + size * 0.34, mark, **middle)


def _legend(
    left: float,
    top: float,
    stops: Sequence[str],
    limits: tuple[float, float],
    name: str,
    kind: str,
) -> Markup:
    wide = 150.0
    gradient = tag(
        "linearGradient",
        *(
            tag("stop", offset=f"{i / (len(stops) - 1):.3f}", stop_color=s)
            for i, s in enumerate(stops)
        ),
        id=f"ramp-{name}",
    )
    percent = kind == "viability"
    middle = (limits[0] + limits[1]) / 2
    ticks = []
    for share, value in ((0.0, limits[0]), (0.5, middle), (1.0, limits[1])):
        text = f"{100 * value:.0f} %" if percent else short(float(f"{value:.3g}"))
        ticks.append(label(left + share * wide, top + 22, text, class_="small middle"))
    hatch = tag(
        "rect",
        x=left + wide + 34,
        y=top,
        width=16,
        height=10,
        class_="well",
        fill=f"url(#hatch-{name})",
    )
    return group(
        tag("defs", gradient),
        tag(
            "rect",
            x=left,
            y=top,
            width=wide,
            height=10,
            rx=2,
            fill=f"url(#ramp-{name})",
            class_="well",
        ),
        *ticks,
        hatch,
        label(left + wide + 55, top + 9, "no value: reason below", class_="small"),
    )


def _in_words(cells: Sequence[Cell], title: str) -> str:
    measured = [c.value for c in cells if c.value is not None]
    without = sum(1 for c in cells if c.value is None and c.reason)
    text = f"{title}: {count(len(measured), 'well')} with a value"
    if measured:
        low, middle, high = np.quantile(measured, [0.0, 0.5, 1.0])
        text += f", from {low:.3g} to {high:.3g}, median {middle:.3g}"
    return f"{text}; {count(without, 'well')} without." if without else f"{text}."
