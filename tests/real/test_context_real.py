"""Context of the iTReX demo screens: BT-40, a glioma line with BRAF V600E, by metabolism and by imaging."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from itrex_data import Demo, load_demo

from exvivo.context import Background, DrugNames, describe_drugs
from exvivo.context.expected import at_least, list_expected, overlap
from exvivo.context.repeats import Screened, compare, pairs_of
from exvivo.files import read_json
from exvivo.quality import assess
from exvivo.responses.reference import read_reference_table

# Berker et al. 2022, expected hits of BT-40.
EXPECTED = ("Vemurafenib", "Dabrafenib", "Trametinib", "Cobimetinib", "Selumetinib")
ROWS = [{"drug": drug, "synonyms": "", "expected_for": "BRAF V600E"} for drug in EXPECTED]
ROWS[0] |= {"drug": "PLX-4032", "synonyms": "Vemurafenib"}


@pytest.fixture(scope="module")
def folder(real_data) -> Path:
    return real_data / "dose_response"


@pytest.fixture(scope="module")
def demos(folder) -> dict[str, Demo]:
    return {name: load_demo(folder, name) for name in ("metabolic", "imaging", "many missing")}


def screened(demo: Demo, name: str, readout: str) -> Screened:
    """A demo as a finished screen with a readout of that name."""
    responses, curves = demo.responses.assign(readout=readout), demo.curves.assign(readout=readout)
    scores = demo.scores.reset_index().assign(readout=readout)
    quality, verdict = assess(responses, scores, curves, admission={"verdict": "ready"})
    return Screened(name, scores, curves, quality, verdict)


def test_selective_scores_are_the_published_ones(folder, demos) -> None:
    demo = demos["metabolic"]
    controls = read_reference_table(folder / "reference_samples_controls_ST10.csv")
    found = describe_drugs(demo.scores.reset_index(), demo.curves, Background(controls=controls))
    published = pd.read_csv(folder / "therapy_parameters_BT-40_ST08.csv").set_index("Drug.Name")
    published = published.reindex(found["treatment"])
    assert (found["control_dss"].to_numpy() == published["controlDSS"].to_numpy()).all()
    difference = np.abs(found["sdss_asym"].to_numpy() - published["sDSS_asym"].to_numpy())
    assert np.median(difference) < 0.02 and np.quantile(difference, 0.9) < 0.3
    assert found["zdss_asym"].isna().all(), "the table has no spread"


def test_expected_drugs_of_braf_v600e(demos) -> None:
    """All five are hits, one of them found under its synonym, which chance hardly gives."""
    demo, names = demos["metabolic"], DrugNames.of(ROWS)
    scores = demo.scores.reset_index()
    listed = list_expected(scores, names, ["braf v600e"], screen="BT-40")
    assert set(listed["drug"]) == set(EXPECTED) and (listed["found"] == "hit").all()
    found = overlap(describe_drugs(scores, demo.curves, Background(names, ["BRAF V600E"])))
    assert (found.expected, found.both) == (5, 5) and found.scored == 75
    assert found.p == at_least(75, 5, found.hits, 5) < 0.002


def test_exact_test_against_published_numbers(real_data) -> None:
    golden = read_json(real_data / "golden_cells.json")["paper_A_hypergeometric"]
    total, marked = golden["N"], golden["K"]
    for both, drawn in ((8, 21), (7, 14)):
        assert at_least(total, marked, drawn, both) == pytest.approx(
            golden[f"P_ge_{both}_of_{drawn}"], rel=1e-3
        )
        assert at_least(total, marked, drawn, both + 1) == pytest.approx(
            golden[f"P_gt_{both}_of_{drawn}"], rel=2e-2
        )


def test_metabolism_against_imaging_as_published(demos) -> None:
    """The paper has R about 0.7 between both and about a fifth of the drugs on different sides."""
    metabolic = screened(demos["metabolic"], "BT-40_V1", "metabolic")
    imaging = screened(demos["imaging"], "BT-40_V3", "mean_of_stack")
    pairs = pairs_of(metabolic, [imaging], ["BT-40_V1", "BT-40_V3"])
    repeats, mismatches, paired = compare(pairs, sample="BT-40", names=DrugNames())
    dss = repeats.set_index("level").loc["dss"]
    assert dss["kind"] == "modality" and dss["n"] == len(paired) == 26
    assert dss["pearson"] == pytest.approx(0.76, abs=0.01)
    assert dss["pearson_low"] < 0.7 < dss["pearson_high"]
    assert set(mismatches["treatment"]) == {"Palbociclib", "Topotecan", "Entinostat", "Chloroquine"}
    assert (
        mismatches["treatment"].iloc[0] == "Palbociclib"
        and mismatches["curve_difference"].iloc[0] > 30
    )
    assert mismatches["z_prime_a"].iloc[0] == pytest.approx(0.618, abs=1e-3)
    assert mismatches["replicate_pearson_b"].iloc[0] == pytest.approx(0.763, abs=6e-4)


def test_a_screen_against_itself_with_a_quarter_of_its_wells_lost(demos) -> None:
    whole = screened(demos["metabolic"], "A", "metabolic")
    gaps = screened(demos["many missing"], "B", "metabolic")
    repeats, mismatches, _ = compare(
        pairs_of(whole, [gaps], ["A", "B"]), sample="BT-40", names=DrugNames()
    )
    found = repeats.set_index("level")
    assert found.loc["dss", "n"] == 72 and found.loc["dss", "ccc"] > 0.98
    assert found.loc["curve", "pearson"] > 0.97 and len(mismatches) <= 2
    assert abs(found.loc["dss", "bias"]) < 0.5


def test_untreated_wells_lie_near_the_solvent_with_an_interval(demos) -> None:
    table = screened(demos["metabolic"], "A", "metabolic").quality.set_index(["scope", "metric"])[
        "value"
    ]
    for scope in ("1", "2", "3", "screen"):
        low, value, high = (
            table[scope, f"untreated_shift_{end}"] for end in ("low", "signed", "high")
        )
        assert low < value < high and high - low < 0.25
    assert table["screen", "untreated_shift_high"] - table["screen", "untreated_shift_low"] < min(
        table[p, "untreated_shift_high"] - table[p, "untreated_shift_low"] for p in "123"
    )
