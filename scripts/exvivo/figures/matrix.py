"""Drugs across screens: a row per screen, a column per drug, colour for the score.

Cells of one colour are one path, so that a thousand screens still make a page of a few hundred kilobytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from exvivo.figures.palette import DIVERGING, ramp
from exvivo.figures.svg import Figure, coordinate, group, label, shorten, tag
from exvivo.figures.words import count, known

LEFT, CELL = 140.0, 12.0  # the page's script finds a cell by these
_LEVELS, _TOP_SCORE = 24, 50.0


@dataclass(frozen=True)
class MatrixRow:
    """A screen: its scores by column (None: not tested), or why it has none."""

    name: str
    scores: Sequence[float | None]
    held: bool = False
    note: str = ""
    href: str = ""


def shade(score: float, hit: float) -> int:
    """The level, 0 to 24, of a score: 0 the least effect, 12 exactly at the hit limit, 24 at 50 and above."""
    if score <= hit:
        share = 0.5 * max(score, 0.0) / hit if hit > 0 else 0.5
    else:
        share = 0.5 + 0.5 * min((score - hit) / max(_TOP_SCORE - hit, 1.0), 1.0)
    return round(share * _LEVELS)


def top_of(columns: Sequence[str]) -> float:
    """Where the first row begins: below the names of the columns, written at 60 degrees."""
    return (max(min(len(c), 22) for c in columns) * 5.2 + 14) * 0.87 + 8


def matrix(rows: Sequence[MatrixRow], columns: Sequence[str], *, hit: float) -> Figure:
    """Scores of `rows` by `columns`; screens on hold are grey and keep their place. `ValueError` without rows."""
    if not rows or not columns:
        raise ValueError("there is nothing to draw")
    top = top_of(columns)
    wide, high = len(columns) * CELL, len(rows) * CELL
    body = group(
        *(_column(c, LEFT + (i + 0.5) * CELL, top - 5) for i, c in enumerate(columns)),
        _cells(rows, top, hit),
        *(_row(row, top + (i + 0.5) * CELL, wide) for i, row in enumerate(rows)),
        _legend(top + high + 14, hit),
    )
    text = f"Scores of {count(len(columns), 'drug')} in {count(len(rows), 'screen')}, {sum(r.held for r in rows)} on hold."
    width = LEFT + wide + top * 0.6
    return Figure(max(width, 560.0), top + high + 52, body, text, interactive=True)


def _column(name: str, x: float, y: float) -> Markup:
    place = f"rotate(-60 {x:.1f} {y:.1f})"
    return label(x + 3, y, shorten(name, 22), class_="name tick", transform=place)


def _row(row: MatrixRow, y: float, wide: float) -> Markup:
    kind = "name end" + (" held-name" if row.held else "")
    name = label(LEFT - 6, y + 3.5, shorten(row.name, 22), class_=kind)
    parts = [tag("a", name, href=row.href) if row.href else name]
    if row.held:
        parts.append(
            tag(
                "rect", x=LEFT, y=y - CELL / 2 + 0.5, width=wide, height=CELL - 1, class_="held-row"
            )
        )
        parts.append(
            group(
                tag("title", row.note),
                label(LEFT + 6, y + 3.2, f"on hold: {shorten(row.note, 90)}", class_="small"),
            )
        )
    return group(*parts)


def _cells(rows: Sequence[MatrixRow], top: float, hit: float) -> Markup:
    """One path per colour, each cell a stroke of its own; what was not tested is a small dot."""
    levels: dict[int, list[str]] = {}
    empty = []
    for r, row in enumerate(rows):
        if row.held:
            continue
        for c, score in enumerate(row.scores):
            if known(score):
                levels.setdefault(shade(float(score), hit), []).append(f"M{c} {r}h1")
            else:
                empty.append(f"M{c}.5 {r}h0")
    drawn = [
        tag("path", d="".join(s), stroke=colour_of(level)) for level, s in sorted(levels.items())
    ]
    if empty:
        drawn.append(tag("path", d="".join(empty), class_="untested"))
    place = f"translate({coordinate(LEFT)} {coordinate(top + CELL / 2)}) scale({coordinate(CELL)})"
    return group(*drawn, class_="cells", transform=place)


def colour_of(level: int) -> str:
    """The colour of a level: blue below the limit, white at it, orange above.

    Most drugs do little in most screens, so that blue ends before it is dark.
    """
    share = 1 - level / _LEVELS
    return ramp(DIVERGING, min(share, 0.5 + 0.6 * (share - 0.5)))


def _legend(top: float, hit: float) -> Markup:
    step = 8.0
    boxes = [
        tag("rect", x=LEFT + i * step, y=top, width=step, height=10, fill=colour_of(i))
        for i in range(_LEVELS + 1)
    ]
    marks = ((0, "0"), (_LEVELS / 2, f"{hit:g}"), (_LEVELS, f"≥ {_TOP_SCORE:g}"))
    words = [label(LEFT + (i + 0.5) * step, top + 22, w, class_="small middle") for i, w in marks]
    right = LEFT + (_LEVELS + 1) * step
    return group(
        *boxes,
        *words,
        label(right + 10, top + 9, "DSS_asym", class_="small"),
        tag("path", d=f"M{coordinate(right + 76)} {coordinate(top + 5)}h0", class_="untested-key"),
        label(right + 84, top + 9, "not tested or no score", class_="small"),
    )
