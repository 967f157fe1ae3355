"""The verdict: what holds a screen, what only warns, and that nothing missing ever passes."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from responses_data import CURVE, curve_of, screen

from exvivo.quality import assess, modality_mismatches
from exvivo.responses import build_responses, fit_curves, score
from exvivo.sheets import load_config
from exvivo.tables import QUALITY, RESPONSES, conform

DRUGS = {"A": curve_of(top=0.95, ic50=30), "B": curve_of(top=0.5), "C": curve_of(top=0.02)}
READY = {"verdict": "ready", "reasons": []}
LIMITS = load_config({})["quality"]


def make(name: str = "mean_of_stack", *, change=None, drugs=DRUGS, **options):
    """Responses, scores and curves of one readout of a made-up screen; `change(layout, readout)` first."""
    layout, readout = screen(drugs, **{"noise": 0.04, "plates": 2, "titration": CURVE, **options})
    if change is not None:
        layout, readout = change(layout.copy(), readout.copy())
    return build_responses(layout, readout, screen="S", readout_name=name), layout


def judge(*responses: pd.DataFrame, admission=READY, **options):
    joined = pd.concat(responses, ignore_index=True)
    curves = fit_curves(joined)
    table, verdict = assess(joined, score(curves, joined), curves, admission=admission, **options)
    conform(table, QUALITY, where="test")
    json.dumps(verdict, allow_nan=False)
    return table, verdict


def line(table: pd.DataFrame, metric: str, scope: str = "screen", readout: str | None = None):
    found = table[(table["metric"] == metric) & (table["scope"] == scope)]
    found = found if readout is None else found[found["readout"] == readout]
    assert len(found) == 1, (metric, scope, readout, len(found))
    return found.iloc[0]


def test_good_screen_passes() -> None:
    table, verdict = judge(make()[0])
    assert verdict["verdict"] == "pass" and verdict["reasons"] == []
    assert verdict["headline"] == "mean_of_stack"
    assert line(table, "robust_z_prime")["verdict"] == "pass"
    assert line(table, "control_wells", "P1")["note"] == "8 negative, 8 positive"
    assert line(table, "titration_spearman")["value"] > 0.9
    assert line(table, "scored_drugs")["value"] == 1.0
    assert set(table["screen"]) == {"S"}


def test_noise_that_hides_the_controls_holds_the_screen() -> None:
    table, verdict = judge(make(noise=0.6)[0])
    assert verdict["verdict"] == "hold"
    assert any(
        "robust Z′" in reason and "at least 0 is needed" in reason for reason in verdict["reasons"]
    )
    assert line(table, "robust_z_prime")["gate"]


def test_one_bad_plate_holds_the_screen_by_its_name() -> None:
    def spoil(layout, readout):
        wells = (layout["plate"] == "P2") & layout["role"].isin(
            ["negative_control", "positive_control"]
        )
        random = np.random.default_rng(0)
        readout.loc[wells, "value"] += 900 * random.standard_normal(int(wells.sum()))
        return layout, readout

    table, verdict = judge(make(change=spoil)[0])
    assert verdict["verdict"] == "hold"
    assert any("plate P2" in reason for reason in verdict["reasons"])
    assert not any("plate P1" in reason for reason in verdict["reasons"])
    assert line(table, "robust_z_prime", "P1")["verdict"] == "pass"


def test_plates_with_different_levels_are_no_fault() -> None:
    def dim(layout, readout):
        readout.loc[layout["plate"] == "P2", "value"] *= 0.2
        return layout, readout

    table, verdict = judge(make(change=dim)[0])
    assert verdict["verdict"] == "pass"
    assert line(table, "robust_z_prime")["value"] > 0.6


@pytest.mark.parametrize("case", ["lost plate", "equal controls", "stuck readout"])
def test_controls_that_say_nothing_hold_the_screen(case) -> None:
    def spoil(layout, readout):
        second = layout["plate"] == "P2"
        if case == "lost plate":
            return layout, readout[~second.to_numpy()]
        controls = second & layout["role"].isin(["negative_control", "positive_control"])
        if case == "equal controls":
            readout.loc[controls, "value"] = 500.0
        else:
            readout.loc[controls, "value"] = readout.loc[controls, "value"].round(-3)
        return layout, readout

    table, verdict = judge(make(change=spoil)[0])
    assert verdict["verdict"] == "hold", case
    assert any("plate P2" in reason for reason in verdict["reasons"])
    failed = table[(table["scope"] == "P2") & table["gate"] & (table["verdict"] == "fail")]
    assert len(failed) >= 1 and failed["note"].str.len().gt(0).any()


@pytest.mark.parametrize("verdict", ["waiting", "refused"])
def test_screen_that_is_not_ready_is_on_hold_for_its_own_reasons(verdict) -> None:
    reasons = ["plate P1 is still arriving", "plate P7: refused"]
    empty = RESPONSES.empty_table().to_pandas()
    table, found = judge(
        empty, admission={"verdict": verdict, "reasons": reasons}, headline="x", screen="S"
    )
    assert found == {"verdict": "hold", "reasons": reasons, "headline": "x", "readouts": {}}
    assert line(table, "plates_ready")["verdict"] == "fail"
    _, found = judge(make()[0], admission={"verdict": verdict, "reasons": reasons})
    assert found["verdict"] == "hold" and found["reasons"] == reasons


def test_without_admission_or_responses_nothing_passes() -> None:
    assert judge(make()[0], admission=None)[1]["verdict"] == "hold"
    empty = RESPONSES.empty_table().to_pandas()
    _, verdict = judge(empty)
    assert verdict["verdict"] == "hold" and verdict["reasons"] == ["there are no responses"]
    _, verdict = judge(make()[0], headline="viability_phase2")
    assert verdict["reasons"] == ["there are no responses of viability_phase2"]


def held_out(
    layout: pd.DataFrame, negative: float = 0.75, positive: float = 0.25, noise: float = 0.02
):
    """Held-out predictions of the controls, 0 to 1."""
    random = np.random.default_rng(5)
    own = layout[layout["role"].isin(["negative_control", "positive_control"])]
    level = np.where(own["role"] == "negative_control", negative, positive)
    value = level + noise * random.standard_normal(len(own))
    return pd.DataFrame(
        {"plate": own["plate"], "well": own["well"], "value": value, "flag": "fold 1"}
    )


@pytest.mark.parametrize("name", ["viability_phase2", "viability_phase3"])
def test_trained_readout_is_judged_by_controls_it_has_not_seen(name) -> None:
    responses, layout = make(name)
    table, verdict = judge(responses, crossfit=held_out(layout))
    assert verdict["verdict"] == "pass"
    crossfit = line(table, "robust_z_prime_crossfit")
    assert crossfit["gate"] and crossfit["verdict"] == "pass" and crossfit["value"] > 0.5
    in_sample = line(table, "robust_z_prime_in_sample")
    assert not in_sample["gate"] and in_sample["verdict"] == "info"
    assert "trained on these wells" in in_sample["note"]
    assert "robust_z_prime" not in set(table["metric"])


def test_learnt_by_heart_does_not_pass() -> None:
    """Perfect in-sample separation, held-out predictions at random: on hold."""
    responses, layout = make("viability_phase2", noise=0.005)
    table, verdict = judge(responses, crossfit=held_out(layout, 0.5, 0.49, 0.2))
    assert line(table, "robust_z_prime_in_sample")["value"] > 0.9
    assert verdict["verdict"] == "hold"
    assert all("crossfit" in reason for reason in verdict["reasons"])


def test_held_out_controls_that_changed_sides_do_not_pass() -> None:
    responses, layout = make("viability_phase2")
    table, verdict = judge(responses, crossfit=held_out(layout, 0.25, 0.75))
    assert verdict["verdict"] == "hold"
    assert np.isnan(line(table, "robust_z_prime_crossfit", "P1")["value"])
    assert "own sides" in line(table, "robust_z_prime_crossfit", "P1")["note"]


@pytest.mark.parametrize("case", ["none", "no rows", "one plate", "only missing values"])
def test_missing_held_out_predictions_do_not_pass(case) -> None:
    responses, layout = make("viability_phase2")
    found = held_out(layout)
    crossfit = {
        "none": None,
        "no rows": found.iloc[:0],
        "one plate": found[found["plate"] == "P1"],
        "only missing values": found.assign(value=np.nan),
    }[case]
    table, verdict = judge(responses, crossfit=crossfit)
    assert verdict["verdict"] == "hold"
    assert np.isnan(line(table, "robust_z_prime_crossfit")["value"])
    assert line(table, "robust_z_prime_crossfit", "P2")["verdict"] == "fail"


def test_untrained_readout_is_not_judged_by_held_out_predictions() -> None:
    responses, layout = make("viability_phase1")
    table, verdict = judge(responses, crossfit=held_out(layout, 0.25, 0.75))
    assert verdict["verdict"] == "pass"
    assert line(table, "robust_z_prime")["gate"]


def test_other_readouts_do_not_hold_the_screen_but_have_their_own_verdict() -> None:
    good, _ = make("mean_of_stack")
    bad, _ = make("metabolic", noise=0.6)
    table, verdict = judge(good, bad)
    assert (
        verdict["verdict"] == "pass" and verdict["readouts"]["mean_of_stack"]["verdict"] == "pass"
    )
    assert verdict["readouts"]["metabolic"]["verdict"] == "hold"
    assert verdict["readouts"]["metabolic"]["reasons"]
    assert not table.loc[table["readout"] == "metabolic", "gate"].any()
    assert judge(good, bad, headline="metabolic")[1]["verdict"] == "hold"


def test_too_few_controls_hold_the_screen() -> None:
    responses, _ = make(controls=2)
    limits = {**LIMITS, "min_controls": 3}
    _, verdict = judge(responses, limits=limits)
    assert verdict["verdict"] == "hold"
    assert "control wells is 2, at least 3 is needed" in verdict["reasons"][0]
    assert (
        judge(responses, limits={**LIMITS, "min_controls": 2})[0]["metric"]
        .eq("control_wells")
        .any()
    )


def test_gates_and_limits_are_those_of_the_configuration() -> None:
    responses, _ = make(noise=0.1)
    value = line(judge(responses)[0], "replicate_spearman")["value"]
    strict = {"good": 1.0, "bad": value + 0.01, "gate": True}
    table, verdict = judge(responses, limits={**LIMITS, "replicate_spearman": strict})
    assert verdict["verdict"] == "hold" and "replicate spearman" in verdict["reasons"][0]
    loose = {"good": -1.0, "bad": -1.0, "gate": True}
    assert judge(responses, limits={**LIMITS, "replicate_spearman": loose})[1]["verdict"] == "pass"
    assert line(table, "replicate_spearman")["limit"] == f">= 1 (fails below {value + 0.01:g})"


def test_gate_metric_that_cannot_be_determined_fails() -> None:
    responses, _ = make(replicates=1)
    assert np.isnan(line(judge(responses)[0], "replicate_pearson")["value"])
    limits = {**LIMITS, "replicate_pearson": {"good": 0.7, "bad": 0.4, "gate": True}}
    assert judge(responses)[1]["verdict"] == "pass"
    _, verdict = judge(responses, limits=limits)
    assert verdict["verdict"] == "hold" and "replicate pearson is missing" in verdict["reasons"][0]


def test_replicates_of_known_agreement() -> None:
    table, _ = judge(make(noise=1e-6)[0])
    for metric in ("replicate_pearson", "replicate_spearman", "replicate_dss_pearson"):
        assert line(table, metric)["value"] == pytest.approx(1.0, abs=0.01), metric


def test_exchanged_replicates_are_judged_by_the_readout_before() -> None:
    quiet, layout = make("viability_phase3", noise=0.001)
    noisy, _ = make("viability_phase2", noise=0.1, seed=1)
    table, _ = judge(quiet, noisy, crossfit=held_out(layout))
    own = line(table, "replicate_pearson", readout="viability_phase2")["value"]
    taken = line(table, "replicate_pearson", readout="viability_phase3")
    assert taken["value"] == own and "taken from viability_phase2" in taken["note"]
    optimistic = line(table, "replicate_pearson_optimistic", readout="viability_phase3")
    assert optimistic["value"] > own and "optimistic" in optimistic["note"]
    alone, _ = judge(quiet, crossfit=held_out(layout))
    assert np.isnan(line(alone, "replicate_pearson")["value"])
    assert "not among the readouts" in line(alone, "replicate_pearson")["note"]


def test_harmful_solvent_is_seen() -> None:
    def poison(layout, readout):
        readout.loc[layout["role"] == "untreated", "value"] += 0.4 * 800
        return layout, readout

    table, _ = judge(make(change=poison)[0])
    row = line(table, "untreated_shift")
    assert row["value"] == pytest.approx(0.4, abs=0.05) and row["verdict"] == "fail"
    assert line(table, "untreated_cliffs_delta")["value"] == 1.0
    assert line(table, "untreated_shift_in_sd")["value"] > 5


def test_titration_that_rises_the_wrong_way_is_seen() -> None:
    table, _ = judge(make(titration=(0.0, 0.9, 2.0, -1.0, 1.0))[0])
    row = line(table, "titration_spearman")
    assert row["value"] < -0.9 and row["verdict"] == "fail"
    assert "inverted" in line(table, "titration_gof")["note"]


def test_missing_and_strange_wells_are_counted() -> None:
    def lose(layout, readout):
        lost = layout.index[layout["treatment"] == "A"][:4]
        readout = readout.drop(lost)
        strange = pd.DataFrame({"plate": ["P1"], "well": ["AF48"], "value": [1.0], "flag": [""]})
        return layout, pd.concat([readout, strange], ignore_index=True)

    table, _ = judge(make(change=lose)[0])
    row = line(table, "missing_wells")
    assert row["note"].startswith("4 of ") and 0 < row["value"] < 0.1
    assert line(table, "wells_not_in_layout")["value"] == 1


def test_outputs_out_of_range_are_counted_for_models_only() -> None:
    def flag(layout, readout):
        readout.loc[layout.index[layout["treatment"] == "A"][:5], "flag"] = "out_of_range"
        return layout, readout

    responses, layout = make("viability_phase2", change=flag)
    table, _ = judge(responses, crossfit=held_out(layout))
    assert line(table, "wells_out_of_range")["note"].startswith("5 of ")
    assert "wells_out_of_range" not in set(judge(make()[0])[0]["metric"])


def test_drugs_without_a_score_are_named() -> None:
    def lose(layout, readout):
        readout.loc[layout["treatment"] == "B", "value"] = np.nan
        return layout, readout

    row = line(judge(make(change=lose)[0])[0], "scored_drugs")
    assert row["value"] == pytest.approx(2 / 3) and "without: B" in row["note"]


def history(loss: float = 0.51, accuracy: float = 1.0) -> pd.DataFrame:
    rows = [
        {
            "epoch": epoch,
            "split": split,
            "images": 9,
            "loss": value,
            "accuracy": accuracy,
            "auroc": auroc,
        }
        for epoch, value in ((1, 0.69), (2, loss))
        for split, auroc in (("train", 1.0), ("validation", np.nan))
    ]
    return pd.DataFrame(rows)


def test_training_is_judged_at_its_last_epoch_by_published_limits() -> None:
    responses, layout = make("viability_phase2")
    table, _ = judge(responses, crossfit=held_out(layout), histories={"phase2": history(0.56)})
    row = line(table, "train_loss")
    assert row["value"] == 0.56 and row["verdict"] == "fail" and row["note"] == "phase2, epoch 2"
    assert line(table, "train_accuracy")["verdict"] == "pass"
    assert "validation_auroc" not in set(table["metric"]), "not defined, so not told"


def test_limits_of_phase_two_do_not_judge_other_phases() -> None:
    responses, layout = make("viability_phase3")
    histories = {"phase3": history(0.6), "phase2": history()}
    table, _ = judge(responses, crossfit=held_out(layout), histories=histories)
    assert line(table, "train_loss")["verdict"] == "info"
    empty = history().iloc[:0]
    assert len(judge(responses, crossfit=held_out(layout), histories={"phase3": empty})[0])


def test_modalities_that_disagree_are_listed() -> None:
    imaging, _ = make("mean_of_stack")
    other = {**DRUGS, "A": DRUGS["C"], "C": DRUGS["A"]}
    metabolic, _ = make("metabolic", drugs=other)
    joined = pd.concat([imaging, metabolic], ignore_index=True)
    scores = score(fit_curves(joined), joined)
    found = modality_mismatches(scores, "mean_of_stack", "metabolic")
    assert dict(zip(found["treatment"], found["hit_in"], strict=True)) == {
        "A": "mean_of_stack",
        "C": "metabolic",
    }
    assert (found["dss_first"] > 10).tolist() == (found["hit_in"] == "mean_of_stack").tolist()
    row = line(judge(imaging, metabolic)[0], "modality_mismatch")
    assert row["value"] == pytest.approx(2 / 3) and row["verdict"] == "fail"
    assert "2 of 3 drugs: " in row["note"] and "A (mean_of_stack)" in row["note"]


def test_modality_that_is_itself_on_hold_judges_no_other() -> None:
    noisy, _ = make("metabolic", noise=0.6)
    table, verdict = judge(make("mean_of_stack")[0], noisy)
    assert verdict["readouts"]["metabolic"]["verdict"] == "hold"
    row = line(table, "modality_mismatch")
    assert row["verdict"] == "info" and "metabolic on hold" in row["note"]


def test_readouts_of_one_modality_are_not_compared() -> None:
    table, _ = judge(make("mean_of_stack")[0], make("viability_phase1")[0])
    assert "modality_mismatch" not in set(table["metric"])


def test_contrast_of_the_readout_decides_which_wells_are_controls() -> None:
    contrast = {
        "negative": {"role": "untreated"},
        "positive": {"treatment": "STS", "concentration": 250.0},
    }
    layout, readout = screen(DRUGS, noise=0.04)
    responses = build_responses(layout, readout, screen="S", readout_name="r", contrast=contrast)
    table, verdict = judge(responses, contrasts={"r": contrast})
    assert verdict["verdict"] == "pass"
    assert line(table, "control_wells", "P1")["value"] == 8
    assert "untreated_shift" not in set(table["metric"]), "the untreated wells are the control here"


def test_every_readout_goes_through_the_same_code() -> None:
    """A plate reader's numbers and an image's: same wells, same verdicts."""
    responses, _ = make("mean_of_stack")
    renamed = responses.assign(readout="luminescence")
    first, second = judge(responses)[0], judge(renamed)[0]
    columns = ["scope", "metric", "value", "verdict", "gate"]
    pd.testing.assert_frame_equal(first[columns], second[columns])
