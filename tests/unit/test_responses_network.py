"""What networks get wrong is in the intervals of what networks predict, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from responses_data import mixed_drugs, screen

from exvivo.responses import Settings, build_responses, fit_curves, score, uncertainty
from exvivo.responses.network import DEGREES, LEVELS, SD, network_error
from exvivo.responses.noise import LEVELS as FINE
from exvivo.responses.noise import Noise

SETTINGS = Settings(samples=40)
MEASURED = Path(__file__).resolve().parents[2] / "benchmarks" / "network_error.tsv"


@pytest.fixture(scope="module")
def responses() -> pd.DataFrame:
    layout, values = screen(mixed_drugs(np.random.default_rng(0), 9), noise=0.03, controls=6)
    return build_responses(layout, values, screen="S", readout_name="viability_phase2")


def widths(responses: pd.DataFrame, readout: str, network: bool) -> pd.Series:
    own = responses.assign(readout=readout)
    found, _ = uncertainty(own, settings=SETTINGS, network=network)
    return found.set_index("treatment").eval("dss_asym_high - dss_asym_low")


def test_the_constants_are_those_measured() -> None:
    table = pd.read_csv(MEASURED, sep="\t")
    table = table[table["what"] == "error by level"]
    assert list(table["level"]) == list(LEVELS)
    np.testing.assert_allclose(SD, table["sd"], atol=0.0006)
    assert pytest.approx(table["degrees"].min(), abs=0.6) == DEGREES


def test_it_is_interpolated_between_levels_and_held_beyond_them() -> None:
    middle = (LEVELS[1] + LEVELS[2]) / 2
    assert network_error(middle) == pytest.approx((SD[1] + SD[2]) / 2)
    assert network_error([-0.5, 1.5]).tolist() == [SD[0], SD[-1]]


def test_readouts_of_networks_alone_are_doubted(responses) -> None:
    strong = responses["treatment"].str.startswith("strong")
    names = sorted(set(responses.loc[strong, "treatment"]))
    wider, plain = (widths(responses, "viability_phase1", how) for how in (True, False))
    assert (wider > plain)[names].all() and wider[names].mean() > 2 * plain[names].mean()
    for readout in ("mean_of_stack", "morphology_fraction"):
        pd.testing.assert_series_equal(*(widths(responses, readout, how) for how in (True, False)))


def test_it_leaves_p_values_alone(responses) -> None:
    both = [uncertainty(responses, settings=SETTINGS, network=how)[0] for how in (True, False)]
    pd.testing.assert_series_equal(both[0]["p_value"], both[1]["p_value"])


def test_independent_errors_add_up_in_their_squares() -> None:
    flat = np.full(len(FINE), 0.1)
    noise = Noise(flat, 10 * flat, np.array([-1.0, 1.0]), "r")
    assert noise.with_errors([]) is noise
    both = noise.with_errors([(0.3 * flat, 50 * flat), (0.4 * flat, 90 * flat)])
    np.testing.assert_allclose(both.model_sd, 0.5 * flat)
    np.testing.assert_allclose(both.model_degrees, 50 * flat)
    shift = both.model_shift(np.array([0.2, 0.8]), 4000, 0, "drug")
    assert (shift[0] == shift[1]).all()  # one direction for all wells of a drug
    assert np.std(shift[0]) == pytest.approx(0.05, rel=0.4)


def test_hits_are_judged_by_the_scatter_of_wells_alone(responses) -> None:
    """How sure a score is and whether it was measured above the limit are two questions."""
    found, _ = uncertainty(responses, settings=SETTINGS)
    plain, _ = uncertainty(responses, settings=SETTINGS, network=False)
    assert (plain["dss_asym_low_wells"] == plain["dss_asym_low"]).all()
    pd.testing.assert_series_equal(found["dss_asym_low_wells"], plain["dss_asym_low_wells"])
    assert (found["dss_asym_low"] <= found["dss_asym_low_wells"] + 1e-9).mean() > 0.8
    curves = fit_curves(responses)
    scores, before = (score(curves, responses, intervals=one) for one in (found, plain))
    assert scores["hit"].tolist() == before["hit"].tolist() and scores["hit"].any()
    low = scores[["dss_asym", "dss_asym_low_wells"]].min(axis=1)
    assert (scores["dss_asym_low_wells"] == low).all()
