"""A real immunofluorescence screen of one blood sample: the scores that were computed for it."""

import json

import pandas as pd
import pytest

from exvivo.responses.relative import auc_scores, relative_to_solvent


@pytest.fixture(scope="module")
def screen(real_data):
    frame = pd.read_csv(real_data / "if_screen/viability_df.csv", dtype={"Concentration": str})
    frame = frame.rename(
        columns={"Plate": "plate", "Drug": "treatment", "Concentration": "concentration"}
    )
    frame["value"] = frame["NumberOfCells_CD34"] / frame["NumberOfCells"]
    frame["negative"] = frame["treatment"].str.upper() == "DMSO"
    return frame.assign(addon="", plate=frame["plate"].astype(str))


@pytest.fixture(scope="module")
def golden(real_data):
    text = (real_data / "golden_cells.json").read_text(encoding="utf-8")
    return json.loads(text)["imscreenpy_rcf"]


@pytest.fixture(scope="module")
def scores(screen):
    return auc_scores(screen.assign(rcf=relative_to_solvent(screen))).set_index("treatment")


def test_solvent_fractions_of_each_plate(screen, golden):
    solvent = screen[screen["negative"]].groupby("plate")["value"].mean()
    assert solvent.to_dict() == pytest.approx(golden["dmso_mean_CD34_fraction"])


def test_scores(scores, golden):
    for drug, expected in golden["auc"].items():
        assert scores.loc[drug, "auc"] == pytest.approx(expected, abs=2e-4), drug


def test_significance(scores, golden):
    for drug, expected in golden["ttest_1-RCF_vs_64_DMSO"].items():
        assert scores.loc[drug, "t"] == pytest.approx(expected["t"], rel=1e-4), drug
        assert scores.loc[drug, "p_value"] == pytest.approx(expected["p"], rel=1e-2), drug


def test_relative_values_of_single_wells(screen, golden):
    rcf = screen.assign(rcf=relative_to_solvent(screen))
    rcf = rcf[rcf["treatment"] == "Venetoclax"]
    for key, expected in golden["venetoclax_well_rcf"].items():
        well, concentration = key.split("@")
        row = rcf[rcf["Metadata_Well"] == well]
        row = row[row["concentration"] == concentration]
        assert row["rcf"].tolist() == pytest.approx([expected], abs=1e-4)
