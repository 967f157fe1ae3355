"""How well wells fit what a layout puts in them: the marginal likelihood of a Gaussian process.

A layout says which wells should be alike: wells without a drug all of them, replicates of a dose, neighbouring
doses of one drug more than distant ones, and, with rising dose, wells of all drugs a little. Each number
measured on a plate (a principal component of image features, or a readout) is a draw from a normal distribution
with the covariance

    variance * [ share * layout + (1 - share) * (patch * place + (1 - patch) * identity) ],

in which `place` stands for smooth differences over the plate, rows and columns, so that a gradient is not taken
for a layout. The evidence is the log of its density with variance, share and patch chosen to fit, in nats. It can
be compared between arrangements of the same wells; a share of 0 is the arrangement that says nothing. (Rasmussen
and Williams 2006, chapters 2 and 5, for the likelihood; the covariance is ours.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Array = NDArray[np.float64]
Index = NDArray[np.int64]

NOTHING, EMPTY, UNKNOWN = "", "empty", "unknown"
_SHARES = (0.15, 0.4, 0.7, 0.9)
# Shares of differences over the plate, and what each costs in nats: most plates are even.
_PATCHES = {0.0: 0.0, 0.3: 2.0, 0.7: 3.0}
_LEVEL = 10.0  # variance of the plate's mean, which is not known
_REACH = 0.25  # of a smooth difference over the plate, as a share of its longer side


@dataclass(frozen=True)
class Contents:
    """What a plate of the layout holds, one entry per well.

    Attributes: `places` (m, 2) 0-based rows and columns; `drug` the treatment with its addon, "" for wells
    without one (negative control, untreated), "empty", "unknown"; `step` of the dose among the doses of that
    drug, 0 (no drug) to 1 (highest); `side` "negative", "positive" or "" by the contrast.
    """

    places: Index
    drug: NDArray[np.object_]
    step: Array
    side: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.places)


def likeness(contents: Contents, index: Index) -> Array:
    """The layout's covariance (n, n) of wells that hold the entries `index` of `contents`; -1: nothing named."""
    named = index >= 0
    drug = (
        np.where(named, contents.drug[index], EMPTY)
        if len(contents)
        else np.full(len(index), EMPTY)
    )
    step = np.where(named, contents.step[index], 0.0) if len(contents) else np.zeros(len(index))
    codes = np.unique(drug.astype(str), return_inverse=True)[1]
    same = codes[:, None] == codes[None, :]
    path = same * np.minimum(step[:, None], step[None, :])
    covariance = path + step[:, None] * step[None, :]
    blank = drug == EMPTY
    covariance += 2.0 * (blank[:, None] & blank[None, :])
    covariance += 2.0 * np.diag((drug == UNKNOWN).astype(float))
    mean = float(np.trace(covariance)) / max(len(index), 1)
    return covariance / mean if mean > 0 else covariance


def neighbourhood(places: Index) -> Array:
    """Covariance (n, n) of smooth differences over the plate, of rows and of columns."""
    apart = places[:, None, :] - places[None, :, :]
    side = max(1.0, float(np.ptp(places, axis=0).max()) * _REACH) if len(places) else 1.0
    smooth = np.exp(-0.5 * (apart**2).sum(axis=-1) / side**2)
    lines = (apart[..., 0] == 0) * 0.5 + (apart[..., 1] == 0) * 0.5
    return 0.5 * smooth + 0.5 * lines


@dataclass
class PlateEvidence:
    """Evidence of arrangements for the wells of one plate: `scores` (n, c) measured at `places` (n, 2)."""

    scores: Array
    places: Index

    def __post_init__(self) -> None:
        self._place = neighbourhood(self.places)
        self.nothing = self._best([self._fit(0.0, patch, None) for patch in _PATCHES])

    def of(self, contents: Contents, index: Index) -> float:
        """Nats by which an arrangement explains the wells better than none does (0 if it does not)."""
        layout = likeness(contents, index)
        fits = [self._fit(share, patch, layout) for share in _SHARES for patch in _PATCHES]
        return float(np.maximum(self._best(fits) - self.nothing, 0.0).sum())

    def _best(self, fits: list[Array]) -> Array:
        return np.max(np.array(fits), axis=0)

    def _fit(self, share: float, patch: float, layout: Array | None) -> Array:
        """Log density (c,) up to a constant, with the variance that fits best."""
        count = len(self.places)
        covariance = (1 - share) * patch * self._place + _LEVEL
        covariance[np.diag_indices(count)] += (1 - share) * (1 - patch) + 1e-6
        if layout is not None:
            covariance += share * layout
        factor = cho_factor(covariance, lower=True, check_finite=False)
        squares = (self.scores * cho_solve(factor, self.scores, check_finite=False)).sum(axis=0)
        determinant = 2.0 * np.log(np.diag(factor[0])).sum()
        density = -0.5 * (count * np.log(np.maximum(squares, 1e-12) / count) + determinant)
        return density - _PATCHES[patch]
