"""Intervals cover the truth, p-values are uniform without effect, and hits lie above the limit with the interval of their wells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from responses_data import CURVE, curve_of, mixed_drugs, screen

from exvivo.responses import Settings, build_responses, fit_curves, score, uncertainty
from exvivo.responses.bootstrap import Series, bootstrap, crossing
from exvivo.responses.dss import dss_asym
from exvivo.responses.flat import flat_p_values
from exvivo.responses.noise import Controls, Noise, estimate_noise
from exvivo.responses.read import final_hits
from exvivo.responses.uncertainty import COLUMNS, _points, false_discovery_rates
from exvivo.sheets.config import DEFAULT_CONTRAST
from exvivo.tables import BANDS, conform

NONE = (0.0, 0.0, 2.0, 1.0, 1.0)


def responses_of(drugs, name: str = "r", screen_name: str = "S", **options) -> pd.DataFrame:
    layout, readout = screen(drugs, **{"noise": 0.08, **options})
    return build_responses(layout, readout, screen=screen_name, readout_name=name)


def covered(seed: int, drugs: int, samples: int) -> pd.DataFrame:
    """For each drug of a screen its kind and whether the interval of DSS_asym holds the true score."""
    truth = mixed_drugs(np.random.default_rng(seed), drugs)
    responses = responses_of(truth, seed=seed, screen_name=f"S{seed}")
    found, _ = uncertainty(responses, settings=Settings(samples=samples))
    true = [float(dss_asym(np.array([truth[t]]), [0.0], [4.0])[0]) for t in found["treatment"]]
    kind = found["treatment"].str.split().str[0]
    within = found["dss_asym_low"].le(np.array(true) + 1e-9) & found["dss_asym_high"].ge(true)
    return pd.DataFrame({"kind": kind, "covered": within})


def test_intervals_of_scores_hold_the_truth() -> None:
    """72 drugs; 95 % of 48 with an effect, within binomial error (three standard deviations)."""
    found = pd.concat([covered(seed, 18, 100) for seed in range(4)])
    active = found[found["kind"] != "inactive"]["covered"]
    assert 0.85 <= active.mean() <= 1.0
    assert found["covered"].mean() >= 0.9


@pytest.mark.slow
@pytest.mark.soak  # a minute; test_intervals_of_scores_hold_the_truth looks at fewer
def test_coverage_over_many_screens_by_kind_of_drug() -> None:
    """Many screens of few drugs: those of one plate share its controls' error, and miss or hold together.

    The truth of a drug without effect is 0, the lowest score there is: its interval always holds it.
    """
    found = pd.concat([covered(seed, 12, 150) for seed in range(100, 136)])
    share = found.groupby("kind")["covered"].mean()
    active = found.loc[found["kind"] != "inactive", "covered"]
    print(share, f"with an effect: {active.mean():.3f} of {len(active)}")
    error = 2 * np.sqrt(0.98 * 0.02 / len(active))  # two standard errors: of 288 drugs 0.017
    assert 0.90 <= active.mean() <= 0.98 + error
    assert share["partial"] >= 0.90 and share["strong"] >= 0.90
    assert share["inactive"] >= 0.95


def inactive_p_values(
    screens: int, *, drugs: int = 24, plates: int = 1, seed: int = 0, **options
) -> list[np.ndarray]:
    """p-values of each of many screens in which nothing happens; they are normalised all at once."""
    names = {f"d{i}": NONE for i in range(screens * drugs)}
    wells = responses_of(names, plates=screens * plates, seed=seed, **options)
    wells = wells[wells["used"]].reset_index(drop=True)
    number = (wells["plate"].str[1:].astype(int) - 1) // plates
    return [_flat(own.reset_index(drop=True), one) for one, own in wells.groupby(number)]


def _flat(wells: pd.DataFrame, seed: int) -> np.ndarray:
    treated = (wells["role"] == "treatment").to_numpy()
    # Of replicates the curves are not asked: these p-values are those of the whole path.
    fitted, free = np.where(treated, 0.5, np.nan), np.where(treated, 4.0, 0.0)
    noise = estimate_noise(wells, fitted, free, DEFAULT_CONTRAST, "r", without_effect=True)
    points = [_points(part) for _, part in wells[treated].groupby("treatment")]
    return flat_p_values(points, noise, seed=seed)


def check_null(screens: list[np.ndarray]) -> None:
    """p-values uniform within error or 0.01 too few, and false discoveries in at most 5 % of the screens within error."""
    p = np.concatenate(screens)
    for limit in (0.01, 0.05, 0.2, 0.5, 0.8):
        # Drugs of a plate share its controls, so that their p-values are worth fewer than there are.
        spread = 3 * np.sqrt(limit * (1 - limit) / len(p)) * 2
        assert -spread - 0.01 < (p < limit).mean() - limit < spread, limit
    found = sum((false_discovery_rates(one) < 0.05).any() for one in screens)
    assert found <= 0.05 * len(screens) + 2 * np.sqrt(0.05 * 0.95 * len(screens))


def test_screens_of_inactive_drugs_have_uniform_p_values_and_no_discoveries() -> None:
    check_null(inactive_p_values(16))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tails": 3.0, "controls": 6, "plates": 3},
        # More of the same, for which CI has no time.
        pytest.param({"controls": 6, "plates": 3}, marks=pytest.mark.soak),
        pytest.param({"replicates": 3}, marks=pytest.mark.soak),
        pytest.param({"tails": 3.0}, marks=pytest.mark.soak),
    ],
)
def test_false_discovery_rate_over_many_inactive_screens(options) -> None:
    check_null(inactive_p_values(80, **options))


def test_an_outlier_among_duplicates_is_seldom_an_effect() -> None:
    """One well in 240 stands far out, in a highest dose: one pair in 120, of which a drug without effect has five."""
    p, found = [], []
    for seed in range(8):
        wells = responses_of({f"d{i}": NONE for i in range(24)}, seed=seed)
        highest = wells["concentration"] == wells["concentration"].max()
        wells.loc[wells.index[highest & (wells["treatment"] == "d0")][0], "viability"] -= 1.0
        all_p = _flat(wells, 0)  # of d0, d1, d10, …
        p.append(all_p[0])
        found.append(false_discovery_rates(all_p)[0] < 0.05)
    assert 0.003 < np.median(p) < 0.02
    assert np.mean(found) < 0.5


def test_effects_have_small_p_values_whichever_way_they_go() -> None:
    drugs = {
        "strong": curve_of(),
        "all doses": (0.0, 0.8, -3.0, 1.0, 1.0),
        "rising": (0.0, 0.8, 2.0, -1.0, 1.0),
    }
    drugs |= {f"none {i}": NONE for i in range(6)}
    found, _ = uncertainty(responses_of(drugs), settings=Settings(samples=50))
    p = found.set_index("treatment")["p_value"]
    assert (p[["strong", "all doses", "rising"]] < 0.001).all()
    assert (p[[f"none {i}" for i in range(6)]] > 0.001).all()
    assert (found["q_value"] >= found["p_value"]).all()


def noise_of(controls: int = 8) -> Noise:
    flat, normal = np.full(61, 0.08), np.random.default_rng(0).standard_normal(400)
    shape = np.concatenate([normal, -normal])
    side = {("P1", side): Controls(controls, 0.08) for side in ("negative", "positive")}
    return Noise(flat, np.full(61, 200.0), shape, "made up", side, shape)


def series(name: str, top: float = 0.8) -> Series:
    x = np.log10(np.repeat([1.0, 10, 100, 1000, 10000], 2))
    plates = np.array(["P1"] * 10, dtype=object)
    return Series(("treatment", name, ""), x, plates, np.array([0.0, top, 2.0, 1.2, 1.0]), 4)


def test_order_and_company_of_drugs_do_not_matter() -> None:
    how = {"samples": 60, "level": 0.95, "seed": 3}
    alone = bootstrap([series("A")], noise_of(), **how)[0]
    among = bootstrap([series("B", 0.5), series("C"), series("A")], noise_of(), **how)[2]
    np.testing.assert_array_equal(alone.dss, among.dss)
    np.testing.assert_array_equal(alone.band, among.band)
    other = bootstrap([series("B")], noise_of(), **how)[0]
    assert (other.dss != alone.dss).all()


def test_order_of_wells_does_not_matter() -> None:
    responses = responses_of({"A": CURVE, "B": NONE})
    settings = Settings(samples=50)
    first, band = uncertainty(responses, settings=settings)
    shuffled = responses.sample(frac=1, random_state=1).reset_index(drop=True)
    second, _ = uncertainty(shuffled, settings=settings)
    second = second.set_index("treatment").loc[first["treatment"]].reset_index()
    np.testing.assert_allclose(first[COLUMNS], second[COLUMNS], rtol=1e-9)
    again, _ = uncertainty(responses, settings=Settings(samples=50, seed=1))
    assert (again["dss_asym_low"] != first["dss_asym_low"]).any()
    conform(band, BANDS, where="test")
    assert (
        band.groupby("treatment").size().tolist() == [41, 41]
        and (band["low"] <= band["high"]).all()
    )


def test_few_controls_widen_the_interval() -> None:
    how = {"samples": 400, "level": 0.95, "seed": 0}
    few, many = (bootstrap([series("A")], noise_of(n), **how)[0].dss for n in (2, 60))
    assert np.ptp(few) > 1.2 * np.ptp(many)


def test_scatter_is_found_at_each_level() -> None:
    """Wells at half effect scatter three times as much as those without."""
    random = np.random.default_rng(0)
    level = np.repeat([0.0, 0.5], 200)
    wells = pd.DataFrame(
        {
            "role": "treatment", "addon": "", "plate": "P1", "well": "A1", "replicate": 1,
            "treatment": [f"d{i // 2}" for i in range(400)], "concentration": 1.0,
            "viability": 1 - level - random.standard_normal(400) * np.where(level > 0, 0.15, 0.05),
        }
    )  # fmt: skip
    noise = estimate_noise(wells, level, np.full(400, 4.0), DEFAULT_CONTRAST, "r")
    assert noise.sd_at(0.0) == pytest.approx(0.05, rel=0.15)
    assert noise.sd_at(0.5) == pytest.approx(0.15, rel=0.15)
    assert noise.basis == "replicates of r"


def test_an_outlier_counts_among_wells_without_effect_though_the_curve_follows_it() -> None:
    wells = responses_of({f"d{i}": NONE for i in range(6)}, noise=0.02)
    wells = wells[wells["role"] == "treatment"].reset_index(drop=True)
    out = wells.index[(wells["treatment"] == "d0") & (wells["concentration"] == 1e4)]
    wells.loc[out, "viability"] = [1.0, 0.2]
    fitted = np.where(wells.index.isin(out), 0.4, 0.0)
    free = np.full(len(wells), 4.0)
    how = (wells, fitted, free, DEFAULT_CONTRAST, "r")
    curve, null = estimate_noise(*how), estimate_noise(*how, without_effect=True)
    assert curve.sd_at(0.0) < 0.05 and curve.sd_at(0.4) > 0.2
    assert null.sd_at(0.0) > 0.09
    alike = estimate_noise(wells, fitted * 2, free, DEFAULT_CONTRAST, "r", without_effect=True)
    assert (alike.sd == null.sd).all()  # whatever the curves are


def test_single_wells_without_effect_scatter_about_a_curve_that_may_have_one() -> None:
    """No replicates: the deviation counts between the well and its curve."""
    wells = responses_of({f"d{i}": NONE for i in range(6)}, replicates=1, noise=0.02)
    wells = wells[wells["role"] == "treatment"].reset_index(drop=True)
    fitted, free = np.full(len(wells), 0.3), np.full(len(wells), 2.0)
    null = estimate_noise(wells, fitted, free, DEFAULT_CONTRAST, "r", without_effect=True)
    assert null.basis == "distances from the curves of r" and null.sd_at(0.0) > 0.3


def test_single_replicates_take_their_scatter_from_the_curves() -> None:
    responses = responses_of({f"d{i}": CURVE for i in range(12)}, replicates=1)
    found, _ = uncertainty(responses, settings=Settings(samples=50))
    assert set(found["basis"]) == {"distances from the curves of r"}
    assert (found["dss_asym_high"] > found["dss_asym_low"]).all()


def scored(responses: pd.DataFrame, samples: int = 60) -> pd.DataFrame:
    intervals, _ = uncertainty(responses, settings=Settings(samples=samples))
    return score(fit_curves(responses), responses, intervals=intervals).set_index("treatment")


def test_phase_three_takes_its_scatter_from_phase_two() -> None:
    """Its own replicates agree far too well; without phase II there is no interval and no hit."""
    drugs = {f"d{i}": curve_of() for i in range(6)}
    quiet = responses_of(drugs, "viability_phase3", noise=0.005)
    honest = responses_of(drugs, "viability_phase2", noise=0.1)
    both = pd.concat([quiet, honest], ignore_index=True)
    found, _ = uncertainty(both, settings=Settings(samples=60))
    width = (found["dss_asym_high"] - found["dss_asym_low"]).groupby(found["readout"]).mean()
    assert width["viability_phase3"] > 0.6 * width["viability_phase2"]
    alone = scored(quiet)
    assert alone["dss_asym_low"].isna().all() and not alone["hit"].any()
    assert alone["hit_published"].all()
    assert alone["reason"].str.contains("viability_phase2, whose replicates are honest").all()


def test_a_hit_has_its_whole_interval_above_the_limit() -> None:
    drugs = {"sure": curve_of(top=0.95, ic50=30), "near": curve_of(top=0.62, ic50=150)}
    drugs |= {f"none {i}": NONE for i in range(4)} | {"rising": (0.6, 1.0, 2.0, -2.0, 1.0)}
    frame = scored(responses_of(drugs, noise=0.1))
    within = frame["dss_asym_low"].le(frame["dss_asym"]) & frame["dss_asym_high"].ge(
        frame["dss_asym"]
    )
    assert within.all()
    assert frame.loc["sure", "hit"] and frame.loc["sure", "hit_published"]
    expected = (
        (frame["dss_asym"] > 10) & (frame["dss_asym_low_wells"] > 10) & (frame["status"] == "ok")
    )
    assert (frame["hit"] == expected).all()
    assert frame.loc["rising", "hit_published"] and not frame.loc["rising", "hit"]


def test_of_a_screen_on_hold_nothing_is_a_hit() -> None:
    scores = pd.DataFrame({"readout": ["a", "b"], "hit": [True, True]})
    passed = {"verdict": "pass", "readouts": {"a": {"verdict": "pass"}, "b": {"verdict": "hold"}}}
    assert final_hits(scores, passed)["hit"].tolist() == [True, False]
    for verdict in ({"verdict": "hold", "readouts": {}}, {}):
        assert not final_hits(scores, verdict)["hit"].any()


def test_an_ic50_outside_the_tested_doses_is_no_number() -> None:
    drugs = {"weak": curve_of(top=0.9, ic50=1e5), "good": curve_of(top=0.95, ic50=100)}
    frame = scored(responses_of(drugs, noise=0.01))
    assert frame.loc["weak", "abs_ic50_interval"] == "> 10 µM"
    assert frame.loc["weak", ["abs_ic50_low", "abs_ic50_high"]].isna().all()
    good = frame.loc["good"]
    assert good["abs_ic50_low"] < 111.1 < good["abs_ic50_high"]
    assert " – " in good["abs_ic50_interval"] and "nM" in good["abs_ic50_interval"]


def test_crossing_of_rising_falling_and_low_curves() -> None:
    curves = np.array(
        [[0, 1, 2, 1, 1], [1, 0, 2, 1, 1], [0, 0.4, 2, 1, 1], [0.6, 1, 2, 1, 1]], float
    )
    assert crossing(curves, 0.5).tolist() == [pytest.approx(100), np.inf, np.inf, 0]


def test_missing_p_values_do_not_count() -> None:
    q = false_discovery_rates(np.array([0.01, np.nan, 0.04]))
    assert q[0] == pytest.approx(0.02) and np.isnan(q[1]) and q[2] == pytest.approx(0.04)
