"""Networks for many samples: sets joined, whole samples held out, maps of their cells, releases by a person."""

import json
import runpy
import shutil
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from exvivo import celltargets
from exvivo.cells.pan import agreement, parts_of, read_sets, train_pan
from exvivo.cli import main as exvivo
from exvivo.crops import CropSettings
from exvivo.errors import StoreError, TrainingError
from exvivo.files import read_json
from exvivo.morphology.data import CellSet
from exvivo.morphology.models import load_cell_model, skipped_cells
from exvivo.morphology.recipe import cell_recipe
from exvivo.morphology.sets import crops_of_set, load_cell_set, save_cell_set
from exvivo.sheets import Plate, Screen, Sheets, load_config

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
KIND = CropSettings(size=12, margin=3)
FAST = {"epochs": 6, "learning_rate": 0.02, "batch_size": 40, "l2": 0.0}


def script(name):
    """The `main` of a rule's script."""
    return runpy.run_path(str(SCRIPTS / f"{name}.py"))["main"]


def cells(seed, count=120, swapped=0.0):
    """Cancer cells are large and bright in their middle, healthy ones small; a share of labels is wrong."""
    rng = np.random.default_rng(seed)
    cancer = np.arange(count) % 2 == 0
    y, x = np.mgrid[-8.5:9.5, -8.5:9.5]
    radius = np.where(cancer, 4.5, 2.5)[:, None, None]
    disc = (np.hypot(y, x)[None] < radius) * 400.0
    images = np.stack([disc + 300, 800 - disc], axis=1) + rng.normal(0, 40, (count, 2, 18, 18))
    labels = cancer ^ (rng.random(count) < swapped)
    return CellSet(np.clip(images, 0, None).astype(np.uint16), labels, ["?"] * count, 12)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Sets of four samples, one of them screened twice, and of one without cells."""
    tmp_path = tmp_path_factory.mktemp("sets")
    files = {}
    for number, name in enumerate(("S1", "S2", "S2", "S3", "S4")):
        path = tmp_path / f"{number}.safetensors"
        save_cell_set(path, cells(number), KIND.to_json())
        files.setdefault(name, []).append(path)
    empty = CellSet(np.empty((0, 2, 18, 18), np.uint16), np.empty(0, bool), [], 12)
    save_cell_set(tmp_path / "none.safetensors", empty, KIND.to_json())
    return files | {"S5": [tmp_path / "none.safetensors"]}


# -- sets ----------------------------------------------------------------------------------------------


def test_sets_are_joined_by_sample_and_those_without_cells_are_named(sets):
    found = read_sets(sets)
    assert found.skipped == ["S5"] and found.crops == KIND
    counts = pd.Series(found.data.groups).value_counts().to_dict()
    assert counts == {"S1": 120, "S2": 240, "S3": 120, "S4": 120}
    assert len(load_cell_set(sets["S5"][0])) == 0 and crops_of_set(sets["S5"][0]) == KIND.to_json()


def test_crops_of_two_kinds_are_not_joined(sets, tmp_path):
    other = tmp_path / "other.safetensors"
    save_cell_set(other, cells(9), CropSettings(size=12, margin=3, pixel_um=1.3).to_json())
    with pytest.raises(TrainingError, match="several kinds") as caught:
        read_sets(sets | {"S6": [other]})
    assert "S6" in str(caught.value) and "1.3" in str(caught.value)


def test_no_cells_at_all_is_an_error_that_names_the_samples(sets):
    with pytest.raises(TrainingError, match="no sample has cells") as caught:
        read_sets({"S5": sets["S5"]})
    assert "S5" in str(caught.value)


def test_a_set_that_does_not_say_what_its_crops_are_cannot_be_shared(tmp_path):
    path = tmp_path / "old.safetensors"
    save_cell_set(path, cells(0))
    assert len(load_cell_set(path)) == 120
    with pytest.raises(StoreError, match="cannot read this set"):
        crops_of_set(path)


# -- training ------------------------------------------------------------------------------------------


def test_every_sample_is_held_out_once():
    names = [f"S{i}" for i in range(7)]
    parts = parts_of(names, 3, seed=1)
    assert sorted(name for part in parts for name in part) == names and [len(p) for p in parts] == [
        3,
        2,
        2,
    ]
    assert parts == parts_of(names, 3, seed=1) != parts_of(names, 3, seed=2)
    assert len(parts_of(names, 50, 0)) == 7
    assert parts_of(names, 0, 0) == [] and parts_of(["S1"], 5, 0) == []


def test_a_network_sees_what_is_common_to_samples_and_says_how_it_fares_with_a_new_one(sets):
    data = read_sets(sets).data
    recipe = cell_recipe("mcnn", pan=True, changes=FAST)
    trained, table = train_pan(data, recipe, folds=2)
    assert list(table["sample"]) == ["S1", "S2", "S3", "S4"]
    assert list(table["cells"]) == [120, 240, 120, 120]
    assert (table["accuracy_cells"] >= 0.9).all() and (table["accuracy_new_sample"] >= 0.9).all()
    rows = np.zeros(len(data), bool)
    rows[:5] = True
    found = agreement(trained, data, rows, "cpu")
    assert set(found[:5]) <= {0.0, 1.0} and np.isnan(found[5:]).all()


def test_labels_that_mean_nothing_are_not_learnt(sets):
    data = read_sets(sets).data
    shuffled = np.random.default_rng(0).permutation(data.cancer)
    noise = CellSet(data.crops, shuffled, data.groups, data.size)
    _, table = train_pan(noise, cell_recipe("mcnn", changes=FAST), folds=2)
    assert table["accuracy_new_sample"].mean() < 0.62


# -- scripts -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network(sets, tmp_path_factory):
    """Folder of a network for all of them, as the script wrote it."""
    folder = tmp_path_factory.mktemp("network")
    script("train_pan_morphology")(
        files=sets,
        network="mcnn",
        settings={"recipe": FAST, "folds": 2, "seed": 0},
        device="cpu",
        threads=1,
        model=folder / "mcnn_all.safetensors",
        samples=folder / "mcnn_all_samples.tsv",
    )
    return folder


@pytest.fixture
def trained(network, tmp_path):
    """Its copy where the workflow has it."""
    return shutil.copytree(network, tmp_path / "results" / "cohort" / "cells")


def test_the_script_writes_a_model_that_calls_and_what_it_knows(trained):
    model = load_cell_model(trained / "mcnn_all.safetensors")
    assert model.crops == KIND
    record = read_json(trained / "mcnn_all.json")
    assert record["samples"] == ["S1", "S2", "S3", "S4"] and record["without_cells"] == ["S5"]
    assert not list(trained.glob("*.checkpoints"))
    assert len(pd.read_csv(trained / "mcnn_all_samples.tsv", sep="\t")) == 4


def test_without_cells_the_script_says_why_and_goes_on(sets, tmp_path):
    script("train_pan_morphology")(
        files={"S5": sets["S5"]},
        network="mcnn",
        settings={"recipe": FAST, "folds": 2, "seed": 0},
        device="cpu",
        threads=1,
        model=tmp_path / "mcnn_all.safetensors",
        samples=tmp_path / "samples.tsv",
    )
    assert "no sample has cells" in skipped_cells(tmp_path / "mcnn_all.safetensors")
    assert (tmp_path / "samples.tsv").read_text().startswith("sample\tcells")


def mapped(sets, model, folder):
    script("map_cells")(
        files=sets,
        model=model,
        labels={"diagnosis": {"S1": "A", "S2": "A", "S3": "B", "S4": "B"}, "imaging": {}},
        seed=0,
        device="cpu",
        threads=1,
        cells=folder / "map.parquet",
        tables=folder / "map.json",
        similarity=folder / "similarity.svg",
        figure=folder / "map.svg",
    )


def test_the_map_shows_every_cell_and_what_it_lies_among(sets, trained, tmp_path):
    mapped(sets, trained / "mcnn_all.safetensors", tmp_path)
    table = pd.read_parquet(tmp_path / "map.parquet")
    assert len(table) == 600 and {"sample", "class", "x", "y", "cluster", "pc01"} <= set(table)
    tables = read_json(tmp_path / "map.json")
    assert {row["label"] for row in tables["grouping"]} == {"class", "diagnosis", "imaging"}
    by_class = next(row for row in tables["grouping"] if row["label"] == "class")
    assert by_class["equal"] == 6 and by_class["p_permuted"] < 0.05  # 4 and 4 leaves, two blocks
    assert len(tables["similarity"]["names"]) == 8
    around = pd.DataFrame(tables["neighbours"])
    assert (around["fold"] > 1.2).all()
    assert {row["channel"] for row in tables["occlusion"]} == {"DAPI", "BF"}
    assert all(np.isfinite(row["variance"]) for row in tables["occlusion"])
    picture = (tmp_path / "map.svg").read_text()
    assert picture.count("data:image/png;base64,") == 4
    assert "600 cells" in picture and "S4" in picture
    assert "8 groups" in (tmp_path / "similarity.svg").read_text()


def test_without_a_network_the_map_says_so(sets, tmp_path):
    from exvivo.morphology.models import save_skipped_cells

    save_skipped_cells(tmp_path / "m.safetensors", "no sample has cells to learn from")
    mapped(sets, tmp_path / "m.safetensors", tmp_path)
    assert "no sample has cells" in (tmp_path / "map.svg").read_text()
    assert "no sample has cells" in read_json(tmp_path / "map.json")["problem"]
    assert len(pd.read_parquet(tmp_path / "map.parquet")) == 0


def test_networks_stand_beside_each_other(tmp_path, trained):
    choice = tmp_path / "choice.json"
    choice.write_text(json.dumps({"marker": "CD34"}))
    record = tmp_path / "results/screens/X1/cells/mcnn/CD34.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"metrics": {"test": {"accuracy": 0.875}}}))
    facts = {"screen": "X1", "sample": "S2", "diagnosis": "AML", "scope": "aml"}
    facts["records"] = [record]
    other = {"screen": "X2", "sample": "S9", "diagnosis": "", "scope": "", "records": []}
    table = trained / "mcnn_all_samples.tsv"
    script("compare_networks")(
        screens=[facts, other],
        choices=[choice, choice],
        tables=[("all", table)],
        networks=tmp_path / "networks.tsv",
    )
    found = pd.read_csv(tmp_path / "networks.tsv", sep="\t").set_index("screen")
    assert found.loc["X1", "own"] == 0.875
    assert found.loc["X1", "all_cells"] >= 0.9 and np.isnan(found.loc["X1", "diagnosis_cells"])
    assert np.isnan(found.loc["X2", "own"]) and np.isnan(found.loc["X2", "all_cells"])


# -- releases ------------------------------------------------------------------------------------------


def release(folder, *more, note="better on new samples"):
    given = ["release-network", "mcnn", "--directory", str(folder), "--initials", "AB"]
    return exvivo([*given, "--note", note, *more])


def test_a_person_releases_a_network_and_the_next_is_another_version(
    trained, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert release(tmp_path) == 0
    assert "mcnn: networks/mcnn/v1/mcnn_all.safetensors" in capsys.readouterr().out
    model = tmp_path / "networks/mcnn/v1/mcnn_all.safetensors"
    assert load_cell_model(model).crops == KIND
    assert not model.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    signed = read_json(model.with_name("release.json"))
    assert signed["initials"] == "AB" and len(signed["sha256"]) == 4
    assert release(tmp_path) == 0
    assert (tmp_path / "networks/mcnn/v2/mcnn_all.safetensors").is_file()


@pytest.mark.parametrize(
    ("more", "note", "said"),
    [
        (("--scope", "aml"), "for a test", "there is no such network"),
        (("--scope", "../../x"), "for a test", "there is no such network"),
        (("--initials", "Smith"), "for a test", "no initials"),
        ((), "", "note is unfit"),
    ],
)
def test_nothing_else_is_released(trained, tmp_path, capsys, monkeypatch, more, note, said):
    monkeypatch.chdir(tmp_path)
    assert release(tmp_path, *more, note=note) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "networks").exists()


def test_weights_that_are_not_those_of_the_record_are_not_released(
    trained, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with (trained / "mcnn_all.safetensors").open("ab") as handle:
        handle.write(b"x")
    assert release(tmp_path) == 1
    assert "not of one training" in capsys.readouterr().err


# -- targets -------------------------------------------------------------------------------------------


@pytest.fixture
def sheets():
    named = ("morphology_fraction", "total_count")
    screens = [
        Screen("X1", "drug", sample="S1", readouts=named),
        Screen("X2", "drug", sample="S2", readouts=named),
        Screen("X3", "drug", sample="S3", readouts=("total_count",)),
        Screen("X4", "drug", sample="S4", readouts=named, status="released"),
    ]
    plates = [Plate(f"P{s.screen}", s.screen, "p", "imagexpress", "b.tsv", "1") for s in screens]
    marker = "CD34 (FITC): cancer"
    samples = {
        "S1": {
            "sample": "S1",
            "markers": marker,
            "diagnosis": "AML, relapsed",
            "imaging": "lamp 1",
        },
        "S2": {"sample": "S2", "markers": marker, "diagnosis": "", "imaging": ""},
        "S3": {"sample": "S3", "markers": marker},
        "S4": {"sample": "S4", "markers": marker, "diagnosis": "AML, relapsed"},
    }
    return Sheets({p.plate: p for p in plates}, {s.screen: s for s in screens}, samples)


def config(**pan):
    return load_config({"cells": {"pan": pan}})


def test_nothing_is_trained_on_many_samples_unless_somebody_asks(sheets):
    assert celltargets.pan_files(sheets, config()) == []


def test_files_of_networks_for_all_samples_and_for_diagnoses(sheets):
    asked = config(networks=["mcnn", "resnet"], by_diagnosis=True)
    assert celltargets.pan_files(sheets, asked) == [
        "results/cohort/cells/mcnn_all.safetensors",
        "results/cohort/cells/mcnn_aml-relapsed.safetensors",
        "results/cohort/cells/mcnn_map.svg",
        "results/cohort/cells/mcnn_networks.tsv",
    ]
    assert celltargets.pan_screens(sheets, "mcnn") == ["X1", "X2"]
    assert celltargets.pan_screens(sheets, "mcnn", "aml-relapsed") == ["X1"]
    assert celltargets.pan_labels(sheets, "mcnn") == {
        "diagnosis": {"S1": "AML, relapsed", "S2": ""},
        "imaging": {"S1": "lamp 1", "S2": ""},
    }


def test_what_changes_such_a_network_is_its_own_recipe_not_that_of_single_samples(sheets):
    given = {"cells": {"training": {"recipes": {"mcnn": {"epochs": 3}}}}}
    settings = celltargets.pan_settings(load_config(given), "mcnn")
    assert settings == {"folds": 5, "recipe": {}, "seed": 0}
    pan = cell_recipe("mcnn", pan=True)
    assert pan.batch_size == 2000 and pan.origin == "published"
