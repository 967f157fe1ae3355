"""A screen of plate-reader files alone, the authors' own workbook, through the whole workflow."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from runs import Workflow

WORKBOOK = "dose_response/original/iTReX-Demo_MRA_LayoutAndReadouts_BT-40_ST04.xlsx"
PLATES = ["plate\tscreen\tpath\tinstrument\tlayout\tlayout_plate"]
PLATES += [f"BT40_{p}\tBT40\tbt40.xlsx\treader\tconfig/bt40.xlsx\t{p}" for p in (1, 2, 3)]
PLATES += [f"LOST_{p}\tLOST1\tlost.xlsx\treader\tconfig/bt40.xlsx\t{p}" for p in (1, 2, 3)]


@pytest.fixture(scope="module")
def run(repository, real_data, tmp_path_factory):
    """BT-40 with healthy controls as its reference, and a screen whose file has not come."""
    made = Workflow(repository, tmp_path_factory.mktemp("reader"))
    shutil.copy(real_data / WORKBOOK, made.work / "bt40.xlsx")
    shutil.copy(real_data / WORKBOOK, made.work / "config" / "bt40.xlsx")
    reference = real_data / "dose_response/reference_samples_controls_ST10.csv"
    shutil.copy(reference, made.work / "config" / "reference.csv")
    made.write("config/config.yaml", "scoring: {reference: config/reference.csv}\n")
    made.write("config/plates.tsv", "\n".join(PLATES) + "\n")
    screens = "screen\tkind\tsample\treadouts\nBT40\tdrug\tBT-40\tmetabolic\nLOST1\tdrug\tBT-41\tmetabolic\n"
    made.write("config/screens.tsv", screens)
    made.snakemake()
    return made


def test_scores_are_the_authors_own(run, real_data):
    published = pd.read_csv(real_data / "dose_response/therapy_parameters_BT-40_ST08.csv")
    published = published.set_index("Drug.Name")
    scores = pd.read_csv(run.result("screens/BT40/scores.tsv"), sep="\t").set_index("treatment")
    assert set(scores.index) == set(published.index)
    differences = (scores["dss_asym"] - published["DSS_asym"]).abs()
    assert differences.median() < 0.02 and differences.quantile(0.9) < 0.3
    selective = (scores["sdss_asym"] - published["sDSS_asym"]).abs()
    assert selective.median() < 0.02


def test_the_screen_passes_and_the_one_without_file_waits_for_it(run):
    cohort = pd.read_csv(run.result("cohort/screens.tsv"), sep="\t").set_index("screen")
    assert cohort["verdict"].to_dict() == {"BT40": "pass", "LOST1": "hold"}
    assert "lost.xlsx" in cohort.loc["LOST1", "reasons"]


def test_no_image_and_no_network_was_asked_for(run):
    assert not (run.work / "results/models").exists()
    page = run.result("screens/BT40/report.html").read_text()
    assert "BT40" in page and "Trametinib" in page
