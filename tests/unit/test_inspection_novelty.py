import numpy as np
import pandas as pd
import pytest

from exvivo.inspection.novelty import novel_wells, novelty
from exvivo.sheets.config import DEFAULT_CONTRAST

WIDTH = 200
SETTING = {"limit": 6, "consequence": "warn"}


def screen(controls, rng, dying=60, strange=5, far=4):
    """Features on a line from dead to alive with noise in 20 directions; `strange` wells lie off it."""
    axis, noise = rng.normal(0, 2, WIDTH), rng.normal(0, 0.3, (20, WIDTH))

    def draw(place):
        place = np.asarray(place, dtype=float)[:, None]
        own = rng.normal(size=(len(place), 20)) @ noise
        return place * axis + own + rng.normal(0, 0.5, (len(place), WIDTH))

    off = draw([0.5] * strange) + rng.normal(0, far, (strange, WIDTH))
    values = np.concatenate(
        [draw([1] * controls), draw([0] * controls), draw(rng.uniform(0, 1, dying)), off]
    )
    roles = ["negative_control"] * controls + ["positive_control"] * controls
    roles += ["treatment"] * (dying + strange)
    layout = pd.DataFrame({"plate": "P", "well": [f"W{i:03d}" for i in range(len(roles))]})
    layout = layout.assign(role=roles, treatment="", concentration=np.nan)
    columns = [f"f{i:04d}" for i in range(WIDTH)]
    features = pd.concat([layout[["plate", "well"]], pd.DataFrame(values, columns=columns)], axis=1)
    return features, layout


@pytest.mark.parametrize("controls, far", [(6, 8), (18, 4)])
def test_wells_between_the_controls_are_usual_and_others_are_not(controls, far):
    """Few controls see only what is far off."""
    flagged, usual = 0, 0
    for seed in range(5):
        features, layout = screen(controls, np.random.default_rng(seed), far=far)
        value = novelty(features, layout, DEFAULT_CONTRAST).to_numpy()
        flagged += int((value[-5:] > 6).sum())
        usual += int((value[:-5] > 4).sum())
    assert flagged == 25
    assert usual == 0


def test_a_control_is_measured_without_itself():
    features, layout = screen(6, np.random.default_rng(0), strange=0)
    spoiled = features.copy()
    spoiled.iloc[0, 2:] += np.random.default_rng(1).normal(0, 12, WIDTH)
    assert novelty(spoiled, layout, DEFAULT_CONTRAST)[0] > 6
    assert novelty(features, layout, DEFAULT_CONTRAST)[0] < 3


def test_rows_name_well_value_limit_and_source():
    features, layout = screen(6, np.random.default_rng(0), strange=1)
    features.iloc[-1, 2:] += 50 * (np.arange(WIDTH) % 2)
    (row,) = novel_wells(features, layout, DEFAULT_CONTRAST, SETTING)
    assert (row["well"], row["check"], row["source"]) == (
        layout["well"].iloc[-1],
        "novel",
        "network",
    )
    assert row["value"] > row["limit"] == 6.0
    assert row["consequence"] == "warn" and "neither" in row["text"]


def test_too_few_controls_or_no_features_say_nothing():
    features, layout = screen(3, np.random.default_rng(0))
    assert novelty(features, layout, DEFAULT_CONTRAST).isna().all()
    assert novel_wells(features, layout, DEFAULT_CONTRAST, SETTING) == []
    bare = features[["plate", "well"]].iloc[:0]
    assert novel_wells(bare, layout, DEFAULT_CONTRAST, SETTING) == []


def test_features_that_never_change_do_no_harm():
    features, layout = screen(6, np.random.default_rng(0))
    first = novelty(features, layout, DEFAULT_CONTRAST)
    second = novelty(features.assign(f9999=3.0), layout, DEFAULT_CONTRAST)
    pd.testing.assert_series_equal(first, second)


def test_a_network_that_tells_nothing_apart_calls_nothing_novel():
    features, layout = screen(6, np.random.default_rng(0))
    columns = features.columns.drop(["plate", "well"])
    features[columns] = 0.5
    assert novelty(features, layout, DEFAULT_CONTRAST).isna().all()
