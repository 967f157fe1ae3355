"""Screens of single cells through the whole workflow, on simulated plates whose every cell is known."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from cells_screen import true_classes
from exvivo.cells.calls import read_calls
from exvivo.cells.label import Labels
from exvivo.files import read_json
from exvivo.segmentation import flag_cells, read_cells
from exvivo.simulate.cells import CellDesign, Marker, simulate_cells
from runs import Workflow

pytestmark = pytest.mark.slow

READOUTS = (
    "morphology_fraction,marker_fraction,random_fraction,total_count,cancer_count,healthy_count"
)
SMALL = CellDesign(
    samples=1, plates=1, drugs=4, solvent=4, fields=1, cells=200, markers=(Marker(),)
)
FAST = {"epochs": 10, "learning_rate": 0.01, "batch_size": 50}
MIN_EFFECT = 0.1  # of a true AUC that a score should find


def run_screens(repository, folder, design, readouts, recipe, per_class, pan=None):
    run = Workflow(repository, folder)
    training = {"per_class": per_class, "recipes": {"mcnn": recipe}}
    config = {"cells": {"min_cells": 20, "training": training, "pan": pan or {}}}
    simulate_cells(run.work, design, 1, workers=2, readouts=readouts, config=config)
    return run


def accuracies(run, screen):
    """Share of whole cells of a screen called as they truly are: by the network, and by the marker alone."""
    truth = pd.read_parquet(run.work / "truth" / "cells.parquet")
    folder = run.result(f"screens/{screen}/cells")
    labels = Labels.read(folder / "labels.json")
    marker = read_json(folder / "mcnn_marker.json")["marker"]
    right = {"network": [], "marker": []}
    for path in sorted((folder / "mcnn" / "calls").glob("*.parquet")):
        calls = read_calls(path)
        cells = read_cells(run.result(f"plates/{path.stem}/cells.parquet")).iloc[calls["row"]]
        known = true_classes(cells, truth[truth["plate"] == path.stem])
        use = (flag_cells(cells, labels.limits, "DAPI") == "") & known.notna().to_numpy()
        true = known[use].astype(bool).to_numpy()
        right["network"].append((calls["cancer"].to_numpy() >= 0.5)[use] == true)
        right["marker"].append(labels.is_cancer(marker, cells[marker].to_numpy())[use] == true)
    return {name: float(np.concatenate(parts).mean()) for name, parts in right.items()}


def scores(run, screen):
    table = pd.read_csv(run.result(f"screens/{screen}/scores.tsv"), sep="\t")
    return table.pivot(index="treatment", columns="readout", values=["auc", "hit"])


# -- one plate ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    named = "morphology_fraction,marker_fraction,total_count"
    pan = {
        "per_class": 150,
        "recipes": {"mcnn": {**FAST, "epochs": 3}},
    }  # not asked for by `networks`
    run = run_screens(repository, folder, SMALL, named, FAST, 600, pan)
    run.snakemake("results/screens/CELL01/quality.tsv")
    return run


def test_a_plate_comes_through_to_its_verdict(finished):
    found = scores(finished, "CELL01")["auc"]
    truth = pd.read_csv(finished.work / "truth" / "drugs.tsv", sep="\t").drop_duplicates("drug")
    kinds = truth.set_index("kind")["drug"]
    assert found.loc[kinds["kills_all"], "total_count"] > 1
    assert found.loc[kinds["strips_marker"], "marker_fraction"] > 0.6
    assert found.loc[kinds["strips_marker"], "morphology_fraction"] < 0.3
    assert found.loc[kinds["selective"], "morphology_fraction"] > 0.3
    verdict = read_json(finished.result("screens/CELL01/verdict.json"))
    assert set(verdict["readouts"]) == set(found.columns)


def test_what_counts_cells_anew_segments_and_trains_nothing(finished):
    path = finished.work / "config" / "config.yaml"
    text = path.read_text()
    try:
        content = yaml.safe_load(text)
        content["cells"]["min_cells"] = 30
        path.write_text(yaml.safe_dump(content))
        planned = finished.planned("results/screens/CELL01/quality.tsv")
    finally:
        path.write_text(text)
    assert planned == {"count_cells": 3, "score_screen": 1, "assess_screen": 1}


def test_a_renamed_drug_finds_and_trains_nothing_again(finished):
    layout = finished.work / "config/layouts/CELL01.tsv"
    text = layout.read_text()
    try:
        layout.write_text(text.replace("Drug 01", "Drug X"))
        planned = finished.planned("results/screens/CELL01/quality.tsv")
    finally:
        layout.write_text(text)
    again = {"check_screen", "judge_wells", "test_layout", "score_screen", "assess_screen"}
    assert "score_screen" in planned and set(planned) <= again


@pytest.mark.soak  # 80 s; tests/unit/test_pan.py runs the same scripts
def test_a_network_for_many_samples_is_made_when_asked_for(finished):
    folder = "results/cohort/cells"
    finished.snakemake(f"{folder}/mcnn_map.svg", f"{folder}/mcnn_networks.tsv")
    table = pd.read_csv(finished.result("cohort/cells/mcnn_all_samples.tsv"), sep="\t")
    assert (
        len(table) == 1 and table["accuracy_new_sample"].isna().all()
    )  # of one sample none is held out
    networks = pd.read_csv(finished.result("cohort/cells/mcnn_networks.tsv"), sep="\t")
    assert networks["own"].between(0, 1).all() and networks["all_cells"].between(0, 1).all()
    cells = pd.read_parquet(finished.result("cohort/cells/mcnn_map.parquet"))
    assert set(cells["class"]) == {"cancer", "healthy"} and len(cells) >= 40
    assert finished.planned("results/screens/CELL01/quality.tsv") == {}


# -- the acceptance: six samples, two plates each --------------------------------------------------


@pytest.fixture(scope="module")
def cohort(repository, tmp_path_factory):
    """EXVIVO_COHORT names a folder to keep: a run that was stopped goes on there, a finished one is looked at."""
    kept = os.environ.get("EXVIVO_COHORT")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("cohort")
    recipe = {"epochs": 10, "learning_rate": 0.01, "batch_size": 50}
    pan = {"networks": ["mcnn"], "folds": 3, "per_class": 300, "recipes": {"mcnn": recipe}}
    if (folder / "work" / "truth").is_dir():
        run = Workflow.at(folder / "code", folder / "work")
    else:
        run = run_screens(repository, folder, CellDesign(), READOUTS, recipe, 1000, pan)
    run.snakemake()
    return run


SCREENS = [f"CELL{number:02d}" for number in range(1, 7)]


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_networks_see_the_true_class_better_than_their_labels(cohort):
    found = pd.DataFrame({screen: accuracies(cohort, screen) for screen in SCREENS}).T
    print(found.round(3))
    assert found["network"].mean() >= 0.9
    assert (found["network"] > found["marker"]).all() and found["marker"].mean() <= 0.9


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_drugs_are_told_apart_by_what_they_do(cohort):
    truth = pd.read_csv(cohort.work / "truth" / "drugs.tsv", sep="\t")
    known = truth.groupby(["screen", "drug"]).agg(kind=("kind", "first"), effect=("effect", "sum"))
    tables = {screen: scores(cohort, screen) for screen in SCREENS}
    auc = pd.concat({s: t["auc"] for s, t in tables.items()}).reindex(known.index)
    hit = pd.concat({s: t["hit"] for s, t in tables.items()}).reindex(known.index)
    by_kind = hit.groupby(known["kind"]).mean()
    print(by_kind, auc.groupby(known["kind"]).mean().round(2), sep="\n")
    assert by_kind.loc["strips_marker", "marker_fraction"] > 0.9
    assert by_kind.loc["strips_marker", "morphology_fraction"] < 0.2
    assert by_kind.loc["kills_all", "total_count"] > 0.9
    from sklearn.metrics import roc_auc_score

    real = known["effect"] > MIN_EFFECT
    area = {name: roc_auc_score(real, auc[name].fillna(0)) for name in auc}
    print({name: round(value, 3) for name, value in area.items()})
    assert area["morphology_fraction"] > area["marker_fraction"] > area["random_fraction"]
    assert 0.25 < area["random_fraction"] < 0.75


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_the_report_shows_readouts_side_by_side(cohort):
    page = cohort.result("screens/CELL01/report.html").read_text()
    assert "Against the solvent" in page and "morphology, healthy cells" in page


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_cells_held_out_flatter_a_network_and_whole_samples_held_out_do_not(cohort):
    """Half of the samples were imaged with another lamp: a network that has seen four samples does badly with the next."""
    networks = pd.read_csv(cohort.result("cohort/cells/mcnn_networks.tsv"), sep="\t")
    print(networks.round(3).to_string())
    assert len(networks) == 6 and networks["all_cells"].mean() > 0.7
    assert 0.5 < networks["all_new_sample"].mean() < networks["all_cells"].mean()
