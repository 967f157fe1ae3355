"""The dose–response panel of one drug: points, fitted curve, IC50, and the well at each dose."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup

from exvivo.figures.scales import Linear, left_axis, rotated_title
from exvivo.figures.svg import Figure, group, label, path, tag
from exvivo.figures.words import count, dose, known, percent
from exvivo.responses.curve import evaluate

WIDTH, _PLOT = 336.0, 148.0
_LEFT, _RIGHT, _TOP = 46.0, 12.0, 16.0
_MOST_TILE = 52.0


@dataclass(frozen=True)
class Point:
    """One well: dose in nM, viability as a fraction, 1-based replicate, whether the fit used it."""

    dose: float
    viability: float
    replicate: int
    used: bool = True
    well: str = ""  # "plate/well" of the page's well data, or empty


@dataclass(frozen=True)
class Tile:
    """The image shown under a dose: a data URI, and which well it is."""

    dose: float
    uri: str
    well: str
    text: str


@dataclass(frozen=True)
class Panel:
    """What one panel shows.

    `parameters` are (bottom, top, x_mid, slope, asymmetry) of the inhibition, or None where there is no
    curve; `ic50` in nM or None where it lies outside the tested doses; `threshold` the inhibition
    (fraction) above which the score counts, None where the area is not drawn; `band` the curve's interval:
    doses in nM, lower and upper inhibition.
    """

    name: str
    points: Sequence[Point]
    parameters: Sequence[float] | None = None
    ic50: float | None = None
    hit: bool = False
    threshold: float | None = None
    tiles: Mapping[float, Tile] = field(default_factory=dict)
    band: tuple[Sequence[float], Sequence[float], Sequence[float]] | None = None


def panel(content: Panel) -> Figure:
    """Viability against dose, decreasing where a drug works; images of the wells beneath their doses.

    Points without a dose above 0 are left out (a logarithmic axis has no place for them). `ValueError` if
    none is left.
    """
    points = [p for p in content.points if known(p.dose) and p.dose > 0 and known(p.viability)]
    if not points:
        raise ValueError(
            f"{content.name} has no well with a dose and a value: there is nothing to draw"
        )
    doses = sorted({p.dose for p in points})
    across, tile = _dose_axis(doses)
    up = _viability_axis([p.viability for p in points], _fitted(content, doses))
    bottom = _TOP + _PLOT
    body = group(
        left_axis(up, _LEFT, WIDTH - _RIGHT, ticks=_viability_ticks(up), percent=True),
        rotated_title(11, _TOP + _PLOT / 2, "viability (%)"),
        _curve(content, doses, across, up),
        *(_point(p, across, up) for p in points),
        path([(_LEFT, bottom), (WIDTH - _RIGHT, bottom)], class_="axis"),
        *_dose_labels(doses, across, bottom),
        *(_tile(t, across, bottom + 22, tile) for t in content.tiles.values() if t.dose in doses),
    )
    height = bottom + 24 + (tile + 4 if content.tiles else 0)
    return Figure(WIDTH, height, body, _in_words(content, points), interactive=bool(content.tiles))


def _dose_axis(doses: list[float]) -> tuple[Linear, float]:
    """The axis of log10 dose, with room for half an image at its ends; and the side of an image."""
    room = WIDTH - _LEFT - _RIGHT
    logs = [math.log10(d) for d in doses]
    gaps = [b - a for a, b in itertools.pairwise(logs)]
    if not gaps:
        return Linear(logs[0] - 1, logs[0] + 1, _LEFT, WIDTH - _RIGHT), _MOST_TILE
    span, least = logs[-1] - logs[0], min(gaps)
    # An image is as wide as the smallest step between doses: side = least * scale, scale * span = room - side
    side = min(_MOST_TILE, room * least / (span + least)) - 2
    side = max(side, 12.0)
    return Linear(logs[0], logs[-1], _LEFT + side / 2 + 2, WIDTH - _RIGHT - side / 2), side


def _fitted(content: Panel, doses: list[float]) -> list[float]:
    if content.parameters is None or len(doses) < 2:
        return []
    x = np.linspace(math.log10(doses[0]), math.log10(doses[-1]), 96)
    fitted = 1 - evaluate(np.asarray(content.parameters, dtype=float), x)
    return [float(v) for v in fitted] if np.isfinite(fitted).all() else []


def _viability_axis(values: list[float], fitted: list[float]) -> Linear:
    """From a little below 0 to a little above 100 %, wider where the data ask for it, within -50..200 %."""
    low, high = min([*values, *fitted, 0.0]), max([*values, *fitted, 1.0])
    return Linear(max(low, -0.5) - 0.08, min(high, 2.0) + 0.08, _TOP + _PLOT, _TOP)


def _viability_ticks(scale: Linear) -> list[float]:
    return [t / 100 for t in range(-50, 201, 50) if scale.low <= t / 100 <= scale.high]


def _curve(content: Panel, doses: list[float], across: Linear, up: Linear) -> Markup:
    fitted = _fitted(content, doses)
    if not fitted:
        return group()
    x = np.linspace(across.low, across.high, len(fitted))
    line = [(across(float(a)), up.held(b)) for a, b in zip(x, fitted, strict=True)]
    parts = [
        _band(content, across, up),
        path(line, class_="curve hit" if content.hit else "curve"),
    ]
    if content.threshold is not None:
        parts.insert(0, _area(line, up.held(1 - content.threshold), hit=content.hit))
    if known(content.ic50):
        place = across(math.log10(content.ic50))  # type: ignore[arg-type]
        end = place > (_LEFT + WIDTH) / 2
        kind = "ic50-text end" if end else "ic50-text"
        shift = -4 if end else 4
        parts.append(path([(place, _TOP - 2), (place, _TOP + _PLOT)], class_="ic50"))
        parts.append(label(place + shift, _TOP - 4, f"IC50 {dose(content.ic50)}", class_=kind))
    return group(*parts)


def _band(content: Panel, across: Linear, up: Linear) -> Markup:
    """Where the curve may lie: between the ends of its interval at each dose, as viability."""
    if content.band is None:
        return group()
    places = [across(math.log10(d)) for d in content.band[0]]
    lower, upper = ([up.held(1 - v) for v in side] for side in content.band[1:])
    outline = [*zip(places, lower, strict=True), *reversed(list(zip(places, upper, strict=True)))]
    return path(outline, class_="band hit" if content.hit else "band")


def _area(line: list[tuple[float, float]], level: float, *, hit: bool) -> Markup:
    """What the score counts: between the curve and the line of the threshold, where the curve is below."""
    below = [(x, max(y, level)) for x, y in line]
    outline = [(line[0][0], level), *below, (line[-1][0], level)]
    return path(outline, class_="area" if hit else "area plain")


def _point(point: Point, across: Linear, up: Linear) -> Markup:
    x, y = across(math.log10(point.dose)), up.held(point.viability)
    shared = {"class_": _point_class(point), "data_w": point.well or None}
    told = tag(
        "title", f"{dose(point.dose)}, replicate {point.replicate}: {percent(point.viability)}"
    )
    if not point.used:
        cross = f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6"
        return tag("path", told, d=cross, **shared)
    if point.replicate % 3 == 0:
        return tag("path", told, d=f"M{x:.1f} {y - 4:.1f}l3.8 6.6h-7.6z", **shared)
    return tag("circle", told, cx=x, cy=y, r=3.2, **shared)


def _point_class(point: Point) -> str:
    if not point.used:
        return "point left-out"
    return "point second" if point.replicate % 3 == 2 else "point first"


def _dose_labels(doses: list[float], across: Linear, bottom: float) -> list[Markup]:
    """Labels of as many doses as fit without touching, the first and the last always."""
    places = [across(math.log10(d)) for d in doses]
    drawn, last = [], -math.inf
    for index, (x, value) in enumerate(zip(places, doses, strict=True)):
        drawn.append(path([(x, bottom), (x, bottom + 4)], class_="axis"))
        free = index in (0, len(doses) - 1) or places[-1] - x > 42
        if index == 0 or (free and x - last >= 42):
            drawn.append(label(x, bottom + 15, dose(value), class_="tick middle"))
            last = x
    return drawn


def _tile(tile: Tile, across: Linear, top: float, side: float) -> Markup:
    x = across(math.log10(tile.dose)) - side / 2
    place = {"x": x, "y": top, "width": side, "height": side}
    return tag(
        "image", href=tile.uri, class_="well-image", data_w=tile.well, aria_label=tile.text, **place
    )


def _in_words(content: Panel, points: list[Point]) -> str:
    doses = sorted({p.dose for p in points})
    medians = [
        f"{dose(d)} {percent(float(np.median([p.viability for p in points if p.dose == d])))}"
        for d in doses
    ]
    text = f"{content.name}: {count(len(points), 'well')} at {count(len(doses), 'dose')}; median viability "
    ending = "" if content.parameters is not None else " No curve."
    return f"{text}{', '.join(medians)}.{ending}"
