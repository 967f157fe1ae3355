"""Writing SVG safely: text is escaped, numbers are short, NaN and control characters never pass."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markupsafe import Markup, escape

# Everything XML 1.0 forbids. A drug name may hold anything; a file that no viewer opens helps nobody.
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: object) -> str:
    """`text` as a string whose forbidden characters are replaced by U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", str(text))


def shorten(text: object, limit: int) -> str:
    """`text` on one line and at most `limit` characters long, the rest replaced by an ellipsis."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: max(limit - 1, 1)].rstrip() + "…"


def coordinate(value: float) -> str:
    """A number for an attribute: two decimals, no trailing zeros; `ValueError` if it is not finite."""
    if not math.isfinite(value):
        raise ValueError(f"a figure was given the coordinate {value}; leave missing values out")
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """One SVG element; children that are not `Markup` are escaped, attributes that are None left out.

    `class_="x"` becomes `class="x"`, `data_drug="d1"` becomes `data-drug="d1"`.
    """
    written = [f"<{name}"]
    for key, value in attributes.items():
        if value is None:
            continue
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = coordinate(value)
        written.append(f' {key.rstrip("_").replace("_", "-")}="{escape(clean(value))}"')
    if not children:
        return Markup("".join(written) + "/>")
    inside = "".join(c if isinstance(c, Markup) else escape(clean(c)) for c in children)
    return Markup("".join(written) + f">{inside}</{name}>")


def group(*children: object, **attributes: object) -> Markup:
    """A `<g>` element."""
    return tag("g", *(children or (Markup(""),)), **attributes)


def label(x: float, y: float, text: object, **attributes: object) -> Markup:
    """A `<text>` element with its anchor point at (x, y)."""
    return tag("text", str(text), x=x, y=y, **attributes)


def path(points: Sequence[tuple[float, float]], **attributes: object) -> Markup:
    """An open line through `points`; empty if there are fewer than two."""
    if len(points) < 2:
        return Markup("")
    steps = " ".join(f"{coordinate(x)} {coordinate(y)}" for x, y in points)
    return tag("path", d=f"M{steps}", **attributes)


@dataclass(frozen=True)
class Figure:
    """A drawing and its text alternative.

    Attributes: `width`, `height` in CSS pixels at natural size; `body` the SVG inside the root element;
    `text` what a person who cannot see it is told; `interactive` True if it holds links or wells that can
    be reached with the keyboard.
    """

    width: float
    height: float
    body: Markup
    text: str
    interactive: bool = False

    def inline(self, class_: str = "") -> Markup:
        """The figure as an element of an HTML page, scaling with its container."""
        return tag(
            "svg",
            self.body,
            class_=f"figure {class_}".strip(),
            viewBox=f"0 0 {coordinate(self.width)} {coordinate(self.height)}",
            width=self.width,
            height=self.height,
            role="group" if self.interactive else "img",
            aria_label=self.text,
        )

    def standalone(self) -> str:
        """The figure as the text of an SVG file, with its style sheet inside."""
        background = tag("rect", width=self.width, height=self.height, fill="#fff")
        root = tag(
            "svg",
            tag("title", self.text),
            tag("style", Markup(stylesheet())),
            background,
            self.body,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {coordinate(self.width)} {coordinate(self.height)}",
            width=self.width,
            height=self.height,
            class_="figure",
            role="img",
        )
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{root}\n'


@cache
def stylesheet() -> str:
    """The style sheet that all figures share, in a page or alone."""
    return Path(__file__).with_name("figures.css").read_text(encoding="utf-8")


def stack(figures: Sequence[Figure], *, columns: int, gap: float = 24, text: str) -> Figure:
    """Several figures in rows of `columns`, each in a cell as large as the largest."""
    if not figures:
        raise ValueError("no figures to stack")
    wide, high = max(f.width for f in figures), max(f.height for f in figures)
    rows = math.ceil(len(figures) / columns)
    used = min(columns, len(figures))
    body = Markup("").join(
        tag(
            "svg",
            figure.body,
            x=gap / 2 + (index % columns) * (wide + gap),
            y=gap / 2 + (index // columns) * (high + gap),
            width=figure.width,
            height=figure.height,
            viewBox=f"0 0 {coordinate(figure.width)} {coordinate(figure.height)}",
        )
        for index, figure in enumerate(figures)
    )
    return Figure(used * (wide + gap), rows * (high + gap), body, text)
