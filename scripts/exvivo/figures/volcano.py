"""Volcano: size of every drug's effect against how unlikely it is by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from exvivo.figures.scales import Linear, bottom_axis, left_axis, rotated_title
from exvivo.figures.svg import Figure, group, label, path, shorten, tag
from exvivo.figures.words import count

_WIDE, _HIGH, _LEFT, _TOP, _RIGHT, _BOTTOM = 330.0, 270.0, 46.0, 30.0, 14.0, 46.0
_HIGHEST = 12.0  # -log10 p; beyond it chance is out of the question, and the axis useless
_NAMED = 6


@dataclass(frozen=True)
class Effect:
    """A drug: its name, effect, p-value of it, `hit`, and the key of its card."""

    name: str
    effect: float
    p: float
    hit: bool = False
    key: str = ""


def volcano(
    effects: Sequence[Effect],
    *,
    title: str,
    x_title: str,
    limit: float,
    p_limit: float,
) -> Figure:
    """One dot a drug; `limit` and `p_limit` are lines, hits are coloured and the largest named. `ValueError` without drugs."""
    if not effects:
        raise ValueError("there is nothing to draw")
    heights = {e: min(-math.log10(max(e.p, 1e-300)), _HIGHEST) for e in effects}
    top = max(max(heights.values()) * 1.08, -1.3 * math.log10(p_limit))
    low, high = min(min(e.effect for e in effects), 0.0), max(e.effect for e in effects)
    room = max(max(high, limit) - low, 0.1) * 0.06
    across = Linear(low - room, max(high, limit) + room, _LEFT, _LEFT + _WIDE)
    up = Linear(0.0, top, _TOP + _HIGH, _TOP)
    bottom = _TOP + _HIGH
    hits = sorted((e for e in effects if e.hit), key=lambda e: -e.effect)
    body = group(
        label(_LEFT, 16, title, class_="heading"),
        left_axis(up, _LEFT, _LEFT + _WIDE),
        bottom_axis(across, _TOP, bottom),
        path([(across(limit), _TOP), (across(limit), bottom)], class_="limit"),
        path(
            [(_LEFT, up(-math.log10(p_limit))), (_LEFT + _WIDE, up(-math.log10(p_limit)))],
            class_="limit",
        ),
        *(_dot(e, across(e.effect), up(h)) for e, h in heights.items()),
        *_names(hits[:_NAMED], across, up, heights),
        label(_LEFT + _WIDE / 2, bottom + 34, x_title, class_="axis-title middle"),
        rotated_title(13, _TOP + _HIGH / 2, "−log10 p"),
    )
    text = f"{title}: {count(len(effects), 'drug')}, {count(len(hits), 'hit')}."
    width, height = _LEFT + _WIDE + _RIGHT, _TOP + _HIGH + _BOTTOM
    return Figure(width, height, body, text, interactive=any(e.key for e in effects))


def _dot(effect: Effect, x: float, y: float) -> Markup:
    told = f"{effect.name}: {effect.effect:.2f}, p {effect.p:.2g}".replace("-", "−")
    kind = "dot hit" if effect.hit else "dot"
    drawn = tag("circle", tag("title", told), cx=x, cy=y, r=3.6 if effect.hit else 2.6, class_=kind)
    if not effect.key:
        return drawn
    return tag("a", drawn, href=f"#{effect.key}", data_drug=effect.key, aria_label=told)


def _names(
    hits: Sequence[Effect], across: Linear, up: Linear, heights: dict[Effect, float]
) -> list[Markup]:
    """Names beside the largest hits, towards the middle; one that would lie on another is left out."""
    placed: list[float] = []
    drawn = []
    for hit in hits:
        x, y = across(hit.effect), up(heights[hit]) + 3.5
        if any(abs(y - other) < 10 for other in placed):
            continue
        placed.append(y)
        right = x > _LEFT + _WIDE / 2
        kind = "small name end" if right else "small name"
        drawn.append(label(x - 7 if right else x + 7, y, shorten(hit.name, 18), class_=kind))
    return drawn
