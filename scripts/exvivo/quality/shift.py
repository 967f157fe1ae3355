"""By how much one group of wells lies above another, with an interval that assumes no distribution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from exvivo.quality.statistics import cliffs_delta

_LEVEL = 0.95
_NORMAL_95 = 1.959963984540054
_MOST_EXACT = 60  # wells of both groups together; beyond it the normal approximation


@dataclass(frozen=True)
class Shift:
    """Difference of two groups: Hodges and Lehmann's estimate with its 95 % interval (Moses), Cliff's delta likewise.

    The interval is infinite where so few wells cannot give one.
    """

    value: float
    low: float
    high: float
    delta: float
    delta_low: float
    delta_high: float


def shift(first: ArrayLike, second: ArrayLike) -> Shift:
    """How far `first` lies above `second`; all NaN where a group has no finite value."""
    a, b = (x[np.isfinite(x)] for x in (np.asarray(v, dtype=float) for v in (first, second)))
    if not len(a) or not len(b):
        return Shift(*[float("nan")] * 6)
    pairs = a[:, None] - b[None, :]
    ordered = np.sort(pairs.ravel())
    below = _pairs_left_out(len(a), len(b))
    ends = (ordered[below], ordered[-1 - below]) if below >= 0 else (-np.inf, np.inf)
    signs = np.sign(pairs)
    delta = cliffs_delta(a, b)
    return Shift(
        float(np.median(ordered)), *map(float, ends), delta, *_delta_interval(signs, delta)
    )


def _pairs_left_out(m: int, n: int) -> int:
    """How many of the m n differences lie outside the interval at each end; -1 if it has no end."""
    if m + n > _MOST_EXACT:
        half = _NORMAL_95 * np.sqrt(m * n * (m + n + 1) / 12)
        return int(np.floor(m * n / 2 - half))
    tail = np.cumsum(_rank_sums(m, n))
    return int(np.searchsorted(tail, (1 - _LEVEL) / 2, side="right")) - 1


@cache
def _rank_sums(m: int, n: int) -> tuple[float, ...]:
    """Probabilities of the Mann–Whitney statistic 0, 1, … m n of two groups that do not differ.

    The number of ways is the coefficient of the Gaussian binomial, multiplied out factor by factor.
    """
    ways = np.zeros(m * n + 1)
    ways[0] = 1.0
    for i in range(1, m + 1):
        for u in range(m * n, n + i - 1, -1):  # times 1 - q^(n+i)
            ways[u] -= ways[u - n - i]
        for u in range(i, m * n + 1):  # by 1 - q^i
            ways[u] += ways[u - i]
    return tuple(ways / ways.sum())


def _delta_interval(signs: np.ndarray, delta: float) -> tuple[float, float]:
    """95 % interval of Cliff's delta (Cliff 1996, asymmetric about the estimate); NaN for single wells."""
    m, n = signs.shape
    if m < 2 or n < 2:
        return float("nan"), float("nan")
    rows, columns = signs.mean(axis=1) - delta, signs.mean(axis=0) - delta
    within = np.sum((signs - delta) ** 2)
    variance = (n**2 * np.sum(rows**2) + m**2 * np.sum(columns**2) - within) / (
        m * n * (m - 1) * (n - 1)
    )
    variance = max(variance, (1 - delta**2) / (m * n - 1))
    z = _NORMAL_95
    root = z * np.sqrt(variance) * np.sqrt((1 - delta**2) ** 2 + z**2 * variance)
    scale = 1 - delta**2 + z**2 * variance
    if scale <= 0:
        return delta, delta
    low, high = ((delta - delta**3 + sign * root) / scale for sign in (-1, 1))
    return float(max(low, -1.0)), float(min(high, 1.0))
