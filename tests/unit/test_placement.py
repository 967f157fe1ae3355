"""The layout truth test: what was measured against the layout in all its arrangements."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exvivo.placement import Measured, examine
from exvivo.placement.arrangements import arrangements, contents_key, shape_of
from exvivo.placement.controls import as_predicted, cross_fitted
from exvivo.placement.examine import plate_contents
from exvivo.placement.features import principal, well_features
from exvivo.placement.measure import from_readout, of_images
from exvivo.quality.placement import FITS, OTHER, UNKNOWN, add_placement, judge_placement
from exvivo.quality.ranks import normal_scores
from exvivo.quality.rows import Sheet
from exvivo.sheets.config import DEFAULT_CONTRAST as CONTRAST
from exvivo.simulate.design import ScreenDesign, screen_plates
from exvivo.simulate.drugs import panel
from exvivo.simulate.memory import (
    exchange_controls,
    layout_table,
    move_wells,
    swap_plates,
    well_images,
)

PLATES = ["S01_P1", "S01_P2", "S01_P3"]
MARGIN = 4.0


@pytest.fixture(scope="module")
def screen():
    """Three plates of 99 wells and their layout."""
    plates = screen_plates("S01", panel(131), ScreenDesign(), seed=131)
    return layout_table(plates), dict(of_images(well_images(plate, 131)) for plate in plates)


def judge(layout, measured):
    found = examine(layout, measured, dict.fromkeys(PLATES, CONTRAST))
    return {plate: judge_placement(plate, entry, MARGIN) for plate, entry in found.items()}


def test_a_sound_screen_fits_its_layout(screen):
    judged = judge(*screen)
    assert list(judged) == PLATES
    assert {one.status for one in judged.values()} == {FITS}
    assert min(one.margin for one in judged.values()) >= MARGIN
    correct, controls = (
        sum(one.given[k] for one in judged.values()) for k in ("correct", "controls")
    )
    assert controls == 36
    assert correct >= 27  # by chance about 18


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (lambda r, c: (15 - r, 23 - c), "turned by 180°"),
        (lambda r, c: (r, 23 - c), "with its columns mirrored"),
        (lambda r, c: (r + 1, c), "shifted 1 row up"),
        (lambda r, c: (r, c - 1), "shifted 1 column right"),
    ],
)
def test_one_plate_that_lies_otherwise_is_named_with_its_way(screen, move, words):
    layout, measured = screen
    judged = judge(move_wells(layout, "S01_P2", move), measured)
    assert [one.status for one in judged.values()] == [FITS, OTHER, FITS]
    assert judged["S01_P2"].rival["words"] == words
    assert "controls as predicted, against" in judged["S01_P2"].sentence
    assert judged["S01_P2"].sentence.endswith("then run again")


def test_two_plates_that_changed_places_are_both_named(screen):
    layout, measured = screen
    judged = judge(swap_plates(layout, "S01_P1", "S01_P3"), measured)
    assert [one.status for one in judged.values()] == [OTHER, FITS, OTHER]
    assert judged["S01_P1"].rival["plate"] == "S01_P3"
    assert judged["S01_P3"].rival["plate"] == "S01_P1"
    assert "the layout of plate S01_P3" in judged["S01_P1"].sentence


def test_exchanged_controls_are_seen_by_the_drugs_beside_them(screen):
    layout, measured = screen
    judged = judge(exchange_controls(layout, ["S01_P1"]), measured)
    assert judged["S01_P1"].status == OTHER
    assert judged["S01_P1"].rival["kind"] == "controls"


def test_a_dead_screen_says_that_nobody_can_tell(screen):
    layout, measured = screen
    rng = np.random.default_rng(0)
    noise = {
        plate: Measured("images", one.wells, rng.normal(size=one.features.shape))
        for plate, one in measured.items()
    }
    judged = judge(layout, noise)
    assert {one.status for one in judged.values()} == {UNKNOWN}
    assert "cannot tell" in judged["S01_P1"].sentence


def test_a_readout_alone_is_enough_where_drugs_act(screen):
    """One number per well, as a plate reader gives it; any rising function of it says the same."""
    layout, measured = screen
    values = {
        plate: Measured("metabolic", one.wells, one.features[:, :1])
        for plate, one in measured.items()
    }
    rank = {
        plate: Measured("metabolic", one.wells, np.exp(one.features))
        for plate, one in values.items()
    }
    contrasts = dict.fromkeys(PLATES, CONTRAST)
    first, second = examine(layout, values, contrasts), examine(layout, rank, contrasts)
    assert first == second


def test_plates_without_wells_or_contrast_are_left_out(screen):
    layout, measured = screen
    few = Measured("images", measured["S01_P2"].wells[:5], measured["S01_P2"].features[:5])
    found = examine(layout, {**measured, "S01_P2": few}, {"S01_P1": CONTRAST, "S01_P2": CONTRAST})
    assert list(found) == ["S01_P1"]


def test_arrangements_that_change_nothing_are_left_out():
    """Four equal rows: mirrored rows are the same layout, mirrored columns are not."""
    layout = pd.DataFrame(
        [
            {
                "well": f"{row}{column:02d}",
                "role": role,
                "treatment": t,
                "concentration": dose,
                "addon": "",
            }
            for row in "CDEF"
            for column, (role, t, dose) in enumerate(
                [
                    ("negative_control", "DMSO", np.nan),
                    ("treatment", "A", 1.0),
                    ("treatment", "A", 10.0),
                    ("positive_control", "B", 100.0),
                ],
                start=3,
            )
        ]
    )
    contents = plate_contents(layout, CONTRAST)
    found = arrangements(contents, (8, 12))
    words = [way.words for way in found]
    assert words[0] == "as given"
    assert len({contents_key(way.contents) for way in found}) == len(found)
    assert "with its rows mirrored" not in words
    assert "with its columns mirrored within the wells in use" not in words  # the turned one
    assert "turned by 180° within the wells in use" in words
    assert "with negative and positive controls exchanged" in words
    assert "with columns 3 and 6 exchanged" not in words  # the same here
    assert contents.step.tolist()[:4] == [0.0, 0.5, 1.0, 1.0]


def test_shape_is_the_smallest_usual_plate():
    assert shape_of(np.array([[1, 1], [6, 10]])) == (8, 12)
    assert shape_of(np.array([[0, 0]]), np.array([[8, 3]])) == (16, 24)


def test_a_control_is_predicted_without_itself():
    """With more numbers than wells any in-sample fit is perfect; held out, noise is not."""
    rng = np.random.default_rng(5)
    side = np.array(["negative"] * 20 + ["positive"] * 20, dtype=object)
    noise = rng.normal(size=(40, 30))
    correct, total = as_predicted(cross_fitted(noise, side), side)
    assert total == 40
    assert correct < 30
    signal = noise + 3.0 * (side == "negative")[:, None]
    assert as_predicted(cross_fitted(signal, side), side) == (40, 40)


def test_leave_one_out_is_exact():
    """The formula against the same fit made anew without the well."""
    rng = np.random.default_rng(2)
    side = np.array(["negative"] * 5 + ["positive"] * 6 + [""] * 3, dtype=object)
    scores = rng.normal(size=(14, 2))
    held = cross_fitted(scores, side)
    weight = np.where(side == "negative", 11 / 10, 11 / 12)
    rows = [i for i in range(11) if i != 4]
    design = np.column_stack([np.ones(14), scores])
    own, w = design[rows], weight[rows]
    target = np.where(side == "negative", 1.0, -1.0)[rows]
    beta = np.linalg.solve(own.T @ (w[:, None] * own) + np.diag([0, 1, 1]), own.T @ (w * target))
    assert held[4] == pytest.approx(np.clip((design[4] @ beta + 1) / 2, 0, 1))


def test_too_few_controls_predict_nothing():
    side = np.array(["negative"] * 2 + ["positive"] * 9, dtype=object)
    likeness = cross_fitted(np.zeros((11, 1)), side)
    assert np.isnan(likeness).all()
    assert as_predicted(likeness, side) == (0, 0)


def test_features_do_not_see_the_scale_of_grey_values_but_for_two():
    """Gain changes the two logs of absolute brightness by a constant, and nothing else."""
    rng = np.random.default_rng(1)
    images = rng.gamma(2.0, 50.0, size=(3, 2, 32, 32))
    _, plain = well_features(images, ["A01", "A02", "A02"])
    wells, bright = well_features(images * 7.0, ["A01", "A02", "A02"])
    assert wells == ["A01", "A02"]
    changed = ~np.isclose(plain, bright, atol=1e-6).all(axis=0)
    assert changed.sum() == 2
    assert np.allclose((bright - plain)[:, changed], np.log(7.0))


def test_principal_components_ignore_constant_features_and_outliers():
    rng = np.random.default_rng(3)
    features = np.column_stack([rng.normal(size=30), np.ones(30), rng.normal(size=30)])
    features[0, 0] = 1e9
    scores = principal(features)
    assert scores.shape == (30, 2)
    assert np.abs(scores).max() < 3
    assert np.array_equal(
        normal_scores(np.array([[3.0], [1.0], [1.0]]))[1:, 0].round(6), [-0.430727] * 2
    )


def test_gate_holds_the_screen_with_the_sentence(screen):
    layout, measured = screen
    turned = move_wells(layout, "S01_P2", lambda r, c: (15 - r, 23 - c))
    found = examine(turned, measured, dict.fromkeys(PLATES, CONTRAST))
    sheet = Sheet("S01", {"layout_truth": {"margin": MARGIN, "gate": True}})
    told = add_placement(sheet, found)
    assert told["S01_P2"]["status"] == OTHER
    assert sheet.failures("") == [told["S01_P2"]["sentence"]]
    frame = sheet.frame("")
    assert (frame["metric"] == "layout_margin").sum() == 3
    assert frame.loc[frame["metric"] == "layout_truth", "verdict"].tolist() == ["fail"]
    without = Sheet("S01", {"layout_truth": {"margin": MARGIN, "gate": False}})
    add_placement(without, found)
    assert not without.failures("")


def test_unusable_values_of_a_readout_are_not_looked_at():
    values = pd.DataFrame(
        {
            "plate": "P1",
            "well": ["A01", "A02", "A03", "A04"],
            "value": [1.0, np.nan, 3.0, 4.0],
            "flag": ["", "", "damaged: 2 planes", "dim"],
        }
    )
    found = from_readout("metabolic", values)
    assert (found.source, list(found.wells)) == ("metabolic", ["A01", "A04"])
    assert found.features.tolist() == [[1.0], [4.0]]
