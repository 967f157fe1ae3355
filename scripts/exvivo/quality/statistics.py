"""How far two groups of control wells lie apart. All functions take the values of negative and positive wells.

Each needs two finite values in either group and answers NaN otherwise: no verdict can follow from less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

MAD_TO_SD = (
    1.4826  # makes the median absolute deviation of a normal distribution its standard deviation
)


def robust_sd(values: ArrayLike) -> float:
    """1.4826 times the median absolute deviation from the median; NaN without values."""
    x = _finite(values)
    return float(MAD_TO_SD * np.median(np.abs(x - np.median(x)))) if len(x) else float("nan")


def robust_z_prime(negative: ArrayLike, positive: ArrayLike) -> float:
    """1 - 3 (robust sd + robust sd) / |difference of medians| (Berker et al. 2022, with R's mad).

    NaN where neither group varies at all: such a readout is broken, not perfect.
    """
    n, p = _finite(negative), _finite(positive)
    spread = robust_sd(n) + robust_sd(p) if _two(n, p) else 0.0
    return _z(spread, np.median(n) - np.median(p)) if spread > 0 else _NAN


def z_prime(negative: ArrayLike, positive: ArrayLike) -> float:
    """Z' of Zhang, Chung and Oldenburg (1999): 1 - 3 (sd + sd) / |difference of means|."""
    n, p = _finite(negative), _finite(positive)
    return _z(n.std(ddof=1) + p.std(ddof=1), n.mean() - p.mean()) if _two(n, p) else _NAN


def z_prime_fixsd(negative: ArrayLike, positive: ArrayLike) -> float:
    """Z' with sqrt(var + var) in place of the sum of the two sd, as imageHTS and iTReX compute it."""
    n, p = _finite(negative), _finite(positive)
    if not _two(n, p):
        return _NAN
    return _z(np.sqrt(n.var(ddof=1) + p.var(ddof=1)), n.mean() - p.mean())


def ssmd(negative: ArrayLike, positive: ArrayLike) -> float:
    """Strictly standardised mean difference (Zhang 2007): difference of means / sqrt(var + var)."""
    n, p = _finite(negative), _finite(positive)
    spread = np.sqrt(n.var(ddof=1) + p.var(ddof=1)) if _two(n, p) else 0.0
    return float((n.mean() - p.mean()) / spread) if spread > 0 else _NAN


def signal_to_background(negative: ArrayLike, positive: ArrayLike) -> float:
    """Ratio of the means of the raw values; NaN where the positive controls have the mean 0."""
    n, p = _finite(negative), _finite(positive)
    return float(n.mean() / p.mean()) if _two(n, p) and p.mean() != 0 else _NAN


def coefficient_of_variation(values: ArrayLike) -> float:
    """100 sd / |mean|, in percent; NaN where the mean is 0."""
    x = _finite(values)
    return float(100 * x.std(ddof=1) / abs(x.mean())) if len(x) > 1 and x.mean() != 0 else _NAN


def cliffs_delta(first: ArrayLike, second: ArrayLike) -> float:
    """P(first > second) - P(first < second), -1 to 1: an effect size without units (Cliff 1993)."""
    a, b = _finite(first), _finite(second)
    return float(np.sign(a[:, None] - b[None, :]).mean()) if len(a) and len(b) else _NAN


_NAN = float("nan")


def _finite(values: ArrayLike) -> np.ndarray:
    x = np.asarray(values, dtype=float)
    return x[np.isfinite(x)]


def _two(n: np.ndarray, p: np.ndarray) -> bool:
    return len(n) > 1 and len(p) > 1


def _z(spread: float, window: float) -> float:
    """1 - 3 spread / |window|; no window at all is as bad as can be, and no number."""
    return float(1 - 3 * spread / abs(window)) if window != 0 else _NAN
