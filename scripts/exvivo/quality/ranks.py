"""Ranks as normal scores, so that a few wild values decide nothing."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


def normal_scores(values: Array) -> Array:
    """Each column (n, c) as normal scores of its ranks; ties share the mean of theirs."""
    count = len(values)
    ranks = pd.DataFrame(values).rank().to_numpy()
    inverse = NormalDist().inv_cdf
    table = np.array([inverse((k - 0.5) / count) for k in np.arange(1, count + 0.25, 0.5)])
    return table[np.rint(2 * ranks - 2).astype(int)] if count else np.zeros(values.shape)
