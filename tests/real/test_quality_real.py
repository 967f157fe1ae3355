"""Quality of the iTReX demo screens: their own tables, and the verdict that each deserves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from itrex_data import Demo, load_demo

from exvivo.quality import assess, qc_table
from exvivo.quality import statistics as s
from exvivo.quality.controls import sides
from exvivo.sheets.config import DEFAULT_CONTRAST
from exvivo.sheets.layouts import contrast_wells

READY = {"verdict": "ready", "reasons": []}


@pytest.fixture(scope="module")
def folder(real_data) -> Path:
    return real_data / "dose_response"


@pytest.fixture(scope="module")
def demos(folder) -> dict[str, Demo]:
    return {
        name: load_demo(folder, name) for name in ("metabolic", "imaging", "many missing", "flat")
    }


def judge(demo: Demo):
    return assess(demo.responses, demo.scores.reset_index(), demo.curves, admission=READY)


def value(table: pd.DataFrame, metric: str, scope: str = "screen") -> float:
    found = table[(table["metric"] == metric) & (table["scope"] == scope)]
    assert len(found) == 1
    return float(found["value"].iloc[0])


def test_qc_table_of_the_imaging_plate_to_its_printed_digits(folder, demos) -> None:
    file = folder / "expected_qc_summary_imaging_BT-40_V3_DS1_P1_2digits.csv"
    expected = pd.read_csv(file, index_col="rn")
    found = qc_table(demos["imaging"].responses)
    assert list(found.index) == list(expected.index)
    assert list(found.columns) == list(expected.columns)
    pd.testing.assert_frame_equal(found.round(2), expected, check_names=False, atol=1e-9, rtol=0)


def test_statistics_of_the_controls(folder, demos) -> None:
    """Medians, MAD, means, SD and three kinds of Z', per plate and over the screen, by the original functions."""
    expected = pd.read_csv(folder / "expected_itrex_qc.csv", dtype={"plate": str})
    checked = 0
    for demo in (demos["metabolic"], demos["imaging"]):
        wells = demo.responses.assign(side=contrast_wells(demo.responses, DEFAULT_CONTRAST))
        for row in expected[expected["sample"] == demo.oracle].to_dict("records"):
            part = wells if row["plate"] == "screen" else wells[wells["plate"] == row["plate"]]
            negative, positive = sides(part, "value")
            found = {
                "n_neg": len(negative),
                "n_pos": len(positive),
                "median_neg": np.median(negative),
                "median_pos": np.median(positive),
                "mad_neg_1.4826": s.robust_sd(negative),
                "mad_pos_1.4826": s.robust_sd(positive),
                "zprime_robust": s.robust_z_prime(negative, positive),
                "zprime_fixsd": s.z_prime_fixsd(negative, positive),
                "zprime_original": s.z_prime(negative, positive),
            }
            for name, number in found.items():
                assert number == pytest.approx(row[name], rel=1e-12), (
                    demo.oracle,
                    row["plate"],
                    name,
                )
            checked += 1
    assert checked == 6


def test_per_plate_values_are_those_of_the_quality_table(folder, demos) -> None:
    expected = pd.read_csv(folder / "expected_itrex_qc.csv", dtype={"plate": str})
    expected = expected[expected["sample"] == "BT40_ST04"].set_index("plate")
    table, _ = judge(demos["metabolic"])
    for plate in "123":
        assert value(table, "robust_z_prime", plate) == pytest.approx(
            expected.loc[plate, "zprime_robust"]
        )
        assert value(table, "z_prime", plate) == pytest.approx(
            expected.loc[plate, "zprime_original"]
        )
        assert value(table, "z_prime_fixsd", plate) == pytest.approx(
            expected.loc[plate, "zprime_fixsd"]
        )


@pytest.mark.parametrize(
    ("name", "viability", "dss"), [("metabolic", 0.905, 0.974), ("imaging", 0.763, 0.927)]
)
def test_replicates_agree_as_published(demos, name, viability, dss) -> None:
    table, _ = judge(demos[name])
    assert value(table, "replicate_pearson") == pytest.approx(viability, abs=6e-4)
    assert value(table, "replicate_dss_pearson") == pytest.approx(dss, abs=2e-3)


@pytest.mark.parametrize("name", ["metabolic", "imaging"])
def test_good_screens_pass(demos, name) -> None:
    table, verdict = judge(demos[name])
    assert verdict["verdict"] == "pass" and not verdict["reasons"]
    assert value(table, "robust_z_prime") > 0.5
    assert value(table, "titration_spearman") > 0.65


def test_imaging_plate_has_an_uneven_bottom_row(demos) -> None:
    """Row O, the outermost in use, lies a quarter of the scale below the rest: seen, told, and no gate."""
    table, _ = judge(demos["imaging"])
    row = table[table["metric"] == "row_uniformity"].iloc[0]
    assert row["value"] > 0.2 and row["note"].startswith("row O: -")
    edge = table[table["metric"] == "edge_effect"].iloc[0]
    assert edge["verdict"] == "warn" and not edge["gate"]


def test_flat_screen_is_on_hold_because_its_controls_coincide(demos) -> None:
    """All wells read about 360. The fits go through and the authors' code even finds 42 'hits' in the noise;
    the controls of no plate are apart, so nothing of it may be ranked."""
    demo = demos["flat"]
    assert set(demo.scores["status"]) <= {"ok", "inverted", "failed"}
    assert demo.scores["hit_published"].sum() > 10
    table, verdict = judge(demo)
    assert verdict["verdict"] == "hold"
    reasons = [reason for reason in verdict["reasons"] if "robust Z′" in reason]
    assert len(reasons) == len(verdict["reasons"]) == 4, "three plates and the screen, nothing else"
    for scope in ("1", "2", "3", "screen"):
        assert value(table, "robust_z_prime", scope) < -10
    assert value(table, "replicate_pearson") < 0.2
    missing = table[(table["metric"] == "missing_wells") & (table["scope"] == "screen")]
    assert missing["value"].iloc[0] == 0, "no other fault"


def test_screen_full_of_missing_wells_passes_with_its_gaps_told(demos) -> None:
    """More than a quarter of the wells are missing, three fifths of plate 3; yet the controls that are there
    are apart on every plate, and 72 of 75 drugs have a curve whose score is the published one. So it is
    ranked, the three drugs without a curve are named, and the gaps are told per plate."""
    table, verdict = judge(demos["many missing"])
    assert verdict["verdict"] == "pass"
    assert value(table, "control_wells", "3") == 3
    assert value(table, "missing_wells", "3") == pytest.approx(189 / 308)
    row = table[(table["metric"] == "missing_wells") & (table["scope"] == "3")].iloc[0]
    assert row["verdict"] == "fail" and not row["gate"]
    drugs = table[table["metric"] == "scored_drugs"].iloc[0]
    assert drugs["value"] == pytest.approx(72 / 75) and drugs["gate"]
    assert "Sorafenib, Sunitinib, Talazoparib" in drugs["note"]


def test_plate_that_lost_its_controls_holds_the_screen(folder) -> None:
    """The same gaps with the other layout, whose controls on plate 3 are all missing: no scale, no ranking."""
    demo = load_demo(folder, "many missing", "layout_metabolic_3plates.csv")
    assert demo.responses.loc[demo.responses["plate"] == "3", "viability"].isna().all()
    table, verdict = judge(demo)
    assert verdict["verdict"] == "hold"
    assert any(
        "plate 3" in reason and "0 negative, 0 positive" in reason for reason in verdict["reasons"]
    )
    assert value(table, "scored_drugs") < 0.75
