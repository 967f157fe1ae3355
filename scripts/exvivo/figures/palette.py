"""Colours that people with any of the usual colour deficiencies can tell apart, and that survive a copier.

Two ramps: one from light to dark for a readout as it was measured (ColorBrewer YlGnBu), one around white
for viability (orange = fewer living cells than the negative control, blue = more).
"""

from __future__ import annotations

from collections.abc import Sequence

SEQUENTIAL = ("#ffffe0", "#d4eec8", "#8fd3bd", "#48a9c2", "#2a72b5", "#213f93", "#0b1d58")
# Of kinds without an order: Okabe and Ito's, and four more.
KINDS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8c564b", "#9a9a00", "#1d2733")  # fmt: skip
DIVERGING = ("#7f3300", "#c8530a", "#f0a160", "#f8f7f5", "#a9c9e6", "#4a86bd", "#17497f")


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def ramp(stops: Sequence[str], fraction: float) -> str:
    """The colour at `fraction` (held to 0..1) of evenly spaced `stops`, as #rrggbb."""
    place = min(max(fraction, 0.0), 1.0) * (len(stops) - 1)
    index = min(int(place), len(stops) - 2)
    share = place - index
    pair = zip(_rgb(stops[index]), _rgb(stops[index + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pair)


def is_dark(colour: str) -> bool:
    """Whether white text is more readable on `colour` than black text (WCAG relative luminance)."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (v / 255 for v in _rgb(colour))
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return luminance < 0.179
