"""Axes: from values to pixels, and where the ticks go."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from exvivo.figures.svg import group, label, path


@dataclass(frozen=True)
class Linear:
    """A straight map of [low, high] onto [start, end] pixels."""

    low: float
    high: float
    start: float
    end: float

    def __post_init__(self) -> None:
        if not self.high > self.low:
            raise ValueError(f"an axis needs low < high, found {self.low} and {self.high}")

    def __call__(self, value: float) -> float:
        """The pixel of `value`; outside [start, end] for values outside [low, high]."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def held(self, value: float) -> float:
        """Like a call, with values outside the axis put on its end."""
        return self(min(max(value, self.low), self.high))

    def ticks(self, about: int = 5) -> list[float]:
        """Round numbers inside the axis, about so many: steps of 1, 2 or 5 times a power of ten."""
        rough = (self.high - self.low) / max(about, 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = min((f * power for f in (1, 2, 5, 10)), key=lambda s: abs(s - rough))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)]


def short(value: float) -> str:
    """A tick's number: at most six significant digits, no exponent for usual sizes."""
    if value == 0:
        return "0"
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:.2g}"


def left_axis(
    scale: Linear,
    left: float,
    right: float,
    *,
    ticks: Iterable[float] | None = None,
    percent: bool = False,
) -> Markup:
    """Grid lines from `left` to `right` and numbers on their left; `percent` writes 0.5 as 50."""
    drawn = []
    for tick in scale.ticks() if ticks is None else ticks:
        y = scale(tick)
        drawn.append(path([(left, y), (right, y)], class_="grid"))
        text = short(100 * tick if percent else tick)
        drawn.append(label(left - 6, y + 3.5, text, class_="tick end"))
    return group(*drawn)


def bottom_axis(
    scale: Linear, top: float, bottom: float, *, ticks: Iterable[float] | None = None
) -> Markup:
    """Grid lines from `top` to `bottom` and numbers beneath them."""
    drawn = []
    for tick in scale.ticks() if ticks is None else ticks:
        x = scale(tick)
        drawn.append(path([(x, top), (x, bottom)], class_="grid"))
        drawn.append(label(x, bottom + 15, short(tick), class_="tick middle"))
    return group(*drawn)


def rotated_title(x: float, y: float, text: str) -> Markup:
    """An axis title that reads upwards, centred on (x, y)."""
    place = f"rotate(-90 {x:.1f} {y:.1f})"
    return label(x, y, text, class_="axis-title middle", transform=place)
