"""Fits: known curves are found, hopeless data are named and not scored, curves do not influence each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from responses_data import CURVE, DOSES, curve_of, screen

from exvivo.errors import ConfigError, ScoringError
from exvivo.responses import METHODS, build_responses, fit_curves
from exvivo.responses.curve import PARAMETERS, evaluate
from exvivo.responses.itrex import fit_itrex, objective, start_slope, start_values
from exvivo.tables import CURVES, conform


def fit(*args, **options):
    layout, readout = screen(*args, **options)
    frame = fit_curves(build_responses(layout, readout, screen="S", readout_name="r"))
    conform(frame, CURVES, where="test")
    return frame


def row_of(frame, treatment: str, replicate: int = 0):
    found = frame[(frame["treatment"] == treatment) & (frame["replicate"] == replicate)]
    assert len(found) == 1
    return found.iloc[0]


def test_known_curves_are_found_from_noisy_wells() -> None:
    drugs = {f"d{i}": curve_of(top=0.95, ic50=ic50) for i, ic50 in enumerate((10, 100, 1000))}
    frame = fit(drugs, noise=0.02, replicates=4)
    for name, parameters in drugs.items():
        row = row_of(frame, name)
        x = np.linspace(0, 4, 9)
        fitted = evaluate(row[list(PARAMETERS)].to_numpy(dtype=float), x)
        assert np.abs(fitted - evaluate(np.array(parameters), x)).max() < 0.06
        assert row["status"] == "ok" and row["gof"] > 0.98


def test_one_row_for_all_replicates_and_one_for_each() -> None:
    frame = fit({"A": CURVE, "B": CURVE}, replicates=3, noise=0.01)
    assert sorted(zip(frame["treatment"], frame["replicate"], strict=True)) == [
        (name, replicate) for name in "AB" for replicate in range(4)
    ]
    assert row_of(frame, "A")["n_points"] == 15 and row_of(frame, "A", 2)["n_points"] == 5


@pytest.mark.parametrize("count", [3, 4, 5, 6, 8, 10, 12])
def test_any_number_of_doses_from_three(count) -> None:
    doses = np.logspace(0, 4, count)
    row = row_of(fit({"A": CURVE}, doses=doses, noise=0.01), "A")
    assert row["status"] == "ok" and row["n_doses"] == count
    assert row["n_parameters"] <= min(count, 5)
    assert row["min_concentration"] == 1 and row["max_concentration"] == pytest.approx(1e4)


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_doses_are_no_curve_and_no_error(count) -> None:
    row = row_of(fit({"A": CURVE}, doses=DOSES[:count]), "A")
    assert row["status"] == "no_curve"
    assert row["reason"] == f"{count} dose(s) measured, at least 3 are needed"
    assert row[list(PARAMETERS)].isna().all() and np.isnan(row["gof"])


@pytest.mark.parametrize("replicates", [1, 2, 3, 5])
def test_any_number_of_replicates(replicates) -> None:
    frame = fit({"A": CURVE}, replicates=replicates, noise=0.01)
    assert frame["replicate"].tolist() == list(range(replicates + 1))
    assert set(frame["status"]) == {"ok"}


def test_lost_wells_leave_no_curve_for_the_replicate_alone() -> None:
    layout, readout = screen({"A": CURVE}, noise=0.01)
    second = (layout["treatment"] == "A") & (layout["replicate"] == 2)
    readout.loc[layout.index[second][:3], "value"] = np.nan
    frame = fit_curves(build_responses(layout, readout, screen="S", readout_name="r"))
    assert [row_of(frame, "A", r)["status"] for r in (0, 1, 2)] == ["ok", "ok", "no_curve"]
    assert row_of(frame, "A")["n_points"] == 7


def test_drug_without_any_measured_well_still_has_its_row() -> None:
    layout, readout = screen({"A": CURVE, "B": CURVE})
    readout.loc[layout["treatment"] == "B", "value"] = np.nan
    frame = fit_curves(build_responses(layout, readout, screen="S", readout_name="r"))
    conform(frame, CURVES, where="test")
    row = row_of(frame, "B")
    assert row["status"] == "no_curve" and row["n_points"] == 0
    assert np.isnan(row["min_concentration"])


def test_constant_data_fail_with_a_reason() -> None:
    row = row_of(fit({"A": (0.4, 0.4, 2.0, 1.0, 1.0), "B": CURVE}), "A")
    assert row["status"] == "failed" and row["reason"] == "all responses are equal"
    assert row[list(PARAMETERS)].isna().all()


def test_viability_that_rises_with_dose_is_inverted() -> None:
    frame = fit({"A": (0.0, 0.8, 2.0, -1.0, 1.0), "B": CURVE}, noise=0.01)
    assert row_of(frame, "A")["status"] == "inverted"
    assert row_of(frame, "A")["reason"] == "viability rises with dose"
    assert row_of(frame, "B")["status"] == "ok" and row_of(frame, "B")["reason"] == ""


def test_titration_is_fitted_apart_from_a_drug_of_the_same_name() -> None:
    frame = fit({"STS": curve_of(top=0.3)}, titration=CURVE, noise=0.01)
    parts = frame[frame["replicate"] == 0].set_index("role")
    assert set(parts.index) == {"treatment", "titration"}
    assert parts.loc["titration", "top"] > 0.7 > parts.loc["treatment", "top"]


def test_combinations_are_curves_of_their_own() -> None:
    layout, readout = screen({"A": CURVE}, noise=0.01)
    second = (layout["treatment"] == "A") & (layout["replicate"] == 2)
    layout.loc[second, "addon"] = "X"
    layout.loc[second, "replicate"] = 1
    frame = fit_curves(build_responses(layout, readout, screen="S", readout_name="r"))
    whole = frame[frame["replicate"] == 0]
    assert sorted(whole["addon"]) == ["", "X"] and set(whole["n_points"]) == {5}


def test_a_curve_does_not_depend_on_the_other_drugs() -> None:
    layout, readout = screen(
        {f"d{i}": curve_of(ic50=10.0 ** (i % 5)) for i in range(12)}, noise=0.1, seed=3
    )
    responses = build_responses(layout, readout, screen="S", readout_name="r")
    together = fit_curves(responses)
    alone = fit_curves(responses[responses["treatment"] == "d7"])
    expected = together[together["treatment"] == "d7"].reset_index(drop=True)
    assert alone.equals(expected)


def test_unknown_method_and_missing_dose_are_errors() -> None:
    layout, readout = screen({"A": CURVE})
    responses = build_responses(layout, readout, screen="S", readout_name="r")
    assert list(METHODS) == ["itrex", "robust", "least_squares"]
    with pytest.raises(ConfigError, match="unknown scoring method"):
        fit_curves(responses, "magic")
    for dose in (0.0, np.nan):
        wrong = responses.copy()
        wrong.loc[wrong.index[wrong["treatment"] == "A"][0], "concentration"] = dose
        with pytest.raises(ScoringError, match="treatment without a dose"):
            fit_curves(wrong)


def test_start_values_are_the_published_ones() -> None:
    x = np.log10(np.repeat(DOSES, 2))[None]
    y = np.array([[0.0, 0.02, 0.1, 0.12, 0.45, 0.5, 0.8, 0.85, 0.95, 1.0]])
    low, high = np.quantile(y, [0.05, 0.95])
    five, two = (start_values(x, y, count, start_slope(x, y))[0] for count in (5, 2))
    assert five[:3].tolist() == pytest.approx([low, high, 2.0]) and five[4] == 1.0
    assert two[:2].tolist() == [0.0, 1.0]
    z = (y - np.quantile(y, 0.025)) / (np.quantile(y, 0.975) - np.quantile(y, 0.025))
    z = np.where(z <= 0, 0.05, np.where(z >= 1, 0.95, z)).reshape(5, 2).mean(axis=1)
    slope = np.polyfit([0, 1, 2, 3, 4], np.log(z / (1 - z)), 1)[0]
    assert five[3] == pytest.approx(slope) and two[3] == pytest.approx(slope)


def test_objective_is_the_sum_of_residuals_to_the_power_of_one_and_a_half() -> None:
    parameters = np.array([CURVE])
    x = np.array([[1.0, 2.0, 3.0]])
    y = evaluate(parameters, x) + np.array([[0.1, -0.2, 0.0]])
    assert objective(parameters, x, y)[0] == pytest.approx(0.1**1.5 + 0.2**1.5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-0.5, 1.5), min_size=10, max_size=10), st.permutations(range(10)))
def test_a_fit_is_never_worse_than_its_start(values, order) -> None:
    """Whatever the data, also none that any curve would fit; the order of the points is free."""
    x = np.log10(np.repeat(DOSES, 2))[None][:, list(order)]
    y = np.array([values])[:, list(order)]
    found = fit_itrex(x, y)
    if found.ok[0]:
        starts = [
            objective(start_values(x, y, m, start_slope(x, y)), x, y)[0] for m in (5, 4, 3, 2)
        ]
        assert found.objective[0] <= min(starts) * (1 + 1e-9)
        assert np.isfinite(found.parameters).all()
