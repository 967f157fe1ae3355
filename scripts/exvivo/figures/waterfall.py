"""The waterfall: one bar per drug, the most effective first."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from exvivo.figures.scales import Linear, left_axis, rotated_title
from exvivo.figures.svg import Figure, group, label, path, shorten, tag
from exvivo.figures.words import count, fixed, known

MOST_BARS = 100  # more would be too thin to read; the rest stands in the table
_PLOT = 250.0
_LABEL = 22  # characters of a name
_LEFT, _TOP = 52.0, 22.0


@dataclass(frozen=True)
class Bar:
    """One drug: `key` links it with its other figures, `replicates` are the scores of single replicates.

    `low` and `high` are the ends of the score's interval, None where there is none.
    """

    key: str
    name: str
    score: float
    hit: bool
    replicates: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None


def bars_of(scores: pd.DataFrame) -> list[Bar]:
    """Bars of the drugs of `scores` that have a score, highest first; equal scores by name.

    Columns read: treatment, dss_asym, hit; addon, key, dss_asym_low and _high, dss_asym_rep1, … where there
    are such.
    """
    columns = [c for c in scores.columns if str(c).startswith("dss_asym_rep")]
    bars = [
        Bar(
            key=str(row.get("key", "")),
            name=drug_name(row["treatment"], row.get("addon", "")),
            score=float(row["dss_asym"]),
            hit=bool(row["hit"]),
            replicates=tuple(float(row[c]) for c in columns if known(row[c])),
            low=_number(row.get("dss_asym_low")),
            high=_number(row.get("dss_asym_high")),
        )
        for row in scores.to_dict("records")
        if known(row["dss_asym"])
    ]
    return sorted(bars, key=lambda bar: (-bar.score, bar.name.casefold(), bar.name))


def _number(value: object) -> float | None:
    return float(value) if known(value) else None  # type: ignore[arg-type]


def drug_name(treatment: object, addon: object = "") -> str:
    """The name of a drug, with its combination partner if it has one."""
    return f"{treatment} + {addon}" if addon and addon == addon else str(treatment)


def waterfall(scores: pd.DataFrame, *, hit: float = 10.0, links: bool = False) -> Figure:
    """Bars of DSS_asym (Berker et al. 2022, section II-D) by rank, with the line above which a drug is a hit.

    Parameters: `scores` as for `bars_of`; `hit` the limit; `links` makes each bar a link to `#key`.
    `ValueError` if no drug has a score.
    """
    every = bars_of(scores)
    if not every:
        raise ValueError("no drug has a score: there is nothing to draw")
    bars = every[:MOST_BARS]
    step = min(max(940 / len(bars), 11.5), 44.0)
    names = max(min(len(bar.name), _LABEL) for bar in bars) * 5.4 + 18  # at 60 degrees
    width, height = _LEFT + step * len(bars) + 70, _TOP + _PLOT + names
    values = [v for bar in bars for v in (bar.score, *bar.replicates, bar.high or 0.0)]
    scale = Linear(min(0.0, *values), max(hit * 1.3, *values) * 1.03, _TOP + _PLOT, _TOP)
    right = _LEFT + step * len(bars)
    drawn = [_bar(bar, _LEFT + i * step, step, scale, links=links) for i, bar in enumerate(bars)]
    body = group(
        left_axis(scale, _LEFT - 4, right),
        rotated_title(14, _TOP + _PLOT / 2, "DSS_asym"),
        *drawn,
        path([(_LEFT - 4, scale(0)), (right, scale(0))], class_="axis"),
        path([(_LEFT - 4, scale(hit)), (right, scale(hit))], class_="limit"),
        label(right + 5, scale(hit) + 3.5, f"hit: > {hit:g}", class_="limit-text"),
    )
    return Figure(width, height, body, _in_words(every, bars, hit), interactive=links)


def _bar(bar: Bar, x: float, step: float, scale: Linear, *, links: bool) -> Markup:
    thick = step * 0.74
    left, middle = x + (step - thick) / 2, x + step / 2
    ends = sorted((scale(0), scale(bar.score)))
    kind = "hit" if bar.hit else "no-hit"
    base = scale(scale.low) + 10
    parts = [
        tag("rect", x=x, y=scale(scale.high), width=step, height=_PLOT, fill="transparent"),
        tag(
            "rect",
            x=left,
            y=ends[0],
            width=thick,
            height=max(ends[1] - ends[0], 1),
            class_=kind,
            rx=1,
        ),
        _interval(bar, middle, min(4.0, step / 4), scale),
        *(
            tag("circle", cx=middle, cy=scale(value), r=min(2.2, step / 5), class_="whisker")
            for value in bar.replicates
        ),
        label(
            middle + 3,
            base,
            shorten(bar.name, _LABEL),
            class_="name end " + ("hit-label" if bar.hit else ""),
            transform=f"rotate(-60 {middle + 3:.1f} {base:.1f})",
        ),
    ]
    if not links:
        return group(tag("title", f"{bar.name}: {fixed(bar.score)}"), *parts)
    ends = f" ({fixed(bar.low)} to {fixed(bar.high)})" if known(bar.low) else ""
    told = f"{bar.name}, DSS_asym {fixed(bar.score)}{ends}{', hit' if bar.hit else ''}"
    return tag("a", *parts, href=f"#{bar.key}", data_drug=bar.key, aria_label=told, class_="bar")


def _interval(bar: Bar, middle: float, half: float, scale: Linear) -> Markup:
    """A whisker over the score's interval, with a stroke at either end."""
    if bar.low is None or bar.high is None:
        return group()
    low, high = scale(bar.low), scale(bar.high)
    strokes = [[(middle - half, y), (middle + half, y)] for y in (low, high)]
    lines = [[(middle, low), (middle, high)], *strokes]
    return group(*(path(line, class_="interval") for line in lines))


def _in_words(every: list[Bar], shown: list[Bar], hit: float) -> str:
    hits = [bar for bar in every if bar.hit]
    best = ", ".join(f"{bar.name} {fixed(bar.score)}" for bar in hits[:10])
    text = f"Waterfall of DSS_asym: {count(len(every), 'drug')}, {count(len(hits), 'hit')} above {hit:g}"
    text += f" ({best}{', …' if len(hits) > 10 else ''})" if hits else ""
    rest = len(every) - len(shown)
    return f"{text}; {count(rest, 'drug')} with lower scores not drawn." if rest else f"{text}."
