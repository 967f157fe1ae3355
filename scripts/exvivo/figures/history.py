"""Training curves of one phase: loss with its smallest reachable value, accuracy and AUROC."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from exvivo.figures.scales import Linear, bottom_axis, left_axis, rotated_title
from exvivo.figures.svg import Figure, group, label, path, tag
from exvivo.figures.words import fixed, known

SMALLEST_LOSS = 0.5004024235381879  # -(0.8 ln 0.8 + 0.2 ln 0.2): label smoothing 0.4, two classes
_WIDTH, _LEFT, _RIGHT, _TOP, _PLOT = 330.0, 46.0, 14.0, 30.0, 140.0
_PAIRS = {
    "loss": ("loss", "validation_loss"),
    "accuracy": ("accuracy", "validation_accuracy"),
    "auroc": ("auroc", "validation_auroc"),
}
TITLES = {"loss": "Loss", "accuracy": "Accuracy", "auroc": "AUROC"}


def history(
    table: pd.DataFrame, measure: str, *, floor: float | None = SMALLEST_LOSS
) -> Figure | None:
    """One measure (`loss`, `accuracy` or `auroc`) by epoch, training and validation.

    Columns: epoch and those of the measure; a column that is absent or all missing is not drawn. `floor` is
    the smallest reachable loss (None: no line). None if there is nothing to draw.
    """
    lines = {name: _values(table, name) for name in _PAIRS[measure]}
    lines = {name: found for name, found in lines.items() if found}
    if not lines:
        return None
    epochs = [epoch for found in lines.values() for epoch, _ in found]
    across = Linear(min(epochs) - 0.5, max(epochs) + 0.5, _LEFT, _WIDTH - _RIGHT)
    up = _vertical(lines, measure, floor)
    bottom = _TOP + _PLOT
    drawn = [
        _line(found, across, up, "validation" if name.startswith("validation") else "training")
        for name, found in lines.items()
    ]
    body = group(
        label(_LEFT, 14, TITLES[measure], class_="heading"),
        _key(lines),
        left_axis(up, _LEFT, _WIDTH - _RIGHT, ticks=up.ticks(4)),
        bottom_axis(across, bottom, bottom, ticks=_epoch_ticks(across)),
        _floor(up, floor if measure == "loss" else None),
        *drawn,
        path([(_LEFT, bottom), (_WIDTH - _RIGHT, bottom)], class_="axis"),
        rotated_title(
            10, _TOP + _PLOT / 2, TITLES[measure].lower() if measure != "auroc" else "AUROC"
        ),
        label((_LEFT + _WIDTH - _RIGHT) / 2, bottom + 29, "epoch", class_="axis-title middle"),
    )
    return Figure(_WIDTH, bottom + 36, body, _in_words(lines, measure))


def _values(table: pd.DataFrame, name: str) -> list[tuple[float, float]]:
    if name not in table or "epoch" not in table:
        return []
    pairs = zip(table["epoch"], table[name], strict=True)
    return [(float(e), float(v)) for e, v in pairs if known(e) and known(v)]


def _vertical(
    lines: dict[str, list[tuple[float, float]]], measure: str, floor: float | None
) -> Linear:
    values = [v for found in lines.values() for _, v in found]
    if measure == "loss":
        values.append(floor if floor is not None else min(values))
        room = max(max(values) - min(values), 0.02) * 0.08
        return Linear(min(values) - room, max(values) + room, _TOP + _PLOT, _TOP)
    low = min(*values, 0.9)
    return Linear(max(low - 0.05, -0.02), 1.02, _TOP + _PLOT, _TOP)


def _epoch_ticks(across: Linear) -> list[float]:
    return [t for t in across.ticks(5) if t == int(t)]


def _line(found: list[tuple[float, float]], across: Linear, up: Linear, kind: str) -> Markup:
    points = [(across(e), up(v)) for e, v in found]
    x, y = points[-1]
    dot = tag("circle", cx=x, cy=y, r=2.6, class_=f"{kind}-dot")
    return group(path(points, class_=kind), dot)


def _floor(up: Linear, floor: float | None) -> Markup:
    if floor is None or not up.low <= floor <= up.high:
        return group()
    y = up(floor)
    return group(
        path([(_LEFT, y), (_WIDTH - _RIGHT, y)], class_="limit"),
        label(_LEFT + 4, y - 4, f"smallest reachable: {floor:.4f}", class_="limit-text"),
    )


def _key(lines: Sequence[str]) -> Markup:
    """Names of the lines at the upper right, each with a piece of its line."""
    drawn, x = [], _WIDTH - _RIGHT
    for name in reversed(list(lines)):
        kind = "validation" if name.startswith("validation") else "training"
        drawn.append(label(x, 14, kind, class_="small end"))
        x -= 44 if kind == "validation" else 36
        drawn.append(path([(x - 20, 11), (x - 4, 11)], class_=kind))
        x -= 30
    return group(*drawn)


def _in_words(lines: dict[str, list[tuple[float, float]]], measure: str) -> str:
    ends = [
        f"{name.replace('_', ' ')} {fixed(found[0][1], 3)} at epoch {found[0][0]:g}, "
        f"{fixed(found[-1][1], 3)} at epoch {found[-1][0]:g}"
        for name, found in lines.items()
    ]
    return f"{TITLES[measure]} by epoch: {'; '.join(ends)}."
