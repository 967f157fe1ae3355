"""References, repeats and sheets of knowledge: what they rerun, counted on a facility of plate-reader screens."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from exvivo.cli import main
from exvivo.context.tables import CONTEXT, MISMATCHES, REPEATS
from exvivo.responses.curve import evaluate
from exvivo.sheets.names import well_name
from exvivo.tables import read_table
from runs import Workflow

pytestmark = [pytest.mark.slow, pytest.mark.soak]

DOSES = (1.0, 10.0, 100.0, 1000.0, 10000.0)
SCREENS = {
    "A1": "PT-1",
    "A2": "PT-1",
    "B1": "PT-2",
    "C1": "PT-3",
    "D1": "PT-4",
    "E1": "PT-5",
    "F1": "PT-6",
}
DRUGS = "drug\tsynonyms\texpected_for\tmax_plasma_nM\nDrug-1\t\tBRAF V600E\t50\nDrug-9\tother\tBRAF V600E\t\n"
SAMPLES = "sample\tdrivers\n" + "".join(
    f"{s}\t{'braf v600e' if s == 'PT-1' else ''}\n" for s in dict.fromkeys(SCREENS.values())
)
BACKGROUND = {"describe_drugs", "report_screen"}


def wells() -> list[tuple]:
    """Controls and six drugs of falling strength on one 384-well plate."""
    rows = [("negative_control", "DMSO", "0", "", 1.0)] * 10 + [
        ("positive_control", "STS", "250", "", 0.0)
    ] * 10
    for i in range(6):
        for dose in DOSES:
            inhibition = evaluate(np.array([0.0, 0.95, 0.5 + 0.7 * i, 1.2, 1.0]), [np.log10(dose)])[
                0
            ]
            rows += [
                ("treatment", f"Drug-{i + 1}", f"{dose:g}", str(r), 1 - inhibition) for r in (1, 2)
            ]
    return rows


def write_screen(run: Workflow, screen: str, seed: int) -> None:
    """The plate-reader file of a screen: the same drugs, other noise."""
    rng = np.random.default_rng(seed)
    grid = np.full((16, 24), 100.0)
    for i, row in enumerate(wells()):
        grid[i % 16, i // 16] = 200 + 1000 * row[4] + rng.normal(0, 15)
    lines = ["\t".join(["", *map(str, range(1, 25))])]
    lines += ["\t".join([chr(65 + r), *(f"{v:.1f}" for v in grid[r])]) for r in range(16)]
    run.write(f"raw/{screen}.txt", "\n".join(lines) + "\n")


def make_facility(run: Workflow) -> None:
    """Write raw files, sheets, a layout and a configuration."""
    layout = ["plate\twell\trole\ttreatment\tconcentration\treplicate"]
    layout += [
        f"1\t{well_name(i % 16, i // 16)}\t" + "\t".join(row[:4]) for i, row in enumerate(wells())
    ]
    run.write("config/layout.tsv", "\n".join(layout) + "\n")
    for seed, screen in enumerate(SCREENS):
        write_screen(run, screen, seed)
    plates = [f"{s}_P1\t{s}\t{s}.txt\treader\tconfig/layout.tsv\t1" for s in SCREENS]
    run.write(
        "config/plates.tsv",
        "plate\tscreen\tpath\tinstrument\tlayout\tlayout_plate\n" + "\n".join(plates) + "\n",
    )
    screens = [f"{s}\tdrug\t{sample}\tmetabolic" for s, sample in SCREENS.items()]
    run.write("config/screens.tsv", "screen\tkind\tsample\treadouts\n" + "\n".join(screens) + "\n")
    run.write("config/drugs.tsv", DRUGS)
    run.write("config/samples.tsv", SAMPLES)
    run.write(
        "config/config.yaml",
        "data_root: raw\nsamples: config/samples.tsv\ndrugs: config/drugs.tsv\n",
    )


@pytest.fixture(scope="module")
def reported(repository, tmp_path_factory):
    run = Workflow(repository, tmp_path_factory.mktemp("context"))
    make_facility(run)
    run.snakemake()
    return run


@pytest.fixture
def facility(reported):
    kept = reported.remember()
    yield reported
    reported.put_back(kept)


def test_repeats_are_compared_and_nothing_else_is(reported):
    assert not reported.result("screens/B1/repeats.tsv").exists()
    tables = [
        read_table(reported.result(f"screens/{s}/repeats.tsv"), REPEATS) for s in ("A1", "A2")
    ]
    pd.testing.assert_frame_equal(*tables)
    row = tables[0].iloc[0]
    assert (row["screen_a"], row["screen_b"], row["n"]) == ("A1", "A2", 6)
    assert row["pearson"] > 0.99 and row["verdict_a"] == row["verdict_b"] == "pass"
    read_table(reported.result("screens/A1/mismatches.tsv"), MISMATCHES)
    page = reported.result("screens/A1/report.html").read_text()
    assert (
        'id="repeats"' in page
        and 'id="repeats"' not in reported.result("screens/B1/report.html").read_text()
    )


def test_the_second_night_has_nothing_to_do(facility):
    assert facility.planned() == {}


def test_expected_drugs_are_told(reported):
    expected = pd.read_csv(reported.result("screens/A1/expected.tsv"), sep="\t")
    assert dict(zip(expected["drug"], expected["found"], strict=True)) == {
        "Drug-1": "hit",
        "Drug-9": "not tested",
    }
    assert len(pd.read_csv(reported.result("screens/B1/expected.tsv"), sep="\t")) == 0
    record = json.loads(reported.result("screens/A1/context.json").read_text())
    assert (
        record["facts"] == {"drivers": "braf v600e"} and record["overlap"]["metabolic"]["both"] == 1
    )


def test_an_edited_sheet_of_drugs_scores_nothing_again(facility):
    facility.write("config/drugs.tsv", DRUGS.replace("50", "60"))
    planned = facility.planned()
    assert set(planned) == {*BACKGROUND, "compare_repeats", "gather_comparisons", "report_cohort"}
    assert planned["describe_drugs"] == planned["report_screen"] == len(SCREENS)


def test_the_drivers_of_a_sample_concern_its_own_screens(facility):
    facility.write("config/samples.tsv", SAMPLES.replace("PT-2\t", "PT-2\tNTRK"))
    assert facility.planned() == {"describe_drugs": 1, "report_screen": 1}


def test_a_changed_screen_reruns_the_reports_of_its_repeats_alone(facility):
    write_screen(facility, "A1", 77)
    planned = facility.planned()
    assert planned["score_screen"] == 1
    assert planned["compare_repeats"] == planned["report_screen"] == 2
    write_screen(facility, "A1", 0)
    write_screen(facility, "B1", 78)
    planned = facility.planned()
    assert planned["score_screen"] == planned["report_screen"] == 1
    assert "compare_repeats" not in planned


def test_a_reference_is_made_once_and_a_new_screen_does_not_change_it(
    facility, capsys, monkeypatch
):
    monkeypatch.chdir(facility.work)  # put back afterwards: the command goes where it is told
    build = ["reference", "build", "--directory", str(facility.work), "--name", "2026-11"]
    assert main(build) == 0
    assert "from 7 screens" in capsys.readouterr().out
    reference = facility.work / "config/references/2026-11.tsv"
    content = reference.read_bytes()
    assert main(build) == 1 and "there is a reference of this name" in capsys.readouterr().err
    facility.write("config/config.yaml", (facility.work / "config/config.yaml").read_text() + "context: {cohort: config/references/2026-11.tsv}\n")  # fmt: skip
    assert facility.planned() == dict.fromkeys({*BACKGROUND, "record_run"}, len(SCREENS))
    facility.snakemake("--until", "report_screen")
    context = read_table(facility.result("screens/A1/context.tsv"), CONTEXT)
    assert set(context["cohort_n"]) == {5}  # neither itself nor its repeat
    assert context["cohort_percentile"].notna().all()
    write_screen(facility, "F1", 79)
    assert facility.planned("--until", "report_screen")["report_screen"] == 1
    assert reference.read_bytes() == content
