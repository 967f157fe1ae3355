"""Normalisation: every well once, medians of the plate's own controls, nothing clipped, nothing invented."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from responses_data import CURVE, curve_of, screen

from exvivo.errors import ScoringError
from exvivo.responses import build_responses
from exvivo.tables import RESPONSES, conform

DRUGS = {"A": CURVE, "B": curve_of(top=0.3)}


def build(layout, readout, **options) -> pd.DataFrame:
    frame = build_responses(layout, readout, screen="S", readout_name="r", **options)
    conform(frame, RESPONSES, where="test")
    return frame


def test_every_well_of_the_layout_once_and_in_its_order() -> None:
    layout, readout = screen(DRUGS, plates=2)
    frame = build(layout, readout.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(frame[["plate", "well"]], layout[["plate", "well"]])
    assert set(frame["screen"]) == {"S"} and set(frame["readout"]) == {"r"}


def test_controls_lie_at_one_and_zero_and_wells_between() -> None:
    layout, readout = screen(DRUGS)
    frame = build(layout, readout)
    means = frame.groupby("role")["viability"].mean()
    assert means["negative_control"] == pytest.approx(1, abs=1e-12)
    assert means["positive_control"] == pytest.approx(0, abs=1e-12)
    middle = frame[(frame["treatment"] == "A") & (frame["concentration"] == 100)]
    assert middle["viability"].tolist() == pytest.approx([0.55, 0.55])


def test_nothing_is_clipped() -> None:
    layout, readout = screen(DRUGS)
    wells = layout.loc[layout["treatment"] == "A", "well"].iloc[:2].tolist()
    readout.loc[readout["well"].isin(wells), "value"] = [2200.0, -600.0]
    frame = build(layout, readout)
    assert frame[frame["well"].isin(wells)]["viability"].tolist() == pytest.approx([2.5, -1.0])


def test_medians_not_means() -> None:
    layout, readout = screen(DRUGS)
    first = layout.loc[layout["role"] == "negative_control", "well"].iloc[0]
    readout.loc[readout["well"] == first, "value"] = 1e9
    frame = build(layout, readout)
    assert frame.loc[frame["role"] == "untreated", "viability"].tolist() == pytest.approx([1.0] * 8)


def test_each_plate_has_its_own_scale() -> None:
    layout, readout = screen(DRUGS, plates=2)
    plain = build(layout, readout)
    second = readout["plate"] == "P2"
    readout.loc[second, "value"] = 7 - 3 * readout.loc[second, "value"]
    pd.testing.assert_series_equal(build(layout, readout)["viability"], plain["viability"])


@given(st.floats(-1e3, 1e3).filter(lambda a: abs(a) > 1e-3), st.floats(-1e4, 1e4))
@settings(max_examples=25, deadline=None)
def test_any_affine_change_of_the_readout_changes_nothing(scale, shift) -> None:
    layout, readout = screen(DRUGS, noise=0.05)
    plain = build(layout, readout)["viability"]
    changed = build(layout, readout.assign(value=scale * readout["value"] + shift))["viability"]
    np.testing.assert_allclose(changed, plain, atol=1e-6)


def test_death_turns_the_scale_round() -> None:
    layout, readout = screen(DRUGS, noise=0.1)
    plain, turned = build(layout, readout), build(layout, readout, death=True)
    np.testing.assert_allclose(turned["viability"], 1 - plain["viability"])


def test_missing_values_stay_missing_and_unused() -> None:
    layout, readout = screen(DRUGS)
    wells = layout.loc[layout["treatment"] == "A", "well"].tolist()
    readout.loc[readout["well"] == wells[0], "value"] = np.nan
    readout = readout[readout["well"] != wells[1]]
    readout.loc[readout["well"] == wells[2], "value"] = np.inf
    frame = build(layout, readout).set_index("well")
    assert frame.loc[wells[:3], "viability"].isna().all()
    assert not frame.loc[wells[:3], "used"].any() and frame.loc[wells[3:], "used"].all()
    assert frame.loc[wells[:3], "flag"].tolist() == ["not_measured", "not_measured", "not_finite"]
    assert frame.loc[wells[:3], "value"].isna().all()


def test_empty_and_excluded_wells_have_no_viability_and_do_not_count() -> None:
    layout, readout = screen(DRUGS)
    controls = layout.index[layout["role"] == "negative_control"][:3]
    layout.loc[controls, "role"] = "excluded"
    readout.loc[controls, "value"] = 1e6
    frame = build(layout, readout)
    out = frame["role"].isin(["excluded", "empty"])
    assert out.sum() == 4
    assert frame.loc[out, "viability"].isna().all() and not frame.loc[out, "used"].any()
    assert frame.loc[frame["role"] == "untreated", "viability"].tolist() == pytest.approx([1.0] * 8)


def test_damaged_wells_are_left_out_and_other_flags_are_not() -> None:
    layout, readout = screen(DRUGS)
    wells = layout.index[layout["treatment"] == "A"]
    readout.loc[wells[0], "flag"] = "damaged: 2 planes"
    readout.loc[wells[1], "flag"] = "projection_only"
    frame = build(layout, readout)
    assert frame.loc[wells[:2], "used"].tolist() == [False, True]
    assert np.isnan(frame.loc[wells[0], "viability"]) and frame.loc[wells[0], "value"] > 0


def test_missing_value_that_is_explained_keeps_its_own_reason() -> None:
    layout, readout = screen(DRUGS)
    wells = layout.index[layout["treatment"] == "A"][:3]
    readout.loc[wells, "value"] = np.nan
    readout.loc[wells, "flag"] = ["damaged", "not_imaged", "projection_only"]
    frame = build(layout, readout)
    expected = ["damaged", "not_imaged", "projection_only;not_measured"]
    assert frame.loc[wells, "flag"].tolist() == expected


def test_wells_that_the_layout_does_not_know_are_kept_but_not_used() -> None:
    layout, readout = screen(DRUGS)
    lost = layout["treatment"] == "B"
    frame = build(layout[~lost], readout)
    stray = frame[frame["flag"] == "not_in_layout"]
    assert len(frame) == len(layout) and len(stray) == lost.sum()
    assert not stray["used"].any() and stray["viability"].isna().all()
    assert set(stray["role"]) == {"excluded"}


def test_contrast_by_treatment_and_concentration() -> None:
    layout, readout = screen(DRUGS)
    contrast = {
        "negative": {"role": "untreated"},
        "positive": {"treatment": "A", "concentration": 10000.0},
    }
    frame = build(layout, readout, contrast=contrast)
    top = (frame["treatment"] == "A") & (frame["concentration"] == 10000)
    assert frame.loc[top, "viability"].tolist() == pytest.approx([0.0, 0.0], abs=1e-12)
    assert frame.loc[frame["role"] == "untreated", "viability"].mean() == pytest.approx(1.0)


@pytest.mark.parametrize("role", ["negative_control", "positive_control"])
def test_plate_whose_layout_has_no_control_is_an_error(role) -> None:
    layout, readout = screen(DRUGS, plates=2)
    drop = (layout["plate"] == "P2") & (layout["role"] == role)
    with pytest.raises(ScoringError, match=f"plate P2 has no {role.split('_')[0]} control"):
        build(layout[~drop], readout)


@pytest.mark.parametrize("case", ["unmeasured", "equal"])
def test_controls_without_a_scale_leave_the_plate_without_numbers(case) -> None:
    """What a layout promises and a plate does not hold is a matter of quality, not an error."""
    layout, readout = screen(DRUGS, plates=2)
    wells = (layout["plate"] == "P2") & (layout["role"] == "positive_control")
    readout.loc[wells.to_numpy(), "value"] = np.nan if case == "unmeasured" else 1000.0
    frame = build(layout, readout)
    second = frame["plate"] == "P2"
    assert frame.loc[second, "viability"].isna().all() and not frame.loc[second, "used"].any()
    assert frame.loc[second, "flag"].str.contains("no_contrast").all()
    assert frame.loc[~second & ~frame["role"].isin(["empty"]), "used"].all()


def test_doubled_wells_and_unknown_plates_are_errors() -> None:
    layout, readout = screen(DRUGS)
    twice = pd.concat([readout, readout.iloc[:1]], ignore_index=True)
    with pytest.raises(ScoringError, match="more than once"):
        build(layout, twice)
    with pytest.raises(ScoringError, match="more than once"):
        build(pd.concat([layout, layout.iloc[:1]], ignore_index=True), readout)
    with pytest.raises(ScoringError, match="plates that the layout does not have"):
        build(layout, readout.assign(plate="P9"))
