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

from exvivo.cohort.load import CohortScreen
from exvivo.embedding.grouping import (
    GroupingTest,
    Tree,
    correlation_distance,
    grouping_test,
    tree_of,
)
from exvivo.figures.clustered import Side, clustered
from exvivo.figures.svg import Figure
from exvivo.figures.waterfall import drug_name
from exvivo.figures.words import count, fixed
from exvivo.report.context import readout_name

Array = NDArray[np.floating]
LIMIT = 1.0  # AUC at the ends of the colours
STRONGEST = (1, 5, 10)  # responses of a sample whose significance is averaged
_FIRST = ("morphology_fraction", "marker_fraction")  # the readout of the map, if it is there


@dataclass(frozen=True)
class CohortResponses:
    """Section of the facility's page: the map of one readout, what groups it, and all readouts' significance.

    `significance` a row a readout: name, and mean -log10 p of the strongest 1, 5 and 10.
    """

    readout: str
    figure: Figure
    grouping: list[str]
    significance: list[tuple[str, list[str]]]
    classes: str


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


def cohort_responses(
    screens: Sequence[CohortScreen], diagnoses: Mapping[str, str], classes: Mapping[str, str]
) -> CohortResponses | None:
    """The section, of all screens that are not on hold; None unless two samples have scores relative to the solvent."""
    parts = [
        s.relative.assign(
            sample=s.sample or s.screen,
            group=s.relative["treatment"].map(lambda drug: classes.get(drug, "")),
            treatment=[drug_name(t, a) for t, a in zip(s.relative["treatment"], s.relative["addon"], strict=True)],
        )
        for s in screens
        if not s.held and len(s.relative)
    ]  # fmt: skip
    scores = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if scores.empty or scores["sample"].nunique() < 2:
        return None
    named = dict(zip(scores["treatment"], scores["group"], strict=True))
    names = list(scores["readout"].unique())
    chosen = next((name for name in _FIRST if name in names), names[0])
    found = response_map(scores, chosen, diagnoses, named)
    tests = [
        _in_words("samples", "diagnosis", found.by_diagnosis),
        _in_words("drugs", "class", found.by_class),
    ]
    table = top_significance(scores, STRONGEST)
    significance = [
        (readout_name(name), [fixed(value, 1) for value in table.loc[table["readout"] == name, "mean"]])
        for name in table["readout"].unique()
    ]  # fmt: skip
    own = class_similarity(scores, chosen, named)
    inside, outside = own.loc[own["same"], "r"], own.loc[~own["same"], "r"]
    alike = (
        f"Drugs of one class: mean r {fixed(inside.mean(), 2)} across samples, of different classes {fixed(outside.mean(), 2)}."
        if len(inside) and len(outside)
        else ""
    )
    return CohortResponses(readout_name(chosen), found.figure(), tests, significance, alike)


def _in_words(what: str, label: str, test: GroupingTest) -> str:
    """A test of a grouping as one sentence."""
    if not np.isfinite(test.p):
        return f"Neighbouring {what}: their {label} is not known, or the same for all."
    return (
        f"{test.equal} of {count(test.neighbours, 'neighbour')} among the {what} share the {label}, {fixed(test.expected, 1)} by chance "
        f"(hypergeometric p {test.p:.2g}, permuted {test.p_permuted:.2g})."
    )
