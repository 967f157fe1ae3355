"""What runs again after a change, and what does not: jobs counted on a finished facility."""

from __future__ import annotations

import os
import re

import numpy as np
import pandas as pd
import pytest
import tifffile

from exvivo.tables import RESPONSES, read_table

pytestmark = pytest.mark.slow

SCORING = {
    "check_screen",
    "judge_wells",
    "test_layout",
    "score_screen",
    "assess_screen",
    "describe_drugs",
    "record_run",
    "report_screen",
    "summarise_cohort",
    "report_cohort",
}
TRAINING = {"train_phase2", "train_phase3", "crossfit_controls", "predict_screen"}
IMAGING = {"admit_plate", "project_plate", "inspect_plate"}


def images(facility, plate):
    return sorted((facility.work / "raw" / plate).rglob("*.TIF"))


def replace_image(path):
    """Another image under the same name, as an instrument writes it: a new file, renamed."""
    pixels = tifffile.imread(path)
    fresh = path.with_suffix(".tmp")
    tifffile.imwrite(fresh, np.roll(pixels, 3, axis=0))
    fresh.replace(path)


def edit(path, pattern, replacement):
    text = path.read_text()
    changed = re.sub(pattern, replacement, text, count=1)
    assert changed != text, f"{pattern} is not in {path.name}"
    path.write_text(changed)


def test_first_night_makes_two_reports(finished):
    for screen in ("S01", "S02"):
        assert finished.result(f"screens/{screen}/report.html").stat().st_size > 10_000
    cohort = pd.read_csv(finished.result("cohort/screens.tsv"), sep="\t")
    assert cohort["screen"].tolist() == ["S01", "S02"]


def test_every_treated_well_has_its_number(finished):
    table = read_table(finished.result("screens/S01/responses.parquet"), RESPONSES)
    assert table.groupby("readout")["value"].count().to_dict() == dict.fromkeys(
        ("mean_of_stack", "viability_phase2", "viability_phase3"), len(table) // 3
    )


def test_second_night_has_nothing_to_do(facility):
    assert facility.planned() == {}


def test_touched_raw_files_rerun_nothing(facility):
    for path in images(facility, "S01_P1"):
        os.utime(path)
        os.utime(path.parent)
    assert facility.planned() == {}


def test_a_changed_plate_reruns_itself_and_its_screen(facility):
    replace_image(images(facility, "S01_P1")[0])
    planned = facility.planned()
    assert set(planned) == IMAGING | TRAINING | SCORING
    assert planned.pop("predict_screen") == 2
    assert set(planned.values()) == {1}


def test_a_changed_training_plate_reruns_what_learned_from_it(facility):
    replace_image(images(facility, "T01_P1")[0])
    planned = facility.planned()
    assert (planned["project_plate"], planned["train_phase1"]) == (1, 1)
    assert (planned["train_phase2"], planned["report_screen"]) == (2, 2)


def test_a_renamed_drug_reruns_scores_alone(facility):
    # On both plates: on one alone the wells of the other would lose their duplicates.
    for plate in ("S01_P1", "S01_P2"):
        layout = facility.work / f"config/layouts/{plate}.tsv"
        layout.write_text(layout.read_text().replace("Drug-A", "Drug-Z"))
    planned = facility.planned()
    assert set(planned) == SCORING
    assert set(planned.values()) == {1}


def test_other_controls_train_again_without_imaging(facility):
    edit(facility.work / "config/layouts/S01_P1.tsv", r"negative_control\tDMSO", r"excluded\tDMSO")
    planned = facility.planned()
    assert set(planned) == SCORING | TRAINING


def test_a_changed_plotting_function_reruns_reports_alone(facility):
    source = facility.code / "scripts/exvivo/figures/waterfall.py"
    source.write_text(source.read_text() + "\n\n_WIDER = 1.1\n")
    assert facility.planned() == {"report_screen": 2, "report_cohort": 1}


def test_a_changed_template_reruns_reports_alone(facility):
    template = next((facility.code / "scripts/exvivo/report").rglob("*.j2"))
    template.write_text(template.read_text() + "\n")
    assert facility.planned() == {"report_screen": 2, "report_cohort": 1}


def test_comments_in_the_library_rerun_nothing(facility):
    for module in ("training/engine.py", "projection/stack.py", "responses/fit.py"):
        source = facility.code / "scripts/exvivo" / module
        source.write_text("# why\n" + source.read_text())
    assert facility.planned() == {}


def test_another_limit_judges_again(facility):
    with (facility.work / "config/config.yaml").open("a") as config:
        config.write("quality: {min_controls: 3}\n")
    planned = facility.planned()
    assert planned["assess_screen"] == planned["report_screen"] == 2
    assert not set(planned) & (IMAGING | TRAINING | {"train_phase1"})


def test_another_device_trains_nothing_again(facility):
    edit(facility.work / "config/config.yaml", "device: cpu", "allow_cpu: true")
    assert facility.planned() == {}


def test_a_broken_plate_holds_its_screen_and_no_other(finished, tmp_path):
    facility = finished.copy(
        tmp_path / "facility"
    )  # runs for real: the others' facility stays whole
    for path in images(facility, "S02_P2")[:8]:
        with path.open("r+b") as file:
            file.truncate(1000)
        os.utime(path.parent)
    facility.snakemake("--forcerun", "admit_plate", "--until", "report_screen", "summarise_cohort")
    cohort = pd.read_csv(facility.result("cohort/screens.tsv"), sep="\t").set_index("screen")
    assert cohort.loc["S02", "verdict"] == "hold"
    assert "S02_P2" in cohort.loc["S02", "reasons"]
    page = facility.result("screens/S02/report.html").read_text()
    assert "S02_P2" in page and "on hold" in page.casefold()
    assert facility.result("screens/S01/report.html").is_file()
    assert pd.isna(cohort.loc["S02", "n_hits"])
