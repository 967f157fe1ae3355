"""One picture per marker: the intensities of the cells, the two Gaussians, the threshold between them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from exvivo.cells.label import Labels
from exvivo.figures.scales import Linear, bottom_axis, rotated_title
from exvivo.figures.svg import Figure, group, label, path, stack, tag
from exvivo.markers import Mixture

_WIDE, _HIGH, _LEFT, _TOP = 300.0, 170.0, 34.0, 46.0
_BINS = 80


def plot_markers(labels: Labels, seen: Mapping[str, NDArray[np.float64]]) -> str:
    """The SVG file of a screen: a panel for each marker, of a refused one the reason in it."""
    panels = [_panel(name, labels, seen.get(name)) for name in labels.markers]
    if not panels:
        text = "No markers: the sample's row of samples.tsv names none"
        return Figure(420, 60, group(label(10, 34, text)), text).standalone()
    return stack(panels, columns=2, text="Markers of the sample").standalone()


def _panel(name: str, labels: Labels, seen: NDArray[np.float64] | None) -> Figure:
    mixture, reason = labels.mixtures.get(name), labels.refused.get(name, "")
    told = f"not used: {reason}" if reason else _in_words(mixture, labels.markers[name])
    parts = [
        label(_LEFT, 16, f"{name} (marks {labels.markers[name]} cells)", class_="heading"),
        label(_LEFT, 32, told),
    ]
    if mixture is not None and seen is not None:
        parts.append(_curves(mixture, seen))
    body = group(*parts)
    width, height = _LEFT + _WIDE + 14, _TOP + _HIGH + 46
    return Figure(width, height, body, f"{name}: {told}")


def _in_words(mixture: Mixture | None, means: str) -> str:
    if mixture is None:
        return ""
    share = mixture.positive if means == "cancer" else 1 - mixture.positive
    return (
        f"threshold {mixture.threshold:.2f}, {share:.0%} of {mixture.cells:,} cells called cancer"
    )


def _curves(mixture: Mixture, seen: NDArray[np.float64]) -> Markup:
    values = np.log10(seen[seen > 0])
    low, high = np.quantile(values, [0.001, 0.999])
    counts, edges = np.histogram(values, _BINS, (low, high), density=True)
    at = np.linspace(low, high, 120)
    bells = [
        weight * np.exp(-((at - mean) ** 2) / (2 * sd**2)) / (sd * np.sqrt(2 * np.pi))
        for weight, mean, sd in zip(mixture.weights, mixture.means, mixture.sds, strict=True)
    ]
    top = 1.08 * max(counts.max(), *(bell.max() for bell in bells))
    across = Linear(low, high, _LEFT, _LEFT + _WIDE)
    up = Linear(0.0, top, _TOP + _HIGH, _TOP)
    width = max(across(edges[1]) - across(edges[0]) - 0.5, 0.5)
    bars = [
        tag("rect", x=across(x), y=up(n), width=width, height=up(0) - up(n), fill="#c9ced6")
        for x, n in zip(edges[:-1], counts, strict=True)
    ]
    lines = [
        path(
            [(across(x), up(y)) for x, y in zip(at, bell, strict=True)], fill="none", stroke=colour
        )
        for bell, colour in zip(bells, ("#3b6ea5", "#b5523b"), strict=True)
    ]
    edge = across(min(max(mixture.threshold, low), high))
    return group(
        *bars,
        *lines,
        path([(edge, _TOP), (edge, _TOP + _HIGH)], stroke="#222", stroke_dasharray="4 3"),
        bottom_axis(across, _TOP, _TOP + _HIGH, ticks=across.ticks(5)),
        label(
            _LEFT + _WIDE / 2,
            _TOP + _HIGH + 36,
            "log10 grey value above local background",
            class_="axis-title middle",
        ),
        rotated_title(14, _TOP + _HIGH / 2, "density of cells"),
    )
