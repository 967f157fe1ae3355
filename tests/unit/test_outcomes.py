"""Outcomes of patients: worked examples, published tails, and what must be refused."""

import math

import numpy as np
import pandas as pd
import pytest

from exvivo.errors import ScoringError
from exvivo.outcomes import (
    at_risk,
    compare,
    enrichment,
    exceptional,
    group_patients,
    integrated_auc,
    pfs_ratios,
    survival,
)

DAYS, EVENT = [60, 90, 144, 200, 400], [1, 1, 1, 0, 0]


def table(**columns):
    return pd.DataFrame(columns)


# -- integrated scores and groups -------------------------------------------------------------------


def test_untested_drugs_do_not_count_and_are_told():
    scores = table(patient=["A", "A", "B"], treatment=["x", "y", "x"], auc=[0.4, 0.0, -0.2])
    received = table(patient=["A", "A", "A", "B", "C"], treatment=["x", "y", "z", "x", "q"])
    found = integrated_auc(scores, received).set_index("patient")
    assert found.loc["A"].tolist() == [0.2, 0.4, 2, 3]
    assert found.loc["B", "iauc"] == -0.2
    assert math.isnan(found.loc["C", "iauc"]) and math.isnan(found.loc["C", "iauc_sum"])


def test_a_drug_given_twice_counts_once_and_scored_twice_is_refused():
    scores = table(patient=["A"], treatment=["x"], auc=[0.4])
    received = table(patient=["A", "A"], treatment=["x", "x"])
    assert integrated_auc(scores, received)["n_received"].tolist() == [1]
    with pytest.raises(ScoringError, match="more than one score"):
        integrated_auc(pd.concat([scores, scores]), received)


def test_groups_overlap_as_published_and_add_up():
    rng = np.random.default_rng(0)
    names = [f"P{i:02d}" for i in range(66)]
    one, other = (table(patient=names, iauc=rng.normal(0.1, 0.3, 66)) for _ in range(2))
    groups = group_patients(one, other)
    assert (groups["both"] | groups["morphology not marker"]).equals(groups["morphology"])
    four = ["both", "marker not morphology", "morphology not marker", "neither"]
    assert (groups[four].sum(axis=1) == 1).all()


def test_exactly_the_limit_is_not_on_target_and_missing_is_no_group():
    one = table(patient=["A", "B", "C"], iauc=[0.1, 0.2, np.nan])
    groups = group_patients(one, one.assign(iauc=0.5)).set_index("patient")
    assert groups["morphology"].to_dict() == {"A": False, "B": True}


# -- survival -----------------------------------------------------------------------------------------


def test_the_worked_example():
    found = survival(DAYS, EVENT)
    assert (found.n, found.events, found.median) == (5, 3, 144)
    steps = found.curve.set_index("time")["survival"]
    assert steps[[60, 90, 144]].tolist() == pytest.approx([0.8, 0.6, 0.4])
    assert found.area == pytest.approx(218.8) and found.aukm == pytest.approx(0.547)


def test_a_median_that_is_not_reached_is_infinite():
    assert survival([10, 20, 30], [1, 0, 0]).median == math.inf


def test_groups_share_the_end_of_their_areas():
    short, long = survival([10, 20], [1, 1], tau=40), survival([40, 40], [0, 0], tau=40)
    assert short.aukm == pytest.approx(15 / 40) and long.aukm == 1


def test_numbers_at_risk():
    assert at_risk(DAYS, [0, 60, 61, 300, 500]) == [5, 5, 4, 1, 0]


@pytest.mark.parametrize("days", [[], [5, -1], [5, float("nan")], [0, 3]])
def test_bad_times_are_refused(days):
    with pytest.raises(ScoringError, match="these times"):
        survival(days, [1] * len(days))


def test_equal_groups_do_not_differ_and_order_does_not_matter():
    one, other = (DAYS, EVENT), ([30, 40, 300], [1, 1, 1])
    assert compare(one, one)["logrank_p"] == pytest.approx(1)
    assert compare(one, other)["wilcoxon_p"] == pytest.approx(compare(other, one)["wilcoxon_p"])


# -- responders -----------------------------------------------------------------------------------------


def test_ratios_are_paired_and_lower_bounds_are_told():
    outcomes = table(
        patient=list("ABCDEFG"),
        days=[200, 300, 130, 100, 500, 240, 90],
        event=[True, False, True, True, True, True, True],
        previous_days=[100, 100, 100, 100, 100, 100, np.nan],
    )
    found = pfs_ratios(outcomes)
    assert found.ratios["patient"].tolist() == list("ABCDEF")
    assert found.ratios["lower_bound"].tolist() == [False, True, False, False, False, False]
    assert found.median == pytest.approx(2.2) and found.benefit == pytest.approx(4 / 6)
    assert math.isnan(found.p_value)  # five ratios that differ from 1


def test_a_clear_gain_is_significant():
    rng = np.random.default_rng(1)
    before = rng.uniform(50, 200, 20)
    outcomes = table(
        patient=[f"P{i}" for i in range(20)],
        days=before * rng.uniform(1.2, 3, 20),
        event=[True] * 20,
        previous_days=before,
    )
    assert pfs_ratios(outcomes).p_value < 1e-4


def test_times_that_are_no_times_are_refused():
    with pytest.raises(ScoringError, match="two times above 0"):
        pfs_ratios(table(patient=["A"], days=[3], event=[True], previous_days=[0]))


def test_exceptional_responders_need_three_times_the_expected():
    outcomes = table(days=[300, 299, 900], expected_days=[100, 100, np.nan])
    assert exceptional(outcomes).tolist() == [True, False, pd.NA]


@pytest.mark.parametrize(
    ("found", "members", "p_value", "strict"),
    [(8, 21, 0.01456, 0.0024), (7, 14, 0.003826, 0.000409)],
)
def test_both_tails_of_the_published_enrichment(found, members, p_value, strict):
    special = pd.Series([True] * 13 + [False] * 53, dtype="boolean")
    member = pd.Series([False] * 66, dtype="boolean")
    member[:found] = True
    member[13 : 13 + members - found] = True
    result = enrichment(member, special)
    assert (result["patients"], result["special"], result["found"]) == (66, 13, found)
    assert result["p_value"] == pytest.approx(p_value, rel=2e-3)
    assert result["p_strict"] == pytest.approx(strict, rel=3e-3)
