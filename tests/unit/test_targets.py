from pathlib import Path

import pytest

from exvivo import jobsize, targets, trainingwells, watch
from exvivo.sheets import Plate, Screen, Sheets, load_config


@pytest.fixture
def sheets():
    plates = [
        Plate("T1", "LINE", "t1", "imagexpress", "layouts/a.tsv"),
        Plate("P1", "S1", "p1", "imagexpress", "layouts/b.tsv", "1"),
        Plate("P2", "S1", "p2", "operetta", "layouts/b.tsv", "2"),
        Plate("R1", "S1", "r1.txt", "reader", "layouts/c.tsv", "1", "metabolic"),
        Plate("Q1", "S2", "q1.txt", "reader", "layouts/c.tsv", "1", "metabolic"),
        Plate("Z1", "OLD", "z1", "imagexpress", "layouts/b.tsv", "1"),
    ]
    screens = [
        Screen("LINE", "training"),
        Screen(
            "S1",
            "drug",
            "LINE",
            "S001",
            "small",
            ("viability_phase3", "mean_of_stack", "metabolic"),
        ),
        Screen("S2", "drug", "", "S002", "", ("metabolic",)),
        Screen("OLD", "drug", "LINE", "S003", "vgg19", ("viability_phase2",), status="released"),
    ]
    return Sheets({p.plate: p for p in plates}, {s.screen: s for s in screens})


def test_a_released_screen_is_no_target(sheets):
    assert targets.reports(sheets) == [
        "results/screens/S1/report.html",
        "results/screens/S2/report.html",
    ]
    assert targets.open_screens(sheets) == ["S1", "S2"]


def test_plates_by_kind(sheets):
    assert targets.imaged_ids(sheets) == ["T1", "P1", "P2", "Z1"]
    assert targets.reader_ids(sheets) == ["R1", "Q1"]
    assert targets.plate_ids(sheets, "S1") == ["P1", "P2", "R1"]
    assert targets.plates_of_readouts(sheets, "S1") == {
        "viability_phase3": ["P1", "P2"],
        "mean_of_stack": ["P1", "P2"],
        "metabolic": ["R1"],
    }


def test_readouts_in_the_order_of_the_sheet(sheets):
    assert targets.readout_files(sheets, "S1") == [
        "results/screens/S1/readouts/viability_phase3.parquet",
        "results/plates/P1/readouts/mean_of_stack.parquet",
        "results/plates/P2/readouts/mean_of_stack.parquet",
        "results/plates/R1/readouts/metabolic.parquet",
    ]
    assert targets.readout_files(sheets, "S2") == ["results/plates/Q1/readouts/metabolic.parquet"]


def test_phases_follow_each_other(sheets):
    assert (
        targets.start_model(sheets, "LINE", "small", 1)
        == "results/models/small/imagenet.safetensors"
    )
    assert (
        targets.start_model(sheets, "S1", "small", 2)
        == "results/models/small/LINE/phase1.safetensors"
    )
    assert (
        targets.start_model(sheets, "S1", "small", 3)
        == "results/screens/S1/small/phase2.safetensors"
    )
    assert targets.model_files(sheets, "S1", ".json") == [
        "results/models/small/LINE/phase1.json",
        "results/screens/S1/small/phase2.json",
        "results/screens/S1/small/phase3.json",
    ]
    assert targets.crossfit_files(sheets, "S1") == ["results/screens/S1/small/crossfit.parquet"]
    assert targets.crossfit_files(sheets, "S1", "folds.parquet") == [
        "results/screens/S1/small/folds.parquet"
    ]


def test_a_screen_without_images_needs_no_model(sheets):
    assert targets.model_files(sheets, "S2", ".json") == []
    assert targets.crossfit_files(sheets, "S2") == []


@pytest.mark.parametrize(
    ("training", "device", "gpus"),
    [
        ({}, "cuda", 1),
        ({"allow_cpu": True}, "auto", 1),
        ({"device": "cpu"}, "cpu", 0),
    ],
)
def test_device_and_gpu_request(training, device, gpus):
    config = load_config({"training": training})
    assert (jobsize.device(config), jobsize.gpus(config)) == (device, gpus)


def test_a_model_depends_on_its_own_settings_alone():
    def settings(training, phase=2):
        return targets.training_settings(load_config({"training": training}), "small", phase)

    plain = settings({"device": "cpu"})
    assert plain == settings({"allow_cpu": True})  # where it runs changes nothing
    assert plain != settings({"seed": 1})
    recipes = {"recipes": {"small": {"phase3": {"epochs": 2}}}}
    assert plain == settings(recipes)
    assert plain != settings(recipes, phase=3)


def test_alternatives_of_nothing_match_nothing():
    import re

    assert re.fullmatch(targets.alternatives([]), "") is None
    assert re.fullmatch(targets.alternatives(["a.b", "c"]), "a.b")
    assert not re.fullmatch(targets.alternatives(["a.b", "c"]), "axb")


def test_a_layout_that_is_not_there_is_left_for_check_screen(sheets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert targets.layout_files(sheets, "S1") == []
    digest = trainingwells.training_wells_digest(sheets, load_config({}), "S1", "phase3")
    assert digest == trainingwells.NOT_READABLE


def _reader_only(sheets):
    plates = {name: plate for name, plate in sheets.plates.items() if plate.instrument == "reader"}
    return Sheets(plates, sheets.screens)


def test_scan_of_a_reader_file_sees_content_not_time(sheets, tmp_path):
    config = load_config({"data_root": str(tmp_path / "raw")})
    (tmp_path / "raw").mkdir()
    file, own = tmp_path / "raw" / "r1.txt", _reader_only(sheets)
    file.write_text("1 2 3")
    out = tmp_path / "plates"
    assert watch.scan(own, config, out) == ["R1", "Q1"]
    file.touch()
    assert watch.scan(own, config, out) == []
    file.write_text("1 2 4")
    assert watch.scan(own, config, out) == ["R1"]
    file.unlink()
    assert watch.scan(own, config, out) == ["R1"]
    assert (out / "R1" / "fingerprint.tsv").read_text() == "path\tbytes\tsha256\n"


def test_scan_leaves_released_screens_alone(sheets, tmp_path):
    config = load_config({"data_root": str(tmp_path), "admission": {"settle_minutes": 0}})
    watch.scan(sheets, config, tmp_path / "plates")
    assert not (tmp_path / "plates" / "Z1").exists()
    assert Path(
        tmp_path / "plates" / "P1" / "fingerprint.tsv"
    ).is_file()  # missing raw plate: no exception
