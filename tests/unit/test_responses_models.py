"""What the models of a cross-fit differ about is in the intervals: how much, of which readouts, and that it helps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from responses_data import mixed_drugs, screen

from exvivo.responses import Settings, build_responses, uncertainty
from exvivo.responses.curve import evaluate
from exvivo.responses.dss import dss_asym
from exvivo.responses.models import model_error
from exvivo.responses.noise import random_of
from exvivo.responses.screen import model_responses
from exvivo.tables import FOLDS

PHASE2 = "viability_phase2"
WRONG = 0.6  # what a model is off by at half effect, times a standard normal number
SETTINGS = Settings(samples=60)


def read_by(model: int, layout: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """The readout as one more network sees it: each drug too dead or too alive, most of all at half effect."""
    seen = (values["value"].to_numpy() - 200.0) / 800.0
    drugs = dict.fromkeys(layout["treatment"])
    shift = {drug: random_of(model, drug).standard_normal() for drug in drugs}
    own = np.array([shift[drug] for drug in layout["treatment"]])
    level = np.clip(np.where(layout["role"] == "treatment", seen, 0.0), 0.0, 1.0)
    return values.assign(value=200.0 + 800.0 * (seen + WRONG * own * level * (1.0 - level)))


def made(seed: int, models: int = 4, drugs: int = 24, name: str = PHASE2):
    """The truth, the responses that the first model makes, and what the others say."""
    truth = mixed_drugs(np.random.default_rng(seed), drugs)
    layout, values = screen(truth, noise=0.04, seed=seed, controls=6)
    own = read_by(100 * seed, layout, values)
    responses = build_responses(layout, own, screen=f"S{seed}", readout_name=name)
    told = [
        read_by(100 * seed + n, layout, values).drop(columns="flag").assign(fold=n)
        for n in range(1, models)
    ]
    how = {"screen": f"S{seed}", "contrasts": {PHASE2: {}}, "plates_of": {PHASE2: ["P1"]}}
    table = [pd.concat(told)] if told else [FOLDS.empty_table().to_pandas()]
    return truth, layout, responses, model_responses(layout, table, excluded={}, **how)


def widths(found: pd.DataFrame) -> np.ndarray:
    return (found["dss_asym_high"] - found["dss_asym_low"]).to_numpy(dtype=float)


def test_the_error_of_models_is_found_at_its_level() -> None:
    truth, _, responses, models = made(0, drugs=60)
    wells = responses[responses["used"]].reset_index(drop=True)
    curves = np.array([truth.get(name, (0.0,) * 5) for name in wells["treatment"]], float)
    treated = (wells["role"] == "treatment").to_numpy()
    dose = np.log10(wells["concentration"].where(treated, 1.0).to_numpy(dtype=float))
    fitted = np.where(treated, evaluate(curves, dose[:, None])[:, 0], np.nan)
    sd, degrees = model_error(wells, fitted, models)
    levels = np.linspace(-0.1, 1.1, 61)
    assert np.interp(0.5, levels, sd) == pytest.approx(WRONG / 4, rel=0.25)
    assert np.interp(0.0, levels, sd) < 0.3 * np.interp(0.5, levels, sd)
    assert np.interp(0.0, levels, degrees) > 100
    two = models[models["fold"] == 1]
    assert model_error(wells, fitted, two) is None, "a variance of two models says nothing"


def test_intervals_hold_the_truth_where_models_err() -> None:
    """Replicates agree far better than the network is right; only the other models tell."""
    held = {"without": [], "with": []}
    for seed in range(2):
        truth, _, responses, models = made(seed, drugs=18)
        for name, told in (("without", None), ("with", models)):
            found, _ = uncertainty(responses, settings=SETTINGS, models=told, network=False)
            curves = np.array([truth[t] for t in found["treatment"]])
            true = dss_asym(curves, np.zeros(len(curves)), np.full(len(curves), 4.0))
            active = found["treatment"].str.split().str[0] != "inactive"
            within = (found["dss_asym_low"] <= true) & (found["dss_asym_high"] >= true)
            held[name] += within[active].tolist()
    assert np.mean(held["without"]) < 0.7
    assert np.mean(held["with"]) >= 0.79  # of 24, three standard deviations below 95 %


def test_only_models_trained_on_the_screens_controls_are_doubted() -> None:
    _, _, responses, models = made(1, drugs=3)
    plain, _ = uncertainty(responses, settings=SETTINGS, network=False)
    wider, _ = uncertainty(responses, settings=SETTINGS, models=models, network=False)
    active = plain["treatment"].str.split().str[0] != "inactive"
    assert (widths(wider) > 1.3 * widths(plain))[active].all()
    for name in ("viability_phase1", "metabolic"):
        other = responses.assign(readout=name)
        both = [uncertainty(other, settings=SETTINGS, models=m)[0] for m in (None, models)]
        pd.testing.assert_frame_equal(*both)


def test_phase_three_is_as_wide_as_its_models_of_phase_two() -> None:
    _, _, second, models = made(2, drugs=3)
    both = pd.concat([second.assign(readout="viability_phase3"), second], ignore_index=True)
    plain, _ = uncertainty(both, settings=SETTINGS, network=False)
    wider, _ = uncertainty(both, settings=SETTINGS, models=models, network=False)
    third = (wider["readout"] == "viability_phase3").to_numpy()
    ratio = widths(wider).sum() / widths(plain).sum()
    own = widths(wider)[third].sum() / widths(plain)[third].sum()
    assert ratio > 1.3 and own == pytest.approx(ratio, rel=0.35)


def test_each_model_is_normalised_by_its_own_controls_without_excluded_wells() -> None:
    _, layout, _, models = made(3, models=3, drugs=6)
    again = made(3, models=3, drugs=6)[3]
    pd.testing.assert_frame_equal(models, again)
    assert set(models["fold"]) == {1, 2}
    sides = models.merge(layout[["plate", "well", "role"]], on=["plate", "well"])
    medians = sides.groupby(["fold", "role"])["viability"].median()
    for fold in (1, 2):
        assert medians[fold, "negative_control"] == pytest.approx(1.0)
        assert medians[fold, "positive_control"] == pytest.approx(0.0)
    well = layout.loc[layout["role"] == "treatment", "well"].iloc[0]
    how = {"screen": "S", "contrasts": {PHASE2: {}}, "plates_of": {PHASE2: ["P1"]}}
    told = layout[["plate", "well"]].assign(fold=1, value=range(len(layout)))
    kept = model_responses(layout, [told], excluded={("P1", well): ["off_field"]}, **how)
    assert well not in set(kept["well"]) and len(kept)


def test_nothing_is_known_without_other_models() -> None:
    _, layout, _, models = made(4, models=1, drugs=3)
    assert models is None
    how = {"screen": "S", "contrasts": {"metabolic": {}}, "plates_of": {"metabolic": ["P1"]}}
    told = layout[["plate", "well"]].assign(fold=1, value=1.0)
    assert model_responses(layout, [told], excluded={}, **how) is None
    assert model_responses(layout, [], excluded={}, **how) is None
