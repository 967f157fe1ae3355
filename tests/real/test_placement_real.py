"""The layout truth test and the spatial tests on real plates: BBBC013's images, the iTReX demo screens' readouts."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from itrex_data import load_demo

from exvivo.placement import Measured, examine
from exvivo.placement.features import well_features
from exvivo.placement.measure import from_readout
from exvivo.quality.placement import FITS, OTHER, judge_placement
from exvivo.quality.residuals import nrfe, patterns, plate_residuals
from exvivo.responses import fit_curves
from exvivo.sheets.config import DEFAULT_CONTRAST
from exvivo.sheets.layouts import read_layout
from exvivo.sheets.names import parse_well
from exvivo.simulate.memory import move_wells
from exvivo.wells import area_average


def judge(layout, measured):
    found = examine(layout, measured, dict.fromkeys(measured, DEFAULT_CONTRAST))
    return {plate: judge_placement(plate, entry, 4.0) for plate, entry in found.items()}


@pytest.fixture(scope="module")
def bbbc013(real_data):
    """Layout and GFP features of rows A to D, 48 wells."""
    folder = real_data / "plates" / "bbbc013_rows_A-D"
    layout = read_layout(folder / "layout.csv").assign(plate="P1")
    files = sorted((folder / "images").glob("Channel1-*.tif"))
    wells = [f"{name.stem.split('-')[2]}{name.stem.split('-')[3]}" for name in files]
    images = np.array([area_average(tifffile.imread(f).astype(np.float32), 128) for f in files])
    return layout, Measured("images", *well_features(np.stack([images, images], axis=1), wells))


def test_bbbc013_fits_its_layout(bbbc013):
    layout, measured = bbbc013
    one = judge(layout, {"P1": measured})["P1"]
    print(one.sentence)
    assert one.status == FITS


@pytest.mark.parametrize(
    "move",
    [
        lambda r, c: (7 - r, 11 - c),
        lambda r, c: (r + 1, c),
        lambda r, c: (r + 4, c),
    ],
    ids=["turned", "one row down", "four rows down"],
)
def test_bbbc013_with_a_layout_that_lies_otherwise(bbbc013, move):
    layout, measured = bbbc013
    one = judge(move_wells(layout, "P1", move), {"P1": measured})["P1"]
    print(one.status, one.sentence)
    assert one.status == OTHER


def test_bbbc013_shifted_by_a_column_has_no_positive_control_left(bbbc013):
    """Doses rise from left to right over a smooth curve: one column further they rise as well, and nothing tells."""
    layout, measured = bbbc013
    found = examine(
        move_wells(layout, "P1", lambda r, c: (r, c + 1)),
        {"P1": measured},
        {"P1": DEFAULT_CONTRAST},
    )
    given = found["P1"]["arrangements"][0]
    assert given["controls"] == 0  # which fails the gate on control wells
    assert judge_placement("P1", found["P1"], 4.0).margin < 4.0


@pytest.fixture(scope="module")
def metabolic(real_data):
    return load_demo(real_data / "dose_response", "metabolic")


def reader(demo):
    frame = demo.responses
    own = {p: part[["well", "value", "flag"]] for p, part in frame.groupby("plate")}
    return frame, {p: from_readout("metabolic", part) for p, part in own.items()}


def test_bt40_fits_its_layout_by_its_readout_alone(metabolic):
    layout, measured = reader(metabolic)
    judged = judge(layout, measured)
    for one in judged.values():
        print(one.sentence)
    assert {one.status for one in judged.values()} == {FITS}


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (lambda r, c: (15 - r, 23 - c), "turned by 180°"),
        (lambda r, c: (r + 1, c), "shifted 1 row up"),
        (lambda r, c: (r, c - 1), "shifted 1 column right"),
    ],
)
def test_bt40_plate_that_lies_otherwise(metabolic, move, words):
    layout, measured = reader(metabolic)
    inside = layout[layout["role"] != "empty"]
    moved = move_wells(inside, "2", move)
    judged = judge(moved, measured)
    assert [one.status for one in judged.values()] == [FITS, OTHER, FITS]
    assert judged["2"].rival["words"] == words


def test_bt40_plates_with_equal_controls_swapped(metabolic):
    """Controls lie alike on all plates, and so do the drugs of plates 1 and 2 but for their names."""
    layout, measured = reader(metabolic)
    swapped = layout.assign(plate=layout["plate"].replace({"2": "3", "3": "2"}))
    one = judge(swapped, measured)["2"]
    # Plates 1 and 2 have one geometry, so that either name is right.
    assert (one.status, one.rival["plate"] in ("1", "3")) == (OTHER, True)
    same = judge(layout.assign(plate=layout["plate"].replace({"1": "2", "2": "1"})), measured)
    assert "the layout of 2 differs in names of drugs alone" in same["1"].sentence


def test_imaging_readout_fits_its_layout(real_data):
    layout, measured = reader(load_demo(real_data / "dose_response", "imaging"))
    one = judge(layout, measured)["1"]
    print(one.sentence)
    assert one.status == FITS


def test_nrfe_of_real_plates_is_of_the_published_size(metabolic, real_data):
    """Published as acceptable below 10 %, poor above 15 %."""
    for name, demo in (
        ("metabolic", metabolic),
        ("imaging", load_demo(real_data / "dose_response", "imaging")),
    ):
        left = plate_residuals(demo.responses, demo.curves)
        for plate, part in left.groupby("plate"):
            told = {p.name: (round(p.effect, 3), p.p) for p in patterns(part)}
            print(name, plate, f"NRFE {nrfe(part):.1f} %", told)
            assert 1 < nrfe(part) < 15


def test_a_made_up_edge_on_a_real_plate_is_found(metabolic):
    responses = metabolic.responses.copy()
    places = np.array([parse_well(well) for well in responses["well"]])
    drugs = places[responses["role"].isin(["treatment", "titration"])]
    rim = ((places == drugs.min(axis=0)) | (places == drugs.max(axis=0))).any(axis=1)
    own = rim & (responses["plate"] == "2").to_numpy()
    responses.loc[own, "viability"] *= 0.7
    left = plate_residuals(responses, fit_curves(responses))
    found = {p.name: p for p in patterns(left[left["plate"] == "2"])}
    print(found["edge"])
    assert found["edge"].p <= 0.001
