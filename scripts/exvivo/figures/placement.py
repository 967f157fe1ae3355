"""Scores of a screen beside those of other screens: one line per drug, its own score against the others'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from exvivo.figures.scales import Linear, bottom_axis
from exvivo.figures.svg import Figure, group, label, path, shorten, tag
from exvivo.figures.words import count, fixed, known

MOST_ROWS = 40
_LEFT, _PLOT, _RIGHT, _TOP, _STEP = 150.0, 400.0, 20.0, 34.0, 19.0


@dataclass(frozen=True)
class Placed:
    """One drug: its score; median and quartiles of other screens, mean of healthy controls (None: unknown)."""

    key: str
    name: str
    score: float
    median: float | None = None
    low: float | None = None
    high: float | None = None
    healthy: float | None = None


def placement(drugs: Sequence[Placed], *, hit: float) -> Figure:
    """Dots (this screen) on bars (middle half of other screens), open diamonds for healthy controls.

    At most `MOST_ROWS` drugs, in the order given. `ValueError` if there are none.
    """
    if not drugs:
        raise ValueError("no drug to draw")
    shown = drugs[:MOST_ROWS]
    values = [v for d in shown for v in (d.score, d.low, d.high, d.healthy) if known(v)]
    across = Linear(min(0.0, *values), max(hit * 2, *values) * 1.03, _LEFT, _LEFT + _PLOT)
    bottom = _TOP + _STEP * len(shown)
    body = group(
        _key(),
        bottom_axis(across, _TOP, bottom),
        path([(across(hit), _TOP), (across(hit), bottom)], class_="limit"),
        *(_row(drug, _TOP + (i + 0.5) * _STEP, across) for i, drug in enumerate(shown)),
        label(_LEFT + _PLOT / 2, bottom + 30, "DSS_asym", class_="axis-title middle"),
    )
    return Figure(_LEFT + _PLOT + _RIGHT, bottom + 38, body, _in_words(drugs), interactive=True)


def _row(drug: Placed, y: float, across: Linear) -> Markup:
    parts = [
        tag("rect", x=0, y=y - _STEP / 2, width=_LEFT + _PLOT, height=_STEP, fill="transparent")
    ]
    if known(drug.low) and known(drug.high):
        start, end = across(drug.low), across(drug.high)
        parts.append(
            tag(
                "rect",
                x=start,
                y=y - 4,
                width=max(end - start, 1.5),
                height=8,
                class_="no-hit",
                rx=2,
            )
        )
    if known(drug.median):
        parts.append(
            path([(across(drug.median), y - 6), (across(drug.median), y + 6)], class_="median")
        )
    if known(drug.healthy):
        x = across(drug.healthy)
        parts.append(
            tag(
                "path",
                d=f"M{x:.1f} {y - 4.5:.1f}l4.5 4.5l-4.5 4.5l-4.5 -4.5z",
                class_="open negative",
            )
        )
    parts.append(tag("circle", cx=across(drug.score), cy=y, r=4, class_="hit"))
    parts.append(label(_LEFT - 8, y + 3.5, shorten(drug.name, 24), class_="name end"))
    told = _told(drug)
    if not drug.key:
        return group(tag("title", told), *parts)
    return tag("a", tag("title", told), *parts, href=f"#{drug.key}", data_drug=drug.key, aria_label=told)  # fmt: skip


def _key() -> Markup:
    x, y = _LEFT, 12
    return group(
        tag("circle", cx=x, cy=y - 3, r=4, class_="hit"),
        label(x + 9, y, "this screen", class_="small"),
        tag("rect", x=x + 72, y=y - 7, width=22, height=8, rx=2, class_="no-hit"),
        path([(x + 83, y - 9), (x + 83, y + 3)], class_="median"),
        label(x + 100, y, "other screens: middle half, median", class_="small"),
        tag("path", d=f"M{x + 272:.1f} {y - 7.5:.1f}l4.5 4.5l-4.5 4.5l-4.5 -4.5z", class_="open negative"),
        label(x + 286, y, "healthy controls: mean", class_="small"),
    )  # fmt: skip


def _told(drug: Placed) -> str:
    parts = [f"{drug.name}: {fixed(drug.score)}"]
    if known(drug.median):
        parts.append(
            f"other screens {fixed(drug.median)} ({fixed(drug.low)} to {fixed(drug.high)})"
        )
    if known(drug.healthy):
        parts.append(f"healthy controls {fixed(drug.healthy)}")
    return ", ".join(parts)


def _in_words(drugs: Sequence[Placed]) -> str:
    text = f"Scores beside other screens and healthy controls, {count(len(drugs), 'drug')}: "
    rest = len(drugs) - MOST_ROWS
    ending = f"; {count(rest, 'drug')} not drawn." if rest > 0 else "."
    return (
        text
        + "; ".join(_told(drug) for drug in drugs[:10])
        + ("; …" if len(drugs) > 10 else "")
        + ending
    )
