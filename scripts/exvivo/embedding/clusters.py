"""Clusters of cells in the latent space, and how the samples' cells are spread over them.

Spectral clustering of a graph of nearest neighbours, ten clusters (ours; the paper names at least nine). Of more than some
thousand cells a random part is clustered, and each other cell joins the cluster of most of its nearest among them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.errors import ScoringError

Array = NDArray[np.floating]
CLUSTERS, LANDMARKS, GRAPH = 10, 4000, 10


def spectral_clusters(
    points: Array, clusters: int = CLUSTERS, *, landmarks: int = LANDMARKS, seed: int = 0
) -> NDArray[np.int64]:
    """Cluster (n,) of each cell, 0 the largest. Raises `ScoringError` with fewer than ten cells a cluster."""
    from sklearn.cluster import SpectralClustering
    from sklearn.neighbors import KNeighborsClassifier

    if len(points) < 10 * clusters:
        raise ScoringError(
            "too few cells for so many clusters",
            expected=f"at least {10 * clusters} for {clusters} clusters",
            found=str(len(points)),
        )
    points = np.asarray(points, np.float32)
    rng = np.random.default_rng([seed, 10])
    chosen = np.sort(rng.choice(len(points), min(landmarks, len(points)), replace=False))
    model = SpectralClustering(
        clusters, affinity="nearest_neighbors", n_neighbors=GRAPH, random_state=seed
    )
    with warnings.catch_warnings():
        # Groups of cells far from all others make a graph of several parts; each becomes a cluster.
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        found = model.fit_predict(points[chosen])
    if len(chosen) < len(points):
        joined = KNeighborsClassifier(GRAPH, algorithm="brute").fit(points[chosen], found)
        starts = range(0, len(points), 10_000)
        found = np.concatenate([joined.predict(points[s : s + 10_000]) for s in starts])
    size = np.bincount(found, minlength=clusters)
    rank = np.empty(clusters, np.int64)
    rank[np.argsort(-size, kind="stable")] = np.arange(clusters)
    return rank[found]


def fractions(clusters: NDArray[np.int64], samples: Sequence[str]) -> pd.DataFrame:
    """Share of each sample's cells in each cluster: a row a sample, a column a cluster, rows sum to 1."""
    table = pd.crosstab(pd.Series(list(map(str, samples)), name="sample"), pd.Series(clusters, name="cluster"))  # fmt: skip
    return table.div(table.sum(axis=1), axis=0).loc[list(dict.fromkeys(map(str, samples)))]
