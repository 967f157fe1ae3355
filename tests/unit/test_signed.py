from pathlib import Path

import pytest

from exvivo import targets
from exvivo.sheets import Plate, Screen, Sheets, load_config
from exvivo.sheets.decisions import Decision
from exvivo.signed import cohort_screens, first_model, trainable

MODEL = "models/small/T1/phase1.safetensors"


def facility(*, training="open", drug="open", frozen=None, decisions=()):
    screens = [
        Screen("T1", "training", status=training),
        Screen("S1", "drug", "T1", "A-1", "small", ("viability_phase2",)),
        Screen("S2", "drug", "T1", "A-2", "vgg19", ("viability_phase2",), status=drug),
    ]
    plates = [Plate(f"P{s.screen}", s.screen, "p", "imagexpress", "l.tsv") for s in screens]
    return Sheets(
        {p.plate: p for p in plates},
        {s.screen: s for s in screens},
        frozen=frozen or {},
        decisions=decisions,
    )


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(path):
    Path(path).parent.mkdir(parents=True)
    Path(path).write_text("x")


def test_the_cohort_has_open_screens_and_those_with_a_release():
    assert cohort_screens(facility()) == ["S1", "S2"]
    assert cohort_screens(facility(drug="released")) == ["S1"]  # the sheet alone: nothing to read
    signed = facility(drug="released", frozen={"S2": "released/S2/v1"})
    assert cohort_screens(signed) == ["S1", "S2"]
    assert targets.screen_file(signed, "S2", "scores.tsv") == "released/S2/v1/scores.tsv"
    assert targets.screen_file(signed, "S1", "scores.tsv") == "results/screens/S1/scores.tsv"
    assert targets.reports(signed) == ["results/screens/S1/report.html"]


def test_a_released_training_screen_trains_only_what_somebody_lacks():
    signed = facility(training="released", drug="released")
    assert "T1" in trainable(signed)  # nobody has made the model yet
    put(f"results/{MODEL}")
    assert "T1" not in trainable(signed)
    assert "T1" in trainable(facility(training="released"))  # S2 needs one of another network
    assert targets.first_phase_pattern(signed) == "S1"
    assert targets.first_phase_pattern(facility()) == targets.ANY_ID


def test_the_signed_model_stands_in_for_one_that_is_gone():
    signed = facility(training="released", frozen={"T1": "released/T1/v1"})
    assert first_model(signed, "T1", "small") == f"results/{MODEL}"
    put(f"released/T1/v1/{MODEL}")
    assert first_model(signed, "T1", "small") == f"released/T1/v1/{MODEL}"
    assert targets.start_model(signed, "S1", "small", 2) == f"released/T1/v1/{MODEL}"
    assert (
        targets.model_files(signed, "S1", ".json")[0]
        == "released/T1/v1/models/small/T1/phase1.json"
    )
    put(f"results/{MODEL}")
    assert first_model(signed, "T1", "small") == f"results/{MODEL}"


def test_a_decided_contrast_is_that_of_its_screen_and_of_its_models():
    given = Decision(
        "D1",
        "S1",
        "",
        "",
        "viability_phase2",
        "set_contrast",
        "positive: BzCl @ 10",
        "AB",
        "2026-11-25",
        "because of it",
    )
    sheets, config = facility(decisions=(given,)), load_config({})
    usual = targets.viability_contrast(facility(), config, "S1", 2)
    decided = targets.viability_contrast(sheets, config, "S1", 2)
    assert decided["positive"] == {"role": None, "treatment": "BzCl", "concentration": 10.0}
    assert decided["negative"] == usual["negative"]
    assert targets.contrasts(sheets, config, "S1") == {"viability_phase2": decided}
    for screen, phase in (("S2", 2), ("S1", 3), ("T1", 1)):
        assert targets.viability_contrast(sheets, config, screen, phase) == usual
    assert targets.decision_files(sheets, "S1", ".tsv") == ["results/screens/S1/decisions.tsv"]
    assert targets.decision_files(sheets, "S2", ".tsv") == []
