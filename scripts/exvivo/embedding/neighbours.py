"""Neighbourhoods: around each cell, are cells of some kind more frequent than anywhere?

Heinemann et al. 2022, Methods: the 100 nearest cells; hypergeometric tail of at least so many of a diagnosis; Bonferroni over
all cells. The cell itself is not among its neighbours (ours).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvivo.errors import ScoringError

Array = NDArray[np.floating]
NEIGHBOURS = 100
_AT_ONCE = 4096  # cells whose neighbours are looked for together


@dataclass(frozen=True)
class Enrichment:
    """`kinds` (C of them); per cell and kind, (n, C): `count` among the neighbours, `fold` over the expected
    number, `log10_p` of the tail after Bonferroni, at most 0.
    """

    kinds: list[str]
    count: NDArray[np.int16]
    fold: NDArray[np.float32]
    log10_p: NDArray[np.float32]


def tail(total: int, of_kind: int, drawn: int, found: Array | int) -> Array:
    """Natural logarithm of P(X ≥ found) for `drawn` of `total` cells, `of_kind` of them of the kind."""
    from scipy.stats import hypergeom

    return np.minimum(hypergeom.logsf(np.asarray(found) - 1, total, of_kind, drawn), 0.0)


def enrichment(points: Array, kinds: Sequence[str], k: int = NEIGHBOURS) -> Enrichment:
    """Enrichment of every kind around every cell.

    `points` (n, K) coordinates; `kinds` (n,) of each cell, such as diagnosis and class. Raises `ScoringError` with no more
    than `k` cells. Time grows with n², memory with n.
    """
    count_cells = len(points)
    if count_cells <= k:
        raise ScoringError(
            "too few cells for a neighbourhood", expected=f"more than {k}", found=str(count_cells)
        )
    names = list(dict.fromkeys(map(str, kinds)))
    place = {name: number for number, name in enumerate(names)}
    codes = np.asarray([place[str(kind)] for kind in kinds])
    size = np.bincount(codes, minlength=len(names))
    counts = np.empty((count_cells, len(names)), np.int16)
    for rows, neighbours in nearest(points, k):
        for kind in range(len(names)):
            counts[rows, kind] = (codes[neighbours] == kind).sum(axis=1)
    own = codes[:, None] == np.arange(len(names))
    others = size - own  # the cell itself is no neighbour of its own
    expected = others * (k / (count_cells - 1))
    fold = np.divide(counts, expected, out=np.zeros(counts.shape), where=expected > 0)
    log_p = _tails(counts, own, size, count_cells - 1, k) + np.log(count_cells)
    log10 = np.minimum(log_p, 0.0) / np.log(10)
    return Enrichment(names, counts, fold.astype(np.float32), log10.astype(np.float32))


def _tails(
    counts: NDArray[np.int16], own: NDArray[np.bool_], size: NDArray[np.int64], total: int, k: int
) -> Array:
    """Tail of each count from a table: there are only k + 1 counts a kind, with and without the cell itself."""
    log_p = np.empty(counts.shape)
    possible = np.arange(k + 1)
    for kind in range(counts.shape[1]):
        for mine in (False, True):
            rows = own[:, kind] == mine
            table = tail(total, int(size[kind]) - mine, k, possible)
            log_p[rows, kind] = table[counts[rows, kind]]
    return log_p


def nearest(points: Array, k: int) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """Rows and their `k` nearest others (rows, k), nearest first, some thousand cells at a time."""
    from sklearn.neighbors import NearestNeighbors

    points = np.ascontiguousarray(points, np.float32)
    finder = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(points)
    for start in range(0, len(points), _AT_ONCE):
        rows = slice(start, min(start + _AT_ONCE, len(points)))
        found = finder.kneighbors(points[rows], return_distance=False)
        itself = found == np.arange(rows.start, rows.stop)[:, None]
        # Equal points may hide a cell from itself: then the farthest goes.
        itself[~itself.any(axis=1), -1] = True
        yield rows, found[~itself].reshape(len(found), k)
