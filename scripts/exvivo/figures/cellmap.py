"""Maps of cells side by side: by class, by sample, by cluster, and made of the cells themselves."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from exvivo.figures.palette import KINDS
from exvivo.figures.svg import Figure, group, label, shorten, tag
from exvivo.figures.words import count

_SIDE, _GAP, _TOP, _ROW = 300.0, 28.0, 24.0, 14.0
_SHOWN = len(KINDS)  # entries of a legend


def cell_maps(
    panels: Sequence[tuple[str, NDArray[np.uint8], Mapping[str, str]]], *, cells: int
) -> Figure:
    """Panels in rows of two, each a title, an image (H, W, 3) and its legend (name → colour)."""
    if not panels:
        raise ValueError("there is nothing to draw")
    tall = _TOP + _SIDE + _ROW * (1 + max(min(len(of), _SHOWN + 1) for _, _, of in panels)) + 8
    parts = []
    for i, (title, image, legend) in enumerate(panels):
        x, y = (i % 2) * (_SIDE + _GAP), (i // 2) * tall
        own = [
            label(0, 14, title, class_="title"),
            tag("image", href=_data(image), x=0, y=_TOP, width=_SIDE, height=_SIDE),
            tag("rect", x=0, y=_TOP, width=_SIDE, height=_SIDE, fill="none", stroke="#c8ccd0"),
            *_legend(legend),
        ]
        parts.append(group(*own, transform=f"translate({x:g} {y:g})"))
    rows = -(-len(panels) // 2)
    text = f"Map of {count(cells, 'cell')} in the latent space, coloured by {', '.join(title for title, _, _ in panels)}."
    return Figure(2 * _SIDE + _GAP, rows * tall, group(*parts), text)


def _legend(legend: Mapping[str, str]) -> list[Markup]:
    parts = []
    for i, (name, colour) in enumerate(list(legend.items())[:_SHOWN]):
        y = _TOP + _SIDE + _ROW * (i + 1)
        parts.append(tag("rect", x=0, y=y - 8, width=9, height=9, fill=colour))
        parts.append(label(14, y, shorten(name, 40)))
    if len(legend) > _SHOWN:
        y = _TOP + _SIDE + _ROW * (_SHOWN + 1)
        parts.append(label(14, y, f"and {len(legend) - _SHOWN} more in the last colour"))
    return parts


def _data(image: NDArray[np.uint8]) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
