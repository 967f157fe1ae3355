"""From numbers to flags: each check with its limit and what follows, as the configuration says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from exvivo.inspection.flags import flag


@dataclass(frozen=True)
class Check:
    """One check of single wells.

    Attributes: `name`; `value` the number that is compared, by well, from the metrics of a plate; `above`
    whether more than the limit is wrong, or less; `text` what is wrong, as the beginning of a sentence.
    """

    name: str
    value: Callable[[pd.DataFrame], pd.Series]
    above: bool
    text: str


def _column(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda metrics: metrics[name]


CHECKS = (
    Check("empty", _column("signal"), False, "there is nothing to see but the ground"),
    Check("saturated", _column("ceiling"), True, "too many pixels have the largest possible value"),
)


def check_plate(metrics: pd.DataFrame, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of `exvivo.tables.WELL_FLAGS` for the metrics of one plate (`exvivo.tables.IMAGE_QUALITY`).

    `settings` is the section `image_quality` of the configuration.
    """
    return [row for check in CHECKS for row in _apply(check, metrics, settings[check.name])]


def _apply(
    check: Check, metrics: pd.DataFrame, setting: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    limit, values = setting["limit"], check.value(metrics)
    wrong = values > limit if check.above else values < limit
    needed = "at most" if check.above else "at least"
    for index in metrics.index[wrong]:
        row, value = metrics.loc[index], float(values[index])
        text = f"{check.text} ({value:.3g}, {needed} {limit:g} is usual)"
        yield flag(
            row["plate"], row["well"], check.name, setting["consequence"], text,
            value=value, limit=float(limit),
        )  # fmt: skip
