"""Drugs across samples by their AUC: who responds alike, whether diagnosis or drug class explains it, which readout sees most.

Heinemann et al. 2022, Results and Fig. 2: clustered heat map with tests of its groupings, mean significance of the strongest
responses, similarity of drugs of one class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.embedding.grouping import (
    GroupingTest,
    Tree,
    correlation_distance,
    grouping_test,
    tree_of,
)
from exvivo.figures.clustered import Side, clustered
from exvivo.figures.svg import Figure

Array = NDArray[np.floating]
LIMIT = 1.0  # AUC at the ends of the colours


@dataclass(frozen=True)
class ResponseMap:
    """AUC of C drugs in R samples of one readout, `values` (R, C), trees of both, and tests of their labels.

    `diagnoses` and `classes` are those of rows and columns; empty where not known.
    """

    samples: list[str]
    drugs: list[str]
    values: Array
    diagnoses: list[str]
    classes: list[str]
    sample_tree: Tree
    drug_tree: Tree
    by_diagnosis: GroupingTest
    by_class: GroupingTest

    def figure(self, value_name: str = "AUC") -> Figure:
        """The clustered heat map."""
        rows = Side(self.samples, self.diagnoses, self.sample_tree.order, self.sample_tree.steps)
        columns = Side(self.drugs, self.classes, self.drug_tree.order, self.drug_tree.steps)
        return clustered(self.values, rows, columns, limit=LIMIT, value_name=value_name)


def response_map(
    scores: pd.DataFrame,
    readout: str,
    diagnoses: Mapping[str, str],
    classes: Mapping[str, str],
    *,
    seed: int = 0,
) -> ResponseMap:
    """Cluster drugs and samples of one readout.

    Args:
        scores: of all screens: sample, readout, treatment, auc; several screens of a sample are averaged.
        readout: whose AUC is taken.
        diagnoses: by sample.
        classes: by drug.
        seed: of the permutations.

    """
    own = scores[(scores["readout"] == readout) & scores["auc"].notna()]
    table = own.pivot_table(index="sample", columns="treatment", values="auc", aggfunc="mean")
    values = table.to_numpy(float)
    samples, drugs = list(map(str, table.index)), list(map(str, table.columns))
    sample_tree = tree_of(correlation_distance(values)) if len(samples) else Tree([], np.empty((0, 4)))  # fmt: skip
    drug_tree = tree_of(correlation_distance(values.T)) if len(drugs) else Tree([], np.empty((0, 4)))  # fmt: skip
    rows = [diagnoses.get(sample, "") for sample in samples]
    columns = [classes.get(drug, "") for drug in drugs]
    return ResponseMap(
        samples,
        drugs,
        values,
        rows,
        columns,
        sample_tree,
        drug_tree,
        grouping_test(rows, sample_tree.order, seed=seed),
        grouping_test(columns, drug_tree.order, seed=seed),
    )


def top_significance(scores: pd.DataFrame, strongest: Sequence[int]) -> pd.DataFrame:
    """Mean -log10 p of the `strongest` responses of each sample, per readout.

    `scores`: sample, readout, auc, auc_p_value. A response counts by its AUC; samples with fewer drugs give what they have.
    Columns: readout, strongest, mean, samples.
    """
    rows = []
    for readout, own in scores.dropna(subset=["auc", "auc_p_value"]).groupby("readout", sort=False):
        own = own.assign(height=-np.log10(own["auc_p_value"].clip(lower=1e-300)))
        ordered = own.sort_values("auc", ascending=False).groupby("sample", sort=False)["height"]
        for number in strongest:
            means = ordered.apply(lambda p, n=number: p.iloc[:n].mean())
            rows.append((readout, number, float(means.mean()), len(means)))
    return pd.DataFrame(rows, columns=["readout", "strongest", "mean", "samples"])


def class_similarity(
    scores: pd.DataFrame, readout: str, classes: Mapping[str, str]
) -> pd.DataFrame:
    """Pearson's r across samples of each pair of drugs, and whether they are of one class (known of both).

    Columns: first, second, r, same. Pairs with fewer than three samples in common have none.
    """
    own = scores[(scores["readout"] == readout) & scores["auc"].notna()]
    table = own.pivot_table(index="sample", columns="treatment", values="auc", aggfunc="mean")
    together = table.corr(min_periods=3)
    rows = [
        (a, b, together.at[a, b], classes[a] == classes[b])
        for a, b in combinations(table.columns, 2)
        if classes.get(a) and classes.get(b)
    ]
    return pd.DataFrame(rows, columns=["first", "second", "r", "same"]).dropna(subset=["r"])


def compare_similarities(first: pd.DataFrame, second: pd.DataFrame) -> tuple[float, float, float]:
    """Mean r within drug classes in two readouts and p of the difference (two-sided Student's t-test, as published)."""
    from scipy.stats import ttest_ind

    a, b = (frame.loc[frame["same"], "r"].to_numpy(float) for frame in (first, second))
    if min(len(a), len(b)) < 2:
        return float(np.mean(a)) if len(a) else np.nan, float(np.mean(b)) if len(b) else np.nan, np.nan  # fmt: skip
    return float(a.mean()), float(b.mean()), float(ttest_ind(a, b).pvalue)
