"""Negative and positive controls told apart by a plain classifier that has not seen the well it judges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_RIDGE = 1.0
_FEWEST = 3  # wells of each side, to train on


def cross_fitted(scores: Array, side: NDArray[np.object_]) -> Array:
    """Likeness (n,) of every well to the negative (1) against the positive (0) controls; NaN if too few.

    Ridge regression of the side on `scores` (n, c), both sides with equal weight; a control is predicted with
    itself left out (exactly, from the hat matrix). Clipped to 0 and 1.
    """
    negative, positive = side == "negative", side == "positive"
    counts = int(negative.sum()), int(positive.sum())
    if min(counts) < _FEWEST:
        return np.full(len(scores), np.nan)
    controls = negative | positive
    target = np.where(negative, 1.0, -1.0)[controls]
    weight = np.where(negative, 0.5 / counts[0], 0.5 / counts[1])[controls] * sum(counts)
    design = np.column_stack([np.ones(len(scores)), scores])
    own = design[controls]
    penalty = np.diag([0.0, *np.full(scores.shape[1], _RIDGE)])
    inverse = np.linalg.inv(own.T @ (weight[:, None] * own) + penalty)
    fitted = design @ (inverse @ (own.T @ (weight * target)))
    leverage = weight * np.einsum("ij,jk,ik->i", own, inverse, own)
    held = target - (target - fitted[controls]) / np.maximum(1.0 - leverage, 1e-6)
    fitted[controls] = held
    return np.clip((fitted + 1.0) / 2.0, 0.0, 1.0)


def as_predicted(likeness: Array, side: NDArray[np.object_]) -> tuple[int, int]:
    """How many controls lie on their own side of the middle, and how many there are; (0, 0) if unknown."""
    known = (side != "") & np.isfinite(likeness)
    own = np.where(side == "negative", likeness > 0.5, likeness < 0.5)
    return int((own & known).sum()), int(known.sum())
