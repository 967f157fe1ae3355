"""Scores: what counts as a hit, what is left empty, and how tables come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from responses_data import CURVE, DOSES, curve_of, screen

from exvivo.errors import ScoringError, SheetError
from exvivo.responses import build_responses, fit_curves, read_reference, score, scores_schema
from exvivo.tables import conform, read_table, write_table

STRONG, WEAK, NONE = curve_of(top=0.95, ic50=30), curve_of(top=0.3, ic50=3000), curve_of(top=0.02)


def run(*args, hit: float = 10.0, threshold="variable", reference=None, **options) -> pd.DataFrame:
    layout, readout = screen(*args, **{"noise": 0.01, **options})
    return finish(layout, readout, hit=hit, threshold=threshold, reference=reference)


def finish(layout, readout, **options) -> pd.DataFrame:
    responses = build_responses(layout, readout, screen="S", readout_name="r")
    frame = score(fit_curves(responses), responses, **options)
    conform(frame, scores_schema(frame.columns), where="test")
    return frame


def test_one_row_per_drug_from_the_highest_score_down() -> None:
    frame = run({"none": NONE, "strong": STRONG, "weak": WEAK}, titration=CURVE)
    assert frame["treatment"].tolist() == ["strong", "weak", "none"]
    assert frame["rank"].tolist() == [1, 2, 3]
    assert frame["hit"].tolist() == [True, False, False]
    assert frame.set_index("treatment").loc["strong", "rel_ic50"] == pytest.approx(30, rel=0.2)


def test_score_of_a_known_curve() -> None:
    """Area of the true curve above 10 %, over 4 decades; the fit of quiet wells must come close."""
    frame = run({"A": STRONG}, noise=1e-4)
    x = np.linspace(0, 4, 4001)
    y = 95 / (1 + 30 / 10**x)
    expected = 50 * np.trapezoid(np.maximum(y - 10, 0), x) / (90 * 4)
    assert frame["dss_asym"].iloc[0] == pytest.approx(expected, abs=0.05)
    assert frame["dss_asym_adj"].iloc[0] == pytest.approx(
        frame["dss_asym"].iloc[0] * frame["gof"].iloc[0]
    )
    assert frame["pi2"].iloc[0] == pytest.approx(95 / 4, abs=0.3)


def test_inverted_curve_keeps_its_number_but_is_no_hit() -> None:
    """All doses kill, the lowest most: published as a hit, since it counts as its last value."""
    frame = run({"A": (0.6, 1.0, 2.0, -2.0, 1.0), "B": STRONG}).set_index("treatment")
    assert frame.loc["A", "status"] == "inverted" and frame.loc["A", "dss_asym"] > 10
    assert frame.loc["A", "hit_published"] and not frame.loc["A", "hit"]
    assert frame.loc["A", ["abs_ic25", "abs_ic50", "abs_ic75", "rel_ic50"]].isna().all()
    assert frame.loc["A", "rel_ic50_text"] == ""


def test_failed_and_missing_curves_have_no_numbers_and_no_rank() -> None:
    layout, readout = screen({"flat": (0.4, 0.4, 2.0, 1.0, 1.0), "lost": CURVE, "B": STRONG})
    readout.loc[layout["treatment"] == "lost", "value"] = np.nan
    frame = finish(layout, readout).set_index("treatment")
    for name, status in (("flat", "failed"), ("lost", "no_curve")):
        row = frame.loc[name]
        assert row["status"] == status and row["reason"]
        assert row[["dss_asym", "dss1", "rel_ic50", "imax", "gof", "rank", "pi1"]].isna().all()
        assert not row["hit"] and not row["hit_published"]
    assert frame.loc["B", "rank"] == 1 and frame.loc["lost", "n_replicates"] == 0


def test_hit_is_strictly_above_the_limit() -> None:
    value = run({"A": STRONG})["dss_asym"].iloc[0]
    assert not run({"A": STRONG}, hit=value)["hit"].iloc[0]
    assert run({"A": STRONG}, hit=np.nextafter(value, 0))["hit"].iloc[0]


def test_fixed_threshold() -> None:
    frame = run({"A": STRONG}, threshold=25.0)
    assert frame["a_min"].iloc[0] == 25.0
    assert frame["dss_asym"].iloc[0] < run({"A": STRONG})["dss_asym"].iloc[0]


def test_replicates_and_doses_are_columns_as_many_as_there_are() -> None:
    frame = run({"A": CURVE, "B": CURVE}, doses=np.logspace(0, 4, 7), replicates=3)
    assert [c for c in frame if c.startswith("pi")] == [f"pi{i}" for i in range(1, 8)]
    assert [c for c in frame if c.startswith("dss_asym_rep")] == [
        f"dss_asym_rep{i}" for i in (1, 2, 3)
    ]
    assert (frame["n_replicates"] == 3).all() and (frame["n_doses"] == 7).all()
    np.testing.assert_allclose(frame["dss_asym_rep2"], frame["dss_asym"], atol=1.5)


def test_drugs_with_fewer_doses_than_others_leave_columns_empty() -> None:
    layout, readout = screen({"A": CURVE, "B": CURVE}, noise=0.01)
    drop = (layout["treatment"] == "B") & (layout["concentration"] == DOSES[-1])
    frame = finish(layout[~drop].reset_index(drop=True), readout).set_index("treatment")
    assert frame.loc["A", "n_doses"] == 5 and frame.loc["B", "n_doses"] == 4
    assert np.isnan(frame.loc["B", "pi5"]) and frame.loc["B", "pi4"] > 50


def test_inhibition_at_a_dose_that_was_not_measured_is_missing() -> None:
    layout, readout = screen({"A": CURVE}, noise=0.01)
    middle = (layout["treatment"] == "A") & (layout["concentration"] == 100)
    readout.loc[middle, "value"] = np.nan
    row = finish(layout, readout).iloc[0]
    assert np.isnan(row["pi3"]) and row[["pi1", "pi2", "pi4", "pi5"]].notna().all()


def test_asymptotes_are_exported_within_bounds() -> None:
    frame = run({"A": (-0.4, 1.3, 2.0, 1.5, 1.0)}, noise=1e-3)
    assert frame["imin"].iloc[0] == -10.0 and frame["imax"].iloc[0] == 110.0
    assert frame["a_min"].iloc[0] == pytest.approx(11.0)
    assert frame["pi5"].iloc[0] > 120, "what was fitted is not clipped"


def test_ic50_beyond_the_tested_doses_has_number_and_words() -> None:
    frame = run({"A": curve_of(top=1.0, ic50=1e5, slope=1.0)}, noise=1e-4)
    row = frame.iloc[0]
    assert row["rel_ic50"] > 1e4 and row["rel_ic50_text"] == "> 10 µM"


def test_selective_scores_against_a_reference(tmp_path: Path) -> None:
    path = tmp_path / "reference.csv"
    path.write_text("Drug.Name,mean_DSS,mean_DSS_adj\nA,5.5,4\nC,1,\n")
    frame = run({"A": STRONG, "B": STRONG}, reference=read_reference(path)).set_index("treatment")
    assert frame.loc["A", "sdss_asym"] == pytest.approx(frame.loc["A", "dss_asym"] - 5.5)
    assert frame.loc["A", "sdss_asym_adj"] == pytest.approx(frame.loc["A", "dss_asym_adj"] - 4)
    assert frame.loc["B", ["sdss_asym", "control_dss"]].isna().all()


def test_combinations_have_no_selective_score(tmp_path: Path) -> None:
    path = tmp_path / "reference.tsv"
    path.write_text("Drug.Name\tmean_DSS\nA\t5.5\n")
    frame = run({"A": STRONG}, addon="X", reference=read_reference(path))
    assert frame["addon"].tolist() == ["X"] and frame["sdss_asym"].isna().all()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("Drug,mean_DSS\nA,1\n", ScoringError, "a column is missing"),
        ("Drug.Name,mean_DSS\nA,much\n", ScoringError, "not a number"),
        ("Drug.Name,mean_DSS\nA,1\nA,2\n", ScoringError, "drugs occur twice"),
        ("", SheetError, "an empty file"),
    ],
)
def test_bad_references(tmp_path: Path, text, error, message) -> None:
    path = tmp_path / "reference.csv"
    path.write_text(text)
    with pytest.raises(error, match=message):
        read_reference(path)
    with pytest.raises(SheetError, match="no such file"):
        read_reference(tmp_path / "none.csv")


def test_several_readouts_are_ranked_apart() -> None:
    layout, readout = screen({"A": STRONG, "B": WEAK}, noise=0.01)
    parts = [
        build_responses(layout, values, screen="S", readout_name=name)
        for name, values in (("z", readout), ("a", readout.assign(value=2 * readout["value"])))
    ]
    responses = pd.concat(parts, ignore_index=True)
    frame = score(fit_curves(responses), responses)
    assert frame["readout"].tolist() == ["z", "z", "a", "a"], "in the order given"
    assert frame["rank"].tolist() == [1, 2, 1, 2]


def test_table_survives_writing_and_reading(tmp_path: Path) -> None:
    frame = run({"NA": STRONG, "lost": (0.4, 0.4, 2.0, 1.0, 1.0)}, noise=0.0)
    for name in ("scores.tsv", "scores.parquet"):
        schema = scores_schema(frame.columns)
        write_table(frame, tmp_path / name, schema)
        again = read_table(tmp_path / name, schema)
        assert again["treatment"].tolist() == frame["treatment"].tolist()
        np.testing.assert_allclose(again["dss_asym"], frame["dss_asym"])


def test_screen_without_a_single_curve() -> None:
    layout, readout = screen({"A": CURVE}, doses=DOSES[:2])
    frame = finish(layout, readout)
    assert frame["status"].tolist() == ["no_curve"] and frame["dss_asym"].isna().all()
    assert not frame["hit"].any()
