"""Bland and Altman's plot: the difference of two measurements against their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from exvivo.figures.scales import Linear, bottom_axis, left_axis, rotated_title
from exvivo.figures.scatter import Dot
from exvivo.figures.svg import Figure, group, label, path, tag
from exvivo.figures.words import count, fixed

_WIDE, _HIGH, _LEFT, _TOP, _RIGHT, _BOTTOM = 290.0, 290.0, 52.0, 30.0, 62.0, 46.0


def differences(
    dots: Sequence[Dot], *, title: str, bias: float, limits: tuple[float, float], unit: str
) -> Figure:
    """`dots` hold the two measurements as x and y; lines at the `bias` and the 95 % `limits` of agreement."""
    moved = [replace(dot, x=(dot.x + dot.y) / 2, y=dot.y - dot.x) for dot in dots]
    across = _axis([d.x for d in moved], _LEFT, _LEFT + _WIDE)
    up = _axis([*(d.y for d in moved), *limits, 0.0], _TOP + _HIGH, _TOP)
    body = group(
        label(_LEFT, 16, title, class_="heading"),
        left_axis(up, _LEFT, _LEFT + _WIDE),
        bottom_axis(across, _TOP, _TOP + _HIGH),
        path([(_LEFT, up(0)), (_LEFT + _WIDE, up(0))], class_="axis"),
        *(_level(up, value) for value in (bias, *limits)),
        *(_dot(dot, across, up) for dot in sorted(moved, key=lambda d: bool(d.kind))),
        label(_LEFT + _WIDE / 2, _TOP + _HIGH + 34, f"mean of both ({unit})", class_="axis-title middle"),
        rotated_title(13, _TOP + _HIGH / 2, "second minus first"),
    )  # fmt: skip
    text = (
        f"{title}: {count(len(dots), 'drug')}, mean difference {fixed(bias)}, "
        f"limits of agreement {fixed(limits[0])} to {fixed(limits[1])}."
    )
    return Figure(_LEFT + _WIDE + _RIGHT, _TOP + _HIGH + _BOTTOM, body, text, interactive=any(d.key for d in dots))  # fmt: skip


def _axis(values: Sequence[float], start: float, end: float) -> Linear:
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = max(high - low, 1.0) * 0.05
    return Linear(low - room, high + room, start, end)


def _level(up: Linear, value: float) -> Markup:
    right = _LEFT + _WIDE
    return group(
        path([(_LEFT, up(value)), (right, up(value))], class_="limit"),
        label(right + 5, up(value) + 3.5, fixed(value), class_="limit-text"),
    )


def _dot(dot: Dot, across: Linear, up: Linear) -> Markup:
    drawn = tag(
        "circle", tag("title", dot.text), cx=across(dot.x), cy=up(dot.y), r=4, class_=f"dot {dot.kind}".strip()
    )  # fmt: skip
    if not dot.key:
        return drawn
    return tag("a", drawn, href=f"#{dot.key}", data_drug=dot.key, aria_label=dot.text)
