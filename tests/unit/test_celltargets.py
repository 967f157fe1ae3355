"""Which files single cells need: only of screens that ask for them, markers from the sample's row."""

import pytest

from exvivo import celltargets, targets
from exvivo.errors import Problem
from exvivo.sheets import Plate, Screen, Sheets, contrast_of, load_config
from exvivo.sheets.checks import _check_markers
from exvivo.sheets.markers import CellMarker, parse_markers
from exvivo.sheets.registry import Record

MARKERS = "CD34 (FITC): cancer; CD3 (TRITC): healthy"


@pytest.fixture
def sheets():
    plates = [
        Plate("P1", "S1", "p1", "imagexpress", "layouts/b.tsv", "1"),
        Plate("Q1", "S2", "q1", "imagexpress", "layouts/b.tsv", "1"),
        Plate("R1", "S3", "r1", "imagexpress", "layouts/b.tsv", "1"),
    ]
    named = ("morphology_fraction", "marker_fraction", "total_count")
    screens = [
        Screen("S1", "drug", sample="A1", readouts=named),
        Screen("S2", "drug", sample="A1", readouts=("marker_fraction",)),
        Screen("S3", "drug", sample="A2", readouts=("mean_of_stack",)),
    ]
    samples = {"A1": {"sample": "A1", "markers": MARKERS}, "A2": {"sample": "A2", "markers": ""}}
    return Sheets({p.plate: p for p in plates}, {s.screen: s for s in screens}, samples)


def test_markers_are_read_from_words_that_say_channel_and_class():
    assert parse_markers(MARKERS) == [
        CellMarker("CD34", "FITC", "cancer"),
        CellMarker("CD3", "TRITC", "healthy"),
    ]


@pytest.mark.parametrize(
    "text",
    ["", "Hoechst nuclei", "CD34 (FITC)", "CD34 (FITC): tumour", "DAPI (1): cancer",
     "CD34 (2): cancer; cd34 (3): healthy", "../x (2): cancer"],
)  # fmt: skip
def test_other_words_are_no_markers(text):
    assert parse_markers(text) is None


def test_channels_of_a_plate_are_those_that_its_screen_needs(sheets):
    config = load_config({})
    full = {"DAPI": "1", "BF": "2", "CD34": "FITC", "CD3": "TRITC"}
    assert celltargets.channels(sheets, config, "P1") == full
    assert "BF" not in celltargets.channels(sheets, config, "Q1")  # no network, no bright-field
    assert celltargets.crop_channels(sheets, config, "P1") == {"DAPI": "1", "BF": "2"}


def test_only_screens_that_ask_for_cells_have_their_files(sheets):
    assert targets.readout_files(sheets, "S3") == [
        "results/plates/R1/readouts/mean_of_stack.parquet"
    ]
    assert targets.readout_files(sheets, "S1") == [
        f"results/screens/S1/readouts/{name}.parquet" for name in sheets.screens["S1"].readouts
    ]
    assert celltargets.networks(sheets, "S1") == ["mcnn"]
    assert celltargets.networks(sheets, "S2") == celltargets.networks(sheets, "S3") == []


def test_one_network_per_marker_or_the_released_one(sheets):
    folder = "results/screens/S1/cells/mcnn"
    config = load_config({})
    models = celltargets.models(sheets, config, "S1", "mcnn")
    assert models == [f"{folder}/CD34.safetensors", f"{folder}/CD3.safetensors"]
    assert celltargets.records(sheets, config, "S1", "mcnn") == [
        f"{folder}/CD34.json", f"{folder}/CD3.json",
    ]  # fmt: skip
    config = load_config({"cells": {"models": {"mcnn": "models/pan_v2.safetensors"}}})
    assert celltargets.models(sheets, config, "S1", "mcnn") == ["models/pan_v2.safetensors"]
    assert celltargets.records(sheets, config, "S1", "mcnn") == []


def test_a_training_goes_on_from_the_network_that_is_named():
    assert celltargets.start(load_config({}), "mcnn") == []
    named = {"cells": {"training": {"start": {"mcnn": "networks/mcnn/v1/m.safetensors"}}}}
    assert celltargets.start(load_config(named), "mcnn") == ["networks/mcnn/v1/m.safetensors"]
    assert celltargets.start(load_config(named), "resnet") == []


def test_a_marker_readout_follows_the_choice_of_the_screens_network_if_it_has_one(sheets):
    choice = ["results/screens/S1/cells/mcnn_marker.json"]
    assert celltargets.choice(sheets, "S1", "marker_fraction") == choice
    assert celltargets.choice(sheets, "S1", "morphology_fraction") == choice
    assert celltargets.choice(sheets, "S2", "marker_fraction") == []
    assert celltargets.calls(sheets, "S1", "marker_fraction", ["P1"]) == []
    assert celltargets.calls(sheets, "S1", "morphology_fraction", ["P1"]) == [
        "results/screens/S1/cells/mcnn/calls/P1.parquet"
    ]


def test_readouts_of_cells_have_the_solvent_as_their_only_control():
    config = load_config({})
    assert contrast_of(config, "marker_fraction")["positive"] is None
    assert contrast_of(config, "mean_of_stack")["positive"]["role"] == "positive_control"
    named = {"readouts": {"total_count": {"contrast": {"positive": {"treatment": "BzCl"}}}}}
    assert contrast_of(load_config(named), "total_count")["positive"]["treatment"] == "BzCl"


def record(line, **values):
    return Record(line, values)


@pytest.mark.parametrize(
    ("readouts", "markers", "wrong"),
    [
        ("marker_fraction", MARKERS, False),
        ("marker_fraction", "Hoechst nuclei", True),
        ("total_count", "Hoechst nuclei", False),
        ("mean_of_stack", "", False),
        ("total_count morphology_fraction", "", True),
    ],
)
def test_a_screen_that_calls_cells_needs_its_samples_markers(readouts, markers, wrong):
    problems: list[Problem] = []
    records = {
        "screens": [record(2, screen="S1", readouts=readouts, sample="A1", status="open")],
        "samples": [record(3, sample="A1", markers=markers)],
    }
    _check_markers(records, {"samples": "samples.tsv"}, problems)
    assert bool(problems) == wrong
    if wrong:
        assert problems[0].row == 3 and "cancer" in problems[0].expected
