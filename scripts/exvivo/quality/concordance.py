"""How two measurements of the same drugs agree: correlation, concordance, Bland and Altman's limits."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from exvivo.quality.agreement import correlate

_NORMAL_95 = 1.959963984540054
FEWEST = 3  # pairs


@dataclass(frozen=True)
class Concordance:
    """Agreement of `n` pairs.

    `pearson` with its 95 % interval (Fisher's z), `spearman`; `ccc` Lin's concordance correlation (1989), which
    also falls where one side is shifted or stretched; `bias` the mean of second minus first, `sd` of these
    differences, and the limits of agreement bias ± 1.96 sd (Bland and Altman 1986). NaN where not defined.
    """

    n: int
    pearson: float
    pearson_low: float
    pearson_high: float
    spearman: float
    ccc: float
    bias: float
    sd: float
    limit_low: float
    limit_high: float

    def record(self) -> dict[str, float]:
        """As plain values."""
        return asdict(self)


def concordance(first: ArrayLike, second: ArrayLike) -> Concordance:
    """Agreement of two series, pairs with a missing value left out."""
    a, b = (np.asarray(values, dtype=float) for values in (first, second))
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if len(a) < FEWEST:
        return Concordance(len(a), *[float("nan")] * 9)
    difference = b - a
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    pearson = correlate([(a, b)], "pearson")
    return Concordance(
        len(a),
        pearson,
        *fisher_interval(pearson, len(a)),
        correlate([(a, b)], "spearman"),
        lin_ccc(a, b),
        bias,
        sd,
        bias - _NORMAL_95 * sd,
        bias + _NORMAL_95 * sd,
    )


def lin_ccc(a: np.ndarray, b: np.ndarray) -> float:
    """Lin's concordance correlation coefficient, with variances over n as published."""
    spread = a.var() + b.var() + (a.mean() - b.mean()) ** 2
    return (
        float(2 * np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread > 0 else float("nan")
    )


def fisher_interval(r: float, n: int) -> tuple[float, float]:
    """95 % interval of a Pearson correlation; NaN for fewer than four pairs or where r is not defined."""
    if n < 4 or not abs(r) < 1:
        return (r, r) if n >= 4 and abs(r) == 1 else (float("nan"), float("nan"))
    z, half = np.arctanh(r), _NORMAL_95 / np.sqrt(n - 3)
    return float(np.tanh(z - half)), float(np.tanh(z + half))
