"""Trees of samples or drugs, and whether equal labels lie together in them.

Distance 1 - Pearson, over what both have; linkage average and the unit of the test are ours (the paper names none): of the n - 1
neighbouring leaves, how many have equal labels, against the hypergeometric chance of drawing so many equal pairs of all,
and against permuted labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
PERMUTATIONS = 2000


@dataclass(frozen=True)
class Tree:
    """`order` of the n rows as leaves, `steps` as SciPy's linkage has them (empty below two rows)."""

    order: list[int]
    steps: Array


@dataclass(frozen=True)
class GroupingTest:
    """`equal` of `neighbours` neighbouring leaves have the same label, `expected` by chance; `p` hypergeometric and
    `p_permuted` of permuted labels, both P(X ≥ equal). `leaves` have a label.
    """

    leaves: int
    neighbours: int
    equal: int
    expected: float
    p: float
    p_permuted: float


def correlation_distance(rows: Array) -> Array:
    """1 - Pearson's r (n, n) of rows (n, m), over the columns that both have; 1 where that is not defined."""
    import pandas as pd

    frame = pd.DataFrame(np.asarray(rows, float).T)
    distance = 1.0 - frame.corr(min_periods=3).to_numpy()
    distance = np.where(np.isfinite(distance), distance, 1.0)
    np.fill_diagonal(distance, 0.0)
    return np.clip((distance + distance.T) / 2, 0.0, 2.0)


def tree_of(distance: Array) -> Tree:
    """Average-linkage tree of a distance matrix (n, n)."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(distance) < 2:
        return Tree(list(range(len(distance))), np.empty((0, 4)))
    steps = linkage(squareform(distance, checks=False), "average")
    return Tree([int(leaf) for leaf in leaves_list(steps)], steps)


def grouping_test(
    labels: Sequence[str], order: Sequence[int], *, seed: int = 0, permutations: int = PERMUTATIONS
) -> GroupingTest:
    """Do equal `labels` (n,) lie side by side in the `order` of leaves? Leaves with an empty label are left out."""
    from scipy.stats import hypergeom

    names = [str(labels[leaf]) for leaf in order if str(labels[leaf])]
    codes = np.unique(names, return_inverse=True)[1] if names else np.empty(0, int)
    count = len(codes)
    neighbours = max(count - 1, 0)
    equal = int((codes[1:] == codes[:-1]).sum())
    sizes = np.bincount(codes) if count else np.zeros(1, int)
    pairs, same = count * (count - 1) // 2, int((sizes * (sizes - 1) // 2).sum())
    if not 0 < same < pairs:
        return GroupingTest(count, neighbours, equal, float(equal), np.nan, np.nan)
    p = float(hypergeom.sf(equal - 1, pairs, same, neighbours))
    rng = np.random.default_rng([seed, 9])
    shuffled = rng.permuted(np.tile(codes, (permutations, 1)), axis=1)
    as_many = int(((shuffled[:, 1:] == shuffled[:, :-1]).sum(axis=1) >= equal).sum())
    expected = neighbours * same / pairs
    return GroupingTest(count, neighbours, equal, expected, p, (as_many + 1) / (permutations + 1))
