"""Wells that look neither alive nor dead as the controls do: the network's own view of what it was never shown.

The two kinds of controls span a line in the space of the network's penultimate features: from dead to alive.
A dying well lies near that line; one that looks like neither control, nor like anything between them, lies off
it. The distance from the line is measured in units of the controls' own spread (Mahalanobis' distance with a
covariance shrunk towards equal variances, since there are far fewer controls than features) and compared with the distances of the
controls, each taken by a line and a spread that it had no part in. Ours; the covariance after Ledoit and Wolf
2004 (J Multivar Anal 88:365) in idea, with a fixed share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.inspection.flags import flag
from exvivo.sheets.layouts import contrast_wells

Array = NDArray[np.float64]
MIN_CONTROLS = 4  # of each kind on the screen: fewer have no spread to speak of
SHRINK = 0.5  # share of equal variances in the covariance
BEYOND = 0.25  # how far the line goes on behind the controls, as a share of their distance
WIDENED = 6.0  # the spread grows by this over the number of controls: the network has seen them
_LEAST_SPREAD = 0.15  # of the logarithm of a distance: a dozen controls may agree by chance


def novel_wells(
    features: pd.DataFrame,
    layout: pd.DataFrame,
    contrast: Mapping[str, Mapping[str, Any]],
    setting: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Rows of `exvivo.tables.WELL_FLAGS` for the wells that lie far from both kinds of controls.

    Args:
        features: plate, well, then one column per penultimate activation (rule predict_screen).
        layout: `exvivo.tables.LAYOUT` of the screen.
        contrast: which wells are the controls (`exvivo.sheets.layouts.contrast_wells`).
        setting: `limit` of the distance in robust standard deviations, and `consequence`.

    No row where the screen has fewer than four controls of a kind, or no features.

    """
    distance = novelty(features, layout, contrast)
    limit, rows = float(setting["limit"]), []
    for index in features.index[distance.to_numpy() > limit]:
        value = float(distance[index])
        text = (
            "to the network it looks neither like the negative nor like the positive controls, nor like anything "
            f"between them ({value:.1f} standard deviations, at most {limit:g} are usual)"
        )
        where = features.at[index, "plate"], features.at[index, "well"]
        rows.append(
            flag(*where, "novel", setting["consequence"], text, source="network",
                 value=value, limit=limit)
        )  # fmt: skip
    return rows


def novelty(
    features: pd.DataFrame, layout: pd.DataFrame, contrast: Mapping[str, Mapping[str, Any]]
) -> pd.Series:
    """Distance of each row of `features` from the line between the controls.

    In robust standard deviations (1.4826 times the median absolute deviation, of logarithms) above the median
    of the controls, each measured without itself, widened where there are few of them; NaN where there are too few controls, or
    where all controls have the same features.
    """
    sides = dict(
        zip(
            zip(layout["plate"], layout["well"], strict=True),
            contrast_wells(layout, contrast),
            strict=True,
        )
    )
    keys = zip(features["plate"], features["well"], strict=True)
    side = np.array([sides.get(key, "") for key in keys], dtype=object)
    values = features.drop(columns=["plate", "well"]).to_numpy(dtype=np.float64)
    counts = [int((side == name).sum()) for name in ("negative", "positive")]
    scale = values[side != ""].std(axis=0) if min(counts) >= MIN_CONTROLS else np.zeros(0)
    if not (scale > 0).any():  # too few controls, or a network that tells nothing apart
        return pd.Series(np.nan, index=features.index)
    values = values[:, scale > 0] / scale[scale > 0]
    known, kind = values[side != ""], side[side != ""]
    own = np.log(
        [
            _distances(np.delete(known, row, axis=0), np.delete(kind, row), known[row : row + 1])[0]
            for row in range(len(known))
        ]
    )
    spread = max(1.4826 * float(np.median(np.abs(own - np.median(own)))), _LEAST_SPREAD)
    spread *= 1.0 + WIDENED / len(known)
    distances = np.log(_distances(known, kind, values))
    distances[side != ""] = own
    return pd.Series((distances - np.median(own)) / spread, index=features.index)


def _distances(controls: Array, side: NDArray, values: Array) -> Array:
    """Distance of each row of `values` from the line through the centres of both kinds, always above 0."""
    dead, alive = (np.median(controls[side == name], axis=0) for name in ("positive", "negative"))
    axis = alive - dead

    def off_line(rows: Array) -> Array:
        place = (rows - dead) @ axis / max(float(axis @ axis), 1e-12)
        return rows - dead - np.clip(place, -BEYOND, 1.0 + BEYOND)[:, None] * axis

    inner, residual = off_line(controls), off_line(values)
    # Covariance = (1 - s) inner' inner / n + s v I; its inverse by way of the few rows of `inner` alone.
    count, width = inner.shape
    ridge = SHRINK * max(float((inner**2).sum()) / (count * width), 1e-12)
    weight = (1.0 - SHRINK) / (count * ridge)
    across = residual @ inner.T
    solved = np.linalg.solve(weight * (inner @ inner.T) + np.eye(count), across.T).T
    square = (residual**2).sum(axis=1) - weight * (across * solved).sum(axis=1)
    return np.sqrt(np.maximum(square, 1e-12) / (ridge * width))
