"""Networks of a search ranked by accuracy, time and size.

The published search ranked by training accuracy and chose by time, size and test accuracy (Heinemann et al. 2022, Methods).
How these are weighed is not told; ours: of the nets within 5 points of the best, the smallest product of time and size.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

WITHIN = 0.05  # of the best training accuracy: nets that may be chosen


def rank(nets: pd.DataFrame) -> pd.DataFrame:
    """All nets, the highest training accuracy first, with `front` and `chosen`.

    `front`: no other net is as accurate, as fast and as small, and better in one of the three. `chosen`: one of the nets
    within 5 points of the best with the smallest time × size; the smaller number of equal ones. Nets without accuracy come last.
    """
    nets = nets.sort_values(
        ["train_accuracy", "seconds", "weights", "net"], ascending=[False, True, True, True]
    ).reset_index(drop=True)
    nets["front"] = pareto_front(nets)
    near = nets[nets["train_accuracy"] >= nets["train_accuracy"].max() - WITHIN]
    cost = near["seconds"] * near["weights"].clip(lower=1)
    chosen = near.assign(cost=cost).sort_values(["cost", "net"]).index[:1]
    return nets.assign(chosen=nets.index.isin(chosen))


def pareto_front(nets: pd.DataFrame) -> np.ndarray:
    """Which rows (n,) no other row beats: accuracy up, seconds and weights down.

    Rows in the order of `rank`: only a row above can beat one below, so few comparisons are needed.
    """
    front = np.zeros(len(nets), bool)
    best = np.empty((0, 2))
    values = nets[["seconds", "weights"]].to_numpy(float)
    for place in np.flatnonzero(nets["train_accuracy"].notna()):
        if not (best <= values[place]).all(axis=1).any():
            front[place] = True
            best = np.vstack([best, values[place]])
    return front
