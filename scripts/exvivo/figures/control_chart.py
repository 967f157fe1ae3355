"""A control chart: one metric over plates, its mean and the lines at two and three standard deviations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from exvivo.figures.scales import Linear, left_axis
from exvivo.figures.svg import Figure, group, label, path, tag
from exvivo.figures.words import count, fixed, known

_WIDE, _LEFT, _RIGHT, _TOP, _PLOT = 900.0, 52.0, 62.0, 28.0, 150.0
_HELD_BEYOND = (
    6.0  # SD: farther points are put on the edge, so that one bad plate does not flatten the rest
)


@dataclass(frozen=True)
class Reading:
    """One plate: its value (None: a gap), whether its screen is on hold, the rules it breaks, its tooltip."""

    value: float | None
    text: str
    held: bool = False
    rules: tuple[str, ...] = ()
    warning: bool = False  # breaks no rule but the mildest


def control_chart(
    readings: Sequence[Reading],
    *,
    title: str,
    mean: float,
    sd: float,
    baseline: int,
    digits: int = 2,
) -> Figure:
    """Draw a chart; without a mean (too few plates) the points alone. `baseline` plates set the limits.

    `ValueError` if no plate has a value.
    """
    values = [float(r.value) for r in readings if known(r.value)]
    if not values:
        raise ValueError("no plate has a value: there is nothing to draw")
    limits = known(mean) and known(sd)
    up = _axis(values, mean, sd, limits=limits)
    across = Linear(-0.5, max(len(readings) - 0.5, 9.5), _LEFT, _LEFT + _WIDE)
    bottom = _TOP + _PLOT
    body = group(
        label(_LEFT, 14, title, class_="heading"),
        left_axis(up, _LEFT, _LEFT + _WIDE, ticks=up.ticks(4)),
        _baseline(across, baseline, limits=limits),
        *(_level(up, mean, sd, k, digits) for k in ((-3, -2, 0, 2, 3) if limits else ())),
        _line(readings, across, up),
        _plain(readings, across, up),
        *(_marked(r, across(i), up) for i, r in enumerate(readings) if _is_marked(r)),
        path([(_LEFT, bottom), (_LEFT + _WIDE, bottom)], class_="axis"),
        label(_LEFT + _WIDE / 2, bottom + 16, "plates in the order of plates.tsv", class_="tick middle"),
    )  # fmt: skip
    return Figure(_LEFT + _WIDE + _RIGHT, bottom + 24, body, _in_words(readings, title, mean, sd))


def _axis(values: Sequence[float], mean: float, sd: float, *, limits: bool) -> Linear:
    if not limits:
        room = max(max(values) - min(values), 1e-6) * 0.1
        return Linear(min(values) - room, max(values) + room, _TOP + _PLOT, _TOP)
    low = max(min(*values, mean - 3.4 * sd), mean - _HELD_BEYOND * sd)
    high = min(max(*values, mean + 3.4 * sd), mean + _HELD_BEYOND * sd)
    return Linear(low - 0.2 * sd, high + 0.2 * sd, _TOP + _PLOT, _TOP)


def _baseline(across: Linear, baseline: int, *, limits: bool) -> Markup:
    """A ground under the plates that set the limits."""
    if not limits or not baseline:
        return group()
    wide = across(baseline - 0.5) - across(-0.5)
    return tag("rect", x=_LEFT, y=_TOP, width=wide, height=_PLOT, class_="baseline")


def _level(up: Linear, mean: float, sd: float, k: int, digits: int) -> Markup:
    y, right = up(mean + k * sd), _LEFT + _WIDE
    kind = {0: "level-mean", 2: "level-warn"}.get(abs(k), "level-stop")
    word = "mean" if k == 0 else f"{'+' if k > 0 else '−'}{abs(k)} SD"
    return group(
        path([(_LEFT, y), (right, y)], class_=kind),
        label(right + 5, y + 3.5, f"{word} {fixed(mean + k * sd, digits)}", class_="small"),
    )


def _line(readings: Sequence[Reading], across: Linear, up: Linear) -> Markup:
    """A line through the plates in order, broken where a value is missing."""
    steps, pen = [], "M"
    for i, reading in enumerate(readings):
        if not known(reading.value):
            pen = "M"
            continue
        steps.append(f"{pen}{across(i):.1f} {up.held(reading.value):.1f}")
        pen = "L"
    return tag("path", d="".join(steps), class_="trace")


def _is_marked(reading: Reading) -> bool:
    return known(reading.value) and (reading.held or bool(reading.rules))


def _plain(readings: Sequence[Reading], across: Linear, up: Linear) -> Markup:
    """All plates with nothing to say as one path: a thousand of them weigh little."""
    dots = [
        f"M{across(i):.1f} {up.held(r.value):.1f}h0"
        for i, r in enumerate(readings)
        if known(r.value) and not _is_marked(r)
    ]
    return tag("path", d="".join(dots), class_="dots") if dots else group()


def _marked(reading: Reading, x: float, up: Linear) -> Markup:
    y = up.held(reading.value)
    kind = (
        "reading held"
        if reading.held
        else "reading warned"
        if reading.warning
        else "reading stopped"
    )
    told = tag("title", reading.text)
    if reading.rules and not reading.warning:
        return tag(
            "path", told, d=f"M{x:.1f} {y - 5.2:.1f}l5.2 5.2l-5.2 5.2l-5.2 -5.2z", class_=kind
        )
    return tag("circle", told, cx=x, cy=y, r=3.6, class_=kind)


def _in_words(readings: Sequence[Reading], title: str, mean: float, sd: float) -> str:
    flagged = [r.text for r in readings if r.rules and not r.warning]
    limits = (
        f"mean {fixed(mean, 2)}, SD {fixed(sd, 2)}"
        if math.isfinite(sd)
        else "too few plates for limits"
    )
    text = f"{title} over {count(len(readings), 'plate')}: {limits}; {count(len(flagged), 'plate')} out of control"
    return (
        f"{text}: {'; '.join(flagged[:8])}{'; …' if len(flagged) > 8 else ''}."
        if flagged
        else f"{text}."
    )
