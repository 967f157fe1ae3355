"""The cells of all samples in the latent space of one network: places, clusters, neighbourhoods, similarities, tests.

Brings together what the other modules of `exvivo.embedding` find; for a few hundred cells and for 350,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.embedding.clusters import CLUSTERS, fractions, spectral_clusters
from exvivo.embedding.grouping import Tree, correlation_distance, grouping_test, tree_of
from exvivo.embedding.maps import PERPLEXITY, tsne_map
from exvivo.embedding.neighbours import NEIGHBOURS, enrichment
from exvivo.embedding.similarity import Similarity, similarity
from exvivo.embedding.space import COMPONENTS, fit_space

Array = NDArray[np.floating]
CANCER, HEALTHY = "cancer", "healthy"
MAPPED = 10_000  # cells on the map at most: t-SNE's time grows with cells times perplexity (ours)
ENRICHED = -2.0  # log10 of the corrected p from which a neighbourhood counts as enriched (ours)


@dataclass(frozen=True)
class Atlas:
    """What the latent space holds.

    Attributes: `cells` a row a cell: sample, class, x and y of the map (missing where it was not drawn), cluster, axes `pc01` …; `share` of the variance of each
    axis; `similarity` of samples' classes and their `tree`, None for a single sample; `tests` of whether equal labels lie together in its tree;
    `neighbours` a row a kind: cells, share of them among whose neighbours their own kind is enriched, mean fold; `fractions` of
    each sample's cells by cluster.
    """

    cells: pd.DataFrame
    share: Array
    similarity: Similarity | None
    tree: Tree | None
    tests: pd.DataFrame
    neighbours: pd.DataFrame
    fractions: pd.DataFrame


def make_atlas(
    features: Array,
    samples: NDArray[np.object_],
    cancer: NDArray[np.bool_],
    labels: Mapping[str, Mapping[str, str]],
    *,
    seed: int = 0,
) -> Atlas:
    """Find all of it.

    Args:
        features: (n, F) activations of the last layer before the classes.
        samples: (n,) the sample of each cell.
        cancer: (n,) its weak label.
        labels: what is known of samples, such as diagnosis and imaging: name → sample → label ("" unknown).
        seed: of map, clusters and permutations.

    Raises `ScoringError` for fewer cells than a latent space needs.

    """
    classes = np.where(cancer, CANCER, HEALTHY)
    space = fit_space(np.array_split(features, max(1, len(features) // 50_000)), _axes(features))
    points = space(features)
    places = _places(points, seed)
    count = min(CLUSTERS, len(points) // 10)
    clusters = spectral_clusters(points, count, seed=seed) if count > 1 else np.zeros(len(points), int)  # fmt: skip
    cells = pd.DataFrame({"sample": samples, "class": classes, "x": places[:, 0], "y": places[:, 1]})  # fmt: skip
    cells["cluster"] = clusters
    axes = {f"pc{i + 1:02d}": points[:, i] for i in range(points.shape[1])}
    cells = pd.concat([cells, pd.DataFrame(axes)], axis=1)
    alike = similarity(points, list(samples), list(classes)) if len(set(samples)) > 1 else None
    tree = tree_of(correlation_distance(alike.dms)) if alike else None
    tests = group_tests(alike, tree, labels, seed) if alike else _no_tests()
    known = around(points, samples, classes, labels)
    return Atlas(cells, space.share, alike, tree, tests, known, fractions(clusters, list(samples)))


def _places(points: Array, seed: int) -> NDArray[np.float64]:
    """Coordinates (n, 2) on the map; of very many cells a random part has them, the others are missing."""
    count = min(MAPPED, len(points))
    drawn = np.random.default_rng([seed, 13]).choice(len(points), count, replace=False)
    places = np.full((len(points), 2), np.nan)
    places[drawn] = tsne_map(points[drawn], perplexity=min(PERPLEXITY, count / 30), seed=seed)
    return places


def _axes(features: Array) -> int:
    return min(COMPONENTS, features.shape[1], len(features) - 1)


def group_tests(
    alike: Similarity, tree: Tree, labels: Mapping[str, Mapping[str, str]], seed: int = 0
) -> pd.DataFrame:
    """Whether groups of one label lie side by side in the tree of similarities; the class is tested beside `labels`.

    Imaging is tested like biology: a tree that follows the lamp is no news about patients.
    """
    known = {
        "class": [
            name.removeprefix(f"{s} ") for name, s in zip(alike.names, alike.samples, strict=True)
        ]
    }
    known |= {name: [of.get(s, "") for s in alike.samples] for name, of in labels.items()}
    rows = [
        {"label": name, **vars(grouping_test(own, tree.order, seed=seed))}
        for name, own in known.items()
    ]
    return pd.DataFrame(rows, columns=list(_no_tests()))


def _no_tests() -> pd.DataFrame:
    names = ["label", "leaves", "neighbours", "equal", "expected", "p", "p_permuted"]
    return pd.DataFrame(columns=names)


def around(
    points: Array,
    samples: NDArray[np.object_],
    classes: NDArray[np.str_],
    labels: Mapping[str, Mapping[str, str]],
) -> pd.DataFrame:
    """Of each kind (diagnosis, or sample where none is known, and class) how many cells lie among their own kind."""
    known = labels.get("diagnosis", {})
    kinds = np.array(
        [f"{known.get(s) or s}, {c}" for s, c in zip(samples, classes, strict=True)], dtype=object
    )
    k = min(NEIGHBOURS, max(1, len(points) // 10))
    found = enrichment(points, list(kinds), k)
    rows = []
    for number, kind in enumerate(found.kinds):
        own = kinds == kind
        enriched = found.log10_p[own, number] <= ENRICHED
        fold = float(found.fold[own, number].mean())
        row = {"kind": kind, "cells": int(own.sum()), "neighbours": k, "fold": fold}
        rows.append(row | {"enriched": float(enriched.mean())})
    return pd.DataFrame(rows)
