"""Names, references, plasma levels, expected drugs: each on numbers whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from exvivo.context import (
    Background,
    DrugNames,
    Source,
    build_reference,
    describe_drugs,
    reference_text,
)
from exvivo.context.drugs import TOPS, percentile
from exvivo.context.expected import at_least, list_expected, overlap
from exvivo.context.plasma import at_plasma
from exvivo.context.tables import CONTEXT, EXPECTED
from exvivo.errors import ScoringError
from exvivo.responses.curve import PARAMETERS
from exvivo.responses.dss import dss_asym
from exvivo.responses.reference import read_reference, read_reference_table
from exvivo.tables import CURVES, conform


def rows(*drugs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"drug": drug, "synonyms": synonyms} for drug, synonyms in drugs]


def table(
    screen: str, scores: dict[str, float], *, readout: str = "metabolic", high: float = 10000.0
) -> pd.DataFrame:
    """Scores of a screen as far as context reads them."""
    frame = pd.DataFrame({"treatment": list(scores), "dss_asym": list(scores.values())}).assign(
        screen=screen, readout=readout, addon="", status="ok", min_concentration=1.0, max_concentration=high, gof=1.0, a_min=10.0
    )  # fmt: skip
    frame["dss_asym_adj"], frame["hit"] = frame["dss_asym"], frame["dss_asym"] > 10
    return frame.assign(rank=frame["dss_asym"].rank(ascending=False))


def no_curves() -> pd.DataFrame:
    return CURVES.empty_table().to_pandas()


def reference(tmp_path, sources: list[Source], names: DrugNames | None = None, name: str = "v1"):
    path = tmp_path / f"{name}.tsv"
    path.write_text(reference_text(name, sources, build_reference(sources, names or DrugNames())))
    return read_reference_table(path)


class TestNames:
    def test_case_and_spaces_do_not_matter(self):
        names = DrugNames.of(rows(("Valproic acid", "VPA; Depakene")))
        assert [names.canonical(n) for n in ("valproic  ACID", "vpa", "Depakene", "other")] == [
            "Valproic acid"
        ] * 3 + [""]

    def test_a_synonym_of_two_drugs_belongs_to_neither(self):
        names = DrugNames.of(rows(("A", "X; Y"), ("B", "x")))
        assert names.ambiguous == {"x": ["A", "B"]}
        assert names.canonical("X") == "" and names.canonical("Y") == "A"
        assert names.row("X") == {}

    def test_a_drugs_own_name_is_its_own(self):
        names = DrugNames.of(rows(("A", "B"), ("B", "")))
        assert names.canonical("B") == "B" and not names.ambiguous

    def test_match_prefers_the_exact_name_and_refuses_several(self):
        names = DrugNames.of(rows(("A", "X"), ("B", "Z; Q"), ("C", "Q")))
        places, reasons = names.match(["X", "A", "B", "Q", "N"], ["a", "X", "Z", "z "])
        assert places == [1, -1, -1, -1, -1]
        assert "several rows" in reasons[1] and "several rows" in reasons[2]
        assert reasons[3] == "the name is a synonym of B and of C" and reasons[4] == "no row"


class TestReference:
    def test_numbers_of_a_drug(self, tmp_path):
        sources = [Source(f"S{i}", table(f"S{i}", {"A": float(i)}), "d" * 64) for i in (1, 2, 6)]
        made = reference(tmp_path, sources)
        row = made.table.iloc[0]
        assert (row["n"], row["mean"], row["median"]) == (3, 3.0, 2.0)
        assert row["sd"] == pytest.approx(np.std([1, 2, 6], ddof=1))
        assert row["mad"] == pytest.approx(1.4826)
        assert made.screens == ("S1", "S2", "S6") and made.name == "v1"
        assert made.single.to_numpy().tolist() == [[1.0, 2.0, 6.0]]

    def test_equal_screens_make_equal_bytes_that_score_as_an_itrex_reference(self, tmp_path):
        sources = [Source("S1", table("S1", {"B": 2.0, "A": 1e-7}), "d" * 64)]
        texts = {
            reference_text("v", sources, build_reference(sources, DrugNames())) for _ in range(2)
        }
        assert len(texts) == 1 and "e-" not in texts.copy().pop().split("scores\n")[1]
        reference(tmp_path, sources)
        scored = read_reference(tmp_path / "v1.tsv")
        assert (
            scored["treatment"].tolist() == ["A", "B"] and scored["readout"].eq("metabolic").all()
        )
        assert scored["control_dss"].tolist() == [1e-7, 2.0]

    def test_held_readouts_combinations_and_missing_scores_are_left_out(self):
        scores = pd.concat([table("S1", {"A": 5.0, "N": math.nan}), table("S1", {"A": 9.0}, readout="bad"), table("S1", {"C": 1.0}).assign(addon="X")])  # fmt: skip
        found = build_reference([Source("S1", scores, "", frozenset({"bad"}))], DrugNames())
        assert found[["readout", "Drug.Name", "n"]].to_numpy().tolist() == [["metabolic", "A", 1]]
        assert math.isnan(found["sd_DSS"].iloc[0])

    def test_other_doses_are_not_mixed(self):
        sources = [
            Source(f"S{i}", table(f"S{i}", {"A": 5.0 + i}, high=high), "")
            for i, high in enumerate((1e4, 1e4, 1e3))
        ]
        row = build_reference(sources, DrugNames()).iloc[0]
        assert (row["n"], row["n_other_doses"], row["max_concentration"]) == (2, 1, 1e4)
        assert row["scores"] == "5.0000;6.0000;"

    def test_synonyms_are_one_drug_and_a_drug_twice_in_a_screen_is_none(self):
        names = DrugNames.of(rows(("A", "X")))
        sources = [Source("S1", table("S1", {"X": 5.0}), ""), Source("S2", table("S2", {"A": 7.0}), ""), Source("S3", table("S3", {"A": 1.0, "X": 2.0}), "")]  # fmt: skip
        found = build_reference(sources, names)
        assert found[["Drug.Name", "n", "mean_DSS"]].to_numpy().tolist() == [["A", 2, 6.0]]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "# exvivo reference: v\n# screen: S1 x on hold: -\nDrug.Name\tmean_DSS\tscores\nA\t1\t1;2\n",
                "do not fit",
            ),
            (
                "# exvivo reference: v\n# screen: S1 x on hold: -\nDrug.Name\tmean_DSS\nA\t1\n",
                "do not fit",
            ),
            ("readout\tDrug.Name\tmean_DSS\nm\tA\t1\nm\tA\t2\n", "occur twice"),
        ],
    )
    def test_damaged_references_are_refused(self, tmp_path, text, message):
        path = tmp_path / "r.tsv"
        path.write_text(text)
        with pytest.raises(ScoringError, match=message):
            read_reference_table(path)

    def test_nothing_to_make_it_from(self):
        with pytest.raises(ScoringError, match="nothing to make a reference from"):
            build_reference([], DrugNames())
        twice = [Source("S1", table("S1", {"A": 1.0}), "")] * 2
        with pytest.raises(ScoringError, match="named twice"):
            build_reference(twice, DrugNames())


class TestCohort:
    def sources(self, count: int = 8) -> list[Source]:
        """Drug A tops every list with scores 20, 21, …; B rises from 0; twelve more never act."""
        idle = {f"I{i}": 0.1 * i for i in range(12)}
        return [
            Source(f"S{i}", table(f"S{i}", {"A": 20.0 + i, "B": float(i)} | idle), "")
            for i in range(count)
        ]

    def test_percentile_leaves_out_the_screen_and_its_repeats(self, tmp_path):
        cohort = reference(tmp_path, self.sources())
        own = table("S0", {"A": 25.5, "B": 0.0})
        found = describe_drugs(
            own, no_curves(), Background(cohort=cohort, own=["S0", "S7"])
        ).set_index("treatment")
        assert found["cohort_n"].tolist() == [6, 6]
        assert found.loc["A", "cohort_percentile"] == pytest.approx(100 * 5 / 6)
        assert found.loc["B", "cohort_percentile"] == 0
        assert found.loc["A", ["cohort_top_share", "cohort_hit_share"]].tolist() == [1, 1]
        assert found.loc["B", ["cohort_top_share", "cohort_hit_share"]].tolist() == [0, 0]
        assert TOPS in found.loc["A", "badges"] and found.loc["B", "badges"] == ""
        conform(found.reset_index(), CONTEXT, where="test")

    def test_a_large_cohort_against_its_definition(self, tmp_path):
        rng = np.random.default_rng(3)
        values = rng.gamma(2, 6, 60)
        cohort = reference(
            tmp_path, [Source(f"S{i}", table(f"S{i}", {"A": v}), "") for i, v in enumerate(values)]
        )
        found = describe_drugs(
            table("N", {"A": 12.0}), no_curves(), Background(cohort=cohort)
        ).iloc[0]
        assert found["cohort_percentile"] == pytest.approx(100 * np.mean(values < 12))
        assert found["cohort_median"] == pytest.approx(np.median(values), abs=1e-4)
        assert found["cohort_hit_share"] == np.mean(values > 10)

    def test_equal_scores_count_half(self):
        assert percentile(5.0, np.array([1.0, 5.0, 5.0, 9.0])) == 50
        assert math.isnan(percentile(math.nan, np.array([1.0])))

    def test_few_screens_other_doses_and_other_readouts_say_so(self, tmp_path):
        few = reference(tmp_path, self.sources(4))
        found = describe_drugs(table("N", {"A": 1.0}), no_curves(), Background(cohort=few)).iloc[0]
        assert found["cohort_n"] == 4 and "5 are needed" in found["cohort_note"]
        cohort = reference(tmp_path, self.sources())
        found = describe_drugs(
            table("N", {"A": 1.0}, high=1e3), no_curves(), Background(cohort=cohort)
        ).iloc[0]
        assert (
            found["cohort_note"] == "other screens were tested at other doses"
            and found["cohort_n"] == 0
        )
        found = describe_drugs(
            table("N", {"A": 1.0}, readout="other"), no_curves(), Background(cohort=cohort)
        ).iloc[0]
        assert found["cohort_note"] == "no row" and math.isnan(found["cohort_percentile"])


class TestControls:
    def test_selective_scores(self, tmp_path):
        controls = reference(
            tmp_path,
            [Source(f"S{i}", table(f"S{i}", {"A": v}), "") for i, v in enumerate((2.0, 4.0, 9.0))],
        )
        names = DrugNames.of(rows(("A", "Alpha")))
        found = describe_drugs(
            table("N", {"Alpha": 20.0}), no_curves(), Background(names, controls=controls)
        ).iloc[0]
        sd = np.std([2, 4, 9], ddof=1)
        assert found["sdss_asym"] == 15 and found["control_n"] == 3
        assert found["zdss_asym"] == pytest.approx(15 / (sd + 1))
        assert found["rdss_asym"] == pytest.approx(16 / (1.4826 * 2 + 1))

    def test_an_itrex_reference_has_no_spread(self, tmp_path):
        path = tmp_path / "itrex.csv"
        path.write_text("Drug.Name,mean_DSS,mean_DSS_adj\nA,5,4\n")
        found = describe_drugs(
            table("N", {"A": 20.0, "B": 1.0}),
            no_curves(),
            Background(controls=read_reference_table(path)),
        )
        assert found["sdss_asym"].tolist()[0] == 15 and found["zdss_asym"].isna().all()
        assert found["control_note"].tolist() == ["", "no row"]

    def test_a_drug_that_kills_healthy_cells_alike_is_told(self, tmp_path):
        path = tmp_path / "r.csv"
        path.write_text("Drug.Name,mean_DSS\nA,18\nB,18\nC,2\n")
        scores = table("N", {"A": 20.0, "B": 40.0, "C": 20.0})
        found = describe_drugs(scores, no_curves(), Background(controls=read_reference_table(path)))
        assert found["badges"].tolist() == ["healthy", "", ""]


class TestPlasma:
    CURVE = (0.0, 1.0, 3.0, 2.0, 1.0)  # half effect at 1 µM, tested from 10 nM to 100 µM

    def at(self, level: float, curve: tuple = CURVE) -> pd.Series:
        frame = pd.DataFrame(
            [
                dict(
                    zip(PARAMETERS, curve, strict=True),
                    min_concentration=10.0,
                    max_concentration=1e5,
                )
            ]
        )
        return at_plasma(frame, pd.Series([level]), pd.Series([10.0])).iloc[0]

    def test_inside_the_tested_doses(self):
        found = self.at(1000.0)
        assert (found["plasma_place"], found["effect_at_plasma"]) == ("inside", pytest.approx(50))
        whole = dss_asym(np.array([self.CURVE]), [1.0], [5.0], 10.0)[0]
        x = np.linspace(1, 3, 20001)
        y = 100 / (1 + 10 ** (2 * (3 - x))) - 10
        part = 50 * np.trapezoid(np.maximum(y, 0), x) / (90 * 4)
        assert found["dss_reachable"] == pytest.approx(part, rel=1e-3)
        assert found["dss_reachable"] < 0.3 * whole and not found["only_above_plasma"]

    def test_outside_nothing_is_extrapolated(self):
        above, below = self.at(1e7), self.at(1.0)
        assert above["plasma_place"] == "above" and math.isnan(above["effect_at_plasma"])
        assert above["effect_reachable"] == pytest.approx(99.99, abs=0.01)
        whole = dss_asym(np.array([self.CURVE]), [1.0], [5.0], 10.0)[0]
        assert above["dss_reachable"] == pytest.approx(whole)
        assert below["plasma_place"] == "below" and below["dss_reachable"] == 0
        assert math.isnan(below["effect_reachable"])

    def test_effect_only_above_the_level(self):
        assert self.at(100.0)["only_above_plasma"] and self.at(100.0)["dss_reachable"] == 0
        assert self.at(1.0)["only_above_plasma"], "flat at the lowest dose, so flat below it"
        potent = (0.0, 1.0, 1.0, 2.0, 1.0)
        assert not self.at(1.0, potent)["only_above_plasma"], (
            "what happens below the tested doses is not known"
        )

    def test_without_level_or_curve(self):
        assert self.at(math.nan)["plasma_place"] == ""
        for curve in ((math.nan,) * 5, (0.9, 0.1, 3.0, 2.0, 1.0)):
            found = self.at(1000.0, curve)
            assert math.isnan(found["effect_at_plasma"]) and math.isnan(found["dss_reachable"])
            assert not found["only_above_plasma"]


class TestExpected:
    NAMES = DrugNames.of(
        [
            {"drug": "A", "synonyms": "Alpha", "expected_for": "BRAF V600E; NF1"},
            {"drug": "B", "synonyms": "", "expected_for": "braf  v600e"},
            {"drug": "C", "synonyms": "", "expected_for": "NTRK"},
            {"drug": "D", "synonyms": "", "expected_for": "NF1"},
            {"drug": "E", "synonyms": "", "expected_for": "BRAF V600E"},
        ]
    )

    def test_found_not_found_not_tested_not_scored(self):
        scores = table("S", {"Alpha": 30.0, "B": 2.0, "C": 40.0, "E": math.nan})
        found = list_expected(scores, self.NAMES, ["BRAF V600E", "NF1"], screen="S")
        conform(found, EXPECTED, where="test")
        told = dict(zip(found["drug"], found["found"], strict=True))
        assert told == {"Alpha": "hit", "B": "not a hit", "D": "not tested", "E": "no score"}
        assert found.set_index("drug").loc["Alpha", "drivers"] == "BRAF V600E; NF1"

    def test_nothing_is_expected_without_drivers(self):
        conform(
            list_expected(table("S", {"A": 1.0}), self.NAMES, [], screen="S"),
            EXPECTED,
            where="test",
        )

    def test_overlap(self):
        scores = table("S", {"Alpha": 30.0, "B": 2.0, "C": 40.0, "X": 1.0, "Y": 0.0})
        found = overlap(describe_drugs(scores, no_curves(), Background(self.NAMES, ["BRAF V600E"])))
        assert (found.scored, found.expected, found.hits, found.both) == (5, 2, 2, 1)
        assert found.p == pytest.approx(1 - 3 / 10)  # 1 - C(3,2)/C(5,2)

    def test_exact_test_against_enumeration(self):
        from itertools import combinations

        for total, marked, drawn in ((7, 3, 4), (6, 6, 2), (8, 1, 3)):
            draws = [len(set(c) & set(range(marked))) for c in combinations(range(total), drawn)]
            for both in range(min(marked, drawn) + 1):
                assert at_least(total, marked, drawn, both) == pytest.approx(
                    np.mean(np.array(draws) >= both)
                )


def test_a_screen_without_scores_has_no_context():
    conform(describe_drugs(table("S", {}), no_curves(), Background()), CONTEXT, where="test")
