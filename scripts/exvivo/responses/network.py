"""What a network gets wrong about a drug whichever controls it has seen: the part of an interval that no screen can tell.

A network learns from wells that are wholly alive and wells that are dead. Between the two, and of cells that die otherwise
than those of the positive control, it reads all wells of a drug as too dead or too alive alike, its replicates agree, and so do its
siblings of a cross-fit. How large such errors are is known of simulated screens alone, where the truth is known: their standard
deviation by level of inhibition, less what the scatter of replicates explains (ours; `benchmarks/network_error.py`, which
also says how many intervals of other simulated screens then hold the truth). That networks err as much on real cells is an assumption.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# benchmarks/network_error.tsv: phase II, efficientnet_lite0, simulated screens of the seeds 201 to 206.
LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SD = (0.082, 0.1, 0.122, 0.134, 0.135, 0.151, 0.205, 0.247, 0.229, 0.204, 0.187)
DEGREES = 59.0  # of freedom behind them


def network_error(level: ArrayLike) -> Array:
    """Standard deviation of the error, common to all wells of a drug, at these levels of inhibition (fraction)."""
    return np.interp(level, LEVELS, SD)
