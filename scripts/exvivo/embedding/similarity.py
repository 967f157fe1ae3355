"""Similarity of groups of cells (DMS): whose cells are nearest to whose, beyond what their numbers let one expect.

For each cell the nearest one of another sample is found; the similarity of two groups (sample × class) is the log2 of how often
cells of either find the other, over how often they would at random. Ours, because the paper does not say: all cells of
the own sample are left out, half a cell is added to both numbers, and both ways are added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvivo.errors import ScoringError

Array = NDArray[np.floating]
PSEUDOCOUNT = 0.5


@dataclass(frozen=True)
class Similarity:
    """`names` of the G groups and the `samples` they belong to; `dms` (G, G), missing within a sample.

    `observed` (G, G): cells of row's group whose nearest cell of another sample is of column's; `expected` at random,
    0 within a sample.
    """

    names: list[str]
    samples: list[str]
    dms: Array
    observed: NDArray[np.int64]
    expected: Array


def expected_neighbours(own: int, other: int, total: int, excluded: int) -> float:
    """How many of `own` cells would find one of `other` at random, among `total` less the `excluded`."""
    return own * other / (total - excluded)


def log_ratio(observed: Array, expected: Array, pseudocount: float = PSEUDOCOUNT) -> Array:
    """log2 of observed over expected, `pseudocount` added to both."""
    return np.log2((np.asarray(observed) + pseudocount) / (np.asarray(expected) + pseudocount))


def similarity(
    points: Array, samples: Sequence[str], classes: Sequence[str], pseudocount: float = PSEUDOCOUNT
) -> Similarity:
    """Similarity of all groups of cells in the latent space.

    Args:
        points: (n, K) coordinates.
        samples: (n,) the sample of each cell.
        classes: (n,) what its class is called; a group is a sample and a class.
        pseudocount: added to observed and expected numbers.

    Time grows with n² (350,000 cells: some minutes a core), memory with n. Raises `ScoringError` for a single sample.

    """
    of_sample, sample_names = _codes(list(map(str, samples)))
    of_group, pairs = _codes(list(zip(map(str, samples), map(str, classes), strict=True)))
    if len(sample_names) < 2:
        raise ScoringError(
            "similarities need cells of other samples",
            expected="at least two samples",
            found=", ".join(sample_names) or "none",
        )
    nearest = nearest_of_others(points, of_sample)
    size = np.bincount(of_group, minlength=len(pairs))
    observed = np.zeros((len(pairs), len(pairs)), np.int64)
    np.add.at(observed, (of_group, of_group[nearest]), 1)
    own = np.asarray([sample_names.index(sample) for sample, _ in pairs])
    left = len(of_group) - np.bincount(of_sample)[own]  # cells of all other samples
    expected = size[:, None] * size[None, :] / left[:, None]
    dms = log_ratio(observed + observed.T, expected + expected.T, pseudocount)
    within = own[:, None] == own[None, :]
    dms[within], expected[within] = np.nan, 0.0
    names = [f"{sample} {name}" for sample, name in pairs]
    return Similarity(names, [sample for sample, _ in pairs], dms, observed, expected)


def nearest_of_others(points: Array, of_sample: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each cell the row (n,) of the nearest cell (Euclidean) of another sample."""
    from sklearn.metrics import pairwise_distances_argmin

    points = np.ascontiguousarray(points, np.float32)
    nearest = np.empty(len(points), np.int64)
    for sample in range(int(of_sample.max()) + 1):
        mine = of_sample == sample
        others = np.flatnonzero(~mine)
        nearest[mine] = others[pairwise_distances_argmin(points[mine], points[others])]
    return nearest


def _codes(values: list) -> tuple[NDArray[np.int64], list]:
    """Numbers in order of first appearance, and what they stand for."""
    names = list(dict.fromkeys(values))
    place = {name: number for number, name in enumerate(names)}
    return np.asarray([place[value] for value in values], np.int64), names
