"""Repeats against each other, and the solvent against untreated wells, on made-up numbers."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from responses_data import curve_of, screen

from exvivo.context import DrugNames
from exvivo.context.repeats import Screened, compare, pairs_of
from exvivo.context.tables import MISMATCHES, PAIRED, REPEATS
from exvivo.quality.concordance import concordance, fisher_interval
from exvivo.quality.shift import shift
from exvivo.responses import build_responses, fit_curves, score
from exvivo.tables import QUALITY, conform


def made(
    name: str,
    shifts: dict[str, float] | None = None,
    *,
    readouts=("metabolic",),
    seed: int = 0,
    rename=None,
) -> Screened:
    """A screen of six drugs; `shifts` moves log10 IC50 of some."""
    drugs = {
        f"D{i}": curve_of(0.95, 10 ** (1 + 0.6 * i + (shifts or {}).get(f"D{i}", 0)))
        for i in range(6)
    }
    drugs = {(rename or {}).get(drug, drug): curve for drug, curve in drugs.items()}
    parts = []
    for number, readout in enumerate(readouts):
        layout, values = screen(drugs, noise=0.02, seed=seed + number)
        parts.append(build_responses(layout, values, screen=name, readout_name=readout))
    responses = pd.concat(parts, ignore_index=True)
    curves = fit_curves(responses)
    quality = pd.DataFrame(
        [(name, readouts[0], "screen", metric, value, "", "pass", False, "") for metric, value in (("robust_z_prime", 0.5), ("robust_z_prime_crossfit", 0.4), ("replicate_pearson", 0.9))],
        columns=QUALITY.names,
    )  # fmt: skip
    verdict = {"readouts": {readout: {"verdict": "pass"} for readout in readouts}}
    return Screened(name, score(curves, responses), curves, quality, verdict)


class TestConcordance:
    def test_equal_series(self):
        found = concordance([1, 2, 3, 4], [1, 2, 3, 4])
        assert found.n == 4 and found.pearson == pytest.approx(1) and found.ccc == pytest.approx(1)
        assert (found.bias, found.sd, found.limit_low) == (0, 0, 0)

    def test_a_shift_lowers_concordance_and_not_correlation(self):
        x = np.arange(10.0)
        found = concordance(x, x + 3)
        assert found.pearson == pytest.approx(1) and found.bias == 3
        assert found.ccc == pytest.approx(2 * x.var() / (2 * x.var() + 9))

    def test_limits_of_agreement(self):
        found = concordance([0, 0, 0, 0], [1, 2, 3, 6])
        sd = np.std([1, 2, 3, 6], ddof=1)
        assert found.limit_high == pytest.approx(3 + 1.96 * sd, abs=1e-3) and found.bias == 3

    def test_missing_pairs_are_left_out_and_few_give_nothing(self):
        found = concordance([1, math.nan, 3], [1, 2, math.nan])
        assert found.n == 1 and math.isnan(found.pearson) and math.isnan(found.bias)

    def test_interval_of_a_correlation_covers_it(self):
        rng = np.random.default_rng(1)
        hits = 0
        for _ in range(400):
            a, b = rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 30).T
            low, high = fisher_interval(np.corrcoef(a, b)[0, 1], 30)
            hits += low <= 0.7 <= high
        assert 0.92 <= hits / 400 <= 0.98
        assert math.isnan(fisher_interval(0.5, 3)[0])


class TestPairs:
    def test_both_screens_tell_the_same(self):
        a, b = made("A"), made("B", seed=5)
        how = {"sample": "P-1", "names": DrugNames()}
        first = compare(pairs_of(a, [b], ["A", "B"]), **how)
        second = compare(pairs_of(b, [a], ["A", "B"]), **how)
        for one, other in zip(first, second, strict=True):
            pd.testing.assert_frame_equal(one, other)
        assert first[0]["screen_a"].tolist() == ["A", "A"] and first[0]["level"].tolist() == [
            "dss",
            "curve",
        ]

    def test_modalities_of_one_screen_and_without_common_readout_the_headlines(self):
        a = made("A", readouts=("viability_phase2", "mean_of_stack", "metabolic"))
        b = made("B", readouts=("marker",))
        kinds = [(kind, x[1], y[1]) for kind, x, y in pairs_of(a, [b], ["A", "B"])]
        assert kinds == [
            ("modality", "viability_phase2", "marker"),
            ("modality", "viability_phase2", "metabolic"),
            ("modality", "mean_of_stack", "metabolic"),
        ]

    def test_nothing_to_compare(self):
        for table, schema in zip(
            compare([], sample="P-1", names=DrugNames()), (REPEATS, MISMATCHES, PAIRED), strict=True
        ):
            conform(table, schema, where="test")


class TestComparison:
    def test_hits_that_change_sides_are_told_with_both_qualities(self):
        a, b = made("A"), made("B", {"D1": 2.2, "D5": -2.0}, seed=3)
        repeats, mismatches, paired = compare(
            pairs_of(a, [b], ["A", "B"]), sample="P-1", names=DrugNames()
        )
        for table, schema in ((repeats, REPEATS), (mismatches, MISMATCHES), (paired, PAIRED)):
            conform(table, schema, where="test")
        assert set(mismatches["treatment"]) == {"D1", "D5"}
        difference = (mismatches["dss_a"] - mismatches["dss_b"]).abs()
        assert difference.is_monotonic_decreasing and len(paired) == 6
        row = mismatches.set_index("treatment").loc["D1"]
        assert (
            row["hit_a"]
            and not row["hit_b"]
            and row["z_prime_a"] == 0.4
            and row["replicate_pearson_b"] == 0.9
        )
        assert row["curve_difference"] > 20 and len(row["replicates_a"].split(";")) == 2
        dss = repeats.set_index("level").loc["dss"]
        assert dss["hits_a"] == dss["hits_both"] + 1 and dss["n"] == 6

    def test_equal_screens_agree(self):
        a, b = made("A"), made("B")
        repeats, mismatches, paired = compare(
            pairs_of(a, [b], ["A", "B"]), sample="P-1", names=DrugNames()
        )
        assert repeats["pearson"].tolist() == pytest.approx([1, 1]) and not len(mismatches)
        assert (paired["curve_difference"] == 0).all()
        assert math.isnan(repeats.set_index("level").loc["curve", "pearson_low"])

    def test_synonyms_are_one_drug(self):
        a, b = made("A"), made("B", rename={"D0": "Zero"})
        names = DrugNames.of([{"drug": "D0", "synonyms": "zero"}])
        pairs = pairs_of(a, [b], ["A", "B"])
        assert compare(pairs, sample="P-1", names=names)[0]["n"].tolist()[0] == 6
        assert compare(pairs, sample="P-1", names=DrugNames())[0]["n"].tolist()[0] == 5

    def test_a_screen_on_hold_is_compared_and_named(self):
        held = made("B")
        held = Screened(
            "B",
            held.scores,
            held.curves,
            held.quality,
            {"readouts": {"metabolic": {"verdict": "hold"}}},
        )
        repeats, _, _ = compare(
            pairs_of(made("A"), [held], ["A", "B"]), sample="P-1", names=DrugNames()
        )
        assert repeats["verdict_b"].tolist() == ["hold", "hold"]


class TestShift:
    def test_estimate_and_interval_of_a_worked_example(self):
        """Differences of {1, 2, 3, 4} and {0, 0.5, 1.5, 2.5}: the smallest and the largest bound four against four."""
        found = shift([1, 2, 3, 4], [0, 0.5, 1.5, 2.5])
        differences = sorted(a - b for a in (1, 2, 3, 4) for b in (0, 0.5, 1.5, 2.5))
        assert found.value == np.median(differences)
        assert (found.low, found.high) == (differences[0], differences[-1])

    def test_left_out_pairs_follow_the_distribution_of_ranks(self):
        from exvivo.quality.shift import _rank_sums

        counts = np.zeros(3 * 4 + 1)
        for order in set(permutations("aaabbbb")):
            wins = sum(x == "a" and y == "b" for i, x in enumerate(order) for y in order[i:])
            counts[wins] += 1
        np.testing.assert_allclose(_rank_sums(3, 4), counts / counts.sum(), atol=1e-12)

    def test_coverage(self):
        rng = np.random.default_rng(2)
        for m, n in ((6, 8), (45, 36)):
            found = [shift(rng.normal(0.3, 1, m), rng.normal(0, 1, n)) for _ in range(400)]
            covered = np.mean([s.low <= 0.3 <= s.high for s in found])
            delta = 2 * 0.5840 - 1  # P(X > Y) of a shift of 0.3 sd
            told = np.mean([s.delta_low <= delta <= s.delta_high for s in found])
            assert 0.92 <= covered <= 0.99 and 0.91 <= told <= 0.99

    def test_few_wells_have_no_interval(self):
        found = shift([1, 2], [0, 0])
        assert found.value == 1.5 and math.isinf(found.low) and found.delta == 1
        assert math.isnan(shift([], [1]).value)
