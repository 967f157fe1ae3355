"""Latent space: principal components of the activations, fitted in one pass over any number of cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvivo.errors import ScoringError

Array = NDArray[np.floating]
COMPONENTS, PER_GROUP = 20, 1000  # published


@dataclass(frozen=True)
class LatentSpace:
    """Axes of the latent space: `mean` (F,), `axes` (K, F) of length 1, `variance` (K,) and its `share` of all (K,)."""

    mean: Array
    axes: Array
    variance: Array
    share: Array

    def __call__(self, features: Array) -> NDArray[np.float32]:
        """Coordinates (n, K) of activations (n, F)."""
        return ((np.asarray(features, float) - self.mean) @ self.axes.T).astype(np.float32)


def fit_space(batches: Iterable[Array], components: int = COMPONENTS) -> LatentSpace:
    """Fit the axes to activations that come in batches (n, F).

    Means and covariances are merged batch by batch, so that the result is that of all cells at once, in whatever parts
    they come; memory is F × F. Each axis points to where its largest entry is positive. Raises `ScoringError` with
    fewer cells than components, or values that are missing.
    """
    count, mean, scatter = 0, None, None
    for batch in batches:
        values = np.asarray(batch, np.float64)
        if not len(values):
            continue
        _check_finite(values)
        own = values.mean(axis=0)
        centred = values - own
        if mean is None:
            count, mean, scatter = len(values), own, centred.T @ centred
            continue
        total, apart = count + len(values), own - mean
        scatter += centred.T @ centred + np.outer(apart, apart) * (count * len(values) / total)
        mean = mean + apart * (len(values) / total)
        count = total
    if mean is None or scatter is None or count <= components:
        raise ScoringError(
            "too few cells for a latent space",
            expected=f"more than {components}",
            found=str(count),
            hint="take cells of more wells or samples",
        )
    values, vectors = np.linalg.eigh(scatter / (count - 1))
    order = np.argsort(values)[::-1][:components]
    axes = vectors[:, order].T
    turn = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    whole = max(float(values.clip(min=0).sum()), np.finfo(float).tiny)
    variance = values[order].clip(min=0)
    return LatentSpace(mean, axes * turn[:, None], variance, variance / whole)


def draw_rows(
    samples: Sequence[str],
    cancer: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    *,
    per_group: int = PER_GROUP,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Rows of at most `per_group` random cells of each sample and class among those `wanted` (solvent wells)."""
    names = np.asarray(samples, dtype=object)
    chosen: list[NDArray[np.int64]] = []
    for sample in dict.fromkeys(samples):
        for label in (False, True):
            rows = np.flatnonzero((names == sample) & (cancer == label) & wanted)
            rng = np.random.default_rng([seed, len(chosen), 8])
            chosen.append(np.sort(rng.choice(rows, min(per_group, len(rows)), replace=False)))
    return np.concatenate(chosen) if chosen else np.empty(0, np.int64)


def _check_finite(values: Array) -> None:
    if not np.isfinite(values).all():
        raise ScoringError(
            "activations are missing",
            expected="a number for every cell and unit",
            found=f"{int((~np.isfinite(values)).any(axis=1).sum())} cells without",
            hint="the network does not fit these crops: call the cells again",
        )
