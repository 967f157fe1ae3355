"""What people decide about a screen, and plates that are late or refused: jobs counted, results looked at."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from test_reruns import IMAGING, SCORING, TRAINING, images
from tiny_screen import layout, screen_wells

from exvivo.tables import RESPONSES, read_table

pytestmark = pytest.mark.slow

HEADER = "decision\tscreen\tplate\twell\treadout\taction\tvalue\tinitials\tdate\treason"
BY = "AB\t2026-11-25\tseen by two people on the screen"
DECISIONS = [
    f"D1\tS01\tS01_P1\tC11\t\texclude_well\t\t{BY}",
    f"D2\tS01\tS01_P1\tC09\t\tinclude_well\t\t{BY}",
    f"D3\tS01\tS01_P1\tH12\t\texclude_well\t\t{BY}",
    f"D4\tS01\t\t\tmean_of_stack\tset_contrast\tpositive: STS @ 250\t{BY}",
    f"D5\tS01\tS01_P1\t\t\taccept_plate\t\t{BY}",
    f"D6\tS01\tS01_P2\t\t\taccept_plate\t\t{BY}",
    f"D7\tS01\t\t\t\taccept_screen\trobust_z_prime_crossfit\t{BY}",
]


def decide(facility, rows):
    facility.write("config/decisions.tsv", "\n".join([HEADER, *rows]) + "\n")
    config = facility.work / "config/config.yaml"
    if "decisions:" not in config.read_text():
        config.write_text(config.read_text() + "decisions: config/decisions.tsv\n")


def cohort(facility):
    return pd.read_csv(facility.result("cohort/screens.tsv"), sep="\t").set_index("screen")


@pytest.fixture(scope="module")
def decided(finished, tmp_path_factory):
    """The facility after a night with decisions about S01."""
    facility = finished.copy(tmp_path_factory.mktemp("decided") / "facility")
    decide(facility, DECISIONS)
    facility.first = facility.planned()
    facility.before = facility.result("screens/S02/report.html").read_bytes()
    facility.snakemake()
    return facility


def effects(facility):
    rows = json.loads(facility.result("screens/S01/decisions.json").read_text())
    return {row["decision"]: row for row in rows}


def own_jobs(planned):
    """That only scores of one screen are made again: no image is read and nothing is trained."""
    assert not set(planned) & (IMAGING | TRAINING | {"train_phase1", "read_plate_reader"}), planned
    assert {"judge_wells", "score_screen", "weigh_decisions", "report_screen"} <= set(planned)
    assert set(planned.values()) == {1}, planned


def test_decisions_rerun_their_own_screen_and_train_nothing(decided):
    own_jobs(decided.first)
    assert decided.result("screens/S02/report.html").read_bytes() == decided.before
    assert decided.planned() == {}


def test_a_well_that_is_left_out_is_used_nowhere(decided):
    table = read_table(decided.result("screens/S01/responses.parquet"), RESPONSES)
    well = table[(table["plate"] == "S01_P1") & (table["well"] == "C11")]
    assert len(well) == 3 and not well["used"].any()
    assert set(well["flag"]) == {"excluded: decision"}


def test_each_decision_says_what_it_changes(decided):
    found = effects(decided)
    assert found["D1"]["changes"] and found["D1"]["moved"] >= 1
    assert "no check excludes this well" in found["D2"]["effect"]
    assert "has no well H12" in found["D3"]["effect"]
    assert (found["D4"]["effect"], found["D4"]["changes"]) == ("changes no score", False)
    assert "robust_z_prime_crossfit" in found["D7"]["effect"]
    moved = pd.read_csv(decided.result("screens/S01/decisions.tsv"), sep="\t")
    own = moved[moved["decision"] == "D1"]
    assert len(own) == found["D1"]["moved"] and set(own["treatment"]) == {"Drug-A"}
    assert (own["dss_asym_before"] != own["dss_asym_after"]).all()


def test_what_a_person_accepts_is_shown_as_that_and_not_as_passed(decided):
    assert cohort(decided).loc["S01", "verdict"] == "accepted"
    verdict = json.loads(decided.result("screens/S01/verdict.json").read_text())
    assert verdict["reasons"] == [] and {line["decision"] for line in verdict["accepted"]} == {
        "D5",
        "D6",
        "D7",
    }
    quality = pd.read_csv(decided.result("screens/S01/quality.tsv"), sep="\t")
    lines = quality[
        (quality["metric"] == "robust_z_prime_crossfit")
        & (quality["readout"] == "viability_phase3")
    ]
    assert "fail" in set(lines["verdict"]) and not lines["gate"].any()
    page = decided.result("screens/S01/report.html").read_text()
    for words in (
        "Accepted",
        "Failed, and accepted by a person",
        "7 decisions by people apply",
        "Decisions by people",
    ):
        assert words in page, words


def test_a_decision_taken_back_leaves_no_trace(decided, tmp_path):
    facility = decided.copy(tmp_path / "facility")
    decide(facility, [row for row in DECISIONS if not row.startswith("D1")])
    own_jobs(facility.planned())
    decide(facility, [f"D9\tS09\tS09_P1\tC11\t\texclude_well\t\t{BY}"])
    failed = facility.snakemake("--dry-run", check=False)
    assert failed.returncode and "S09" in failed.stdout + failed.stderr


def put(path, content):
    """Another file of the same name, renamed, as an instrument writes it."""
    fresh = path.with_suffix(".tmp")
    fresh.write_bytes(content)
    fresh.replace(path)


def reader_file(wells):
    """A long table of a plate reader: alive wells shine."""
    rows = [
        f"{well[0]}\t{int(well[1:])}\t{1000 * viability + 5 * i}"
        for i, (well, *_, viability) in enumerate(wells)
    ]
    return "\n".join(["Row\tColumn\tReadout", *rows]) + "\n"


@pytest.fixture(scope="module")
def late(finished, tmp_path_factory):
    """A night in which S01's plate-reader file has not come and a plate of S02 is refused; both go on."""
    facility = finished.copy(tmp_path_factory.mktemp("late") / "facility")
    screens = facility.work / "config/screens.tsv"
    head, training, *drugs = screens.read_text().splitlines()
    drugs = [f"{row}\tscore_admitted" for row in drugs]
    drugs[0] = drugs[0].replace("mean_of_stack", "mean_of_stack,metabolic")
    screens.write_text("\n".join([f"{head}\tincomplete", f"{training}\t", *drugs]) + "\n")
    plates = facility.work / "config/plates.tsv"
    plates.write_text(
        plates.read_text() + "S01_M\tS01\tS01_M.txt\treader\tconfig/layouts/S01_P1.tsv\n"
    )
    facility.whole = {path: path.read_bytes() for path in images(facility, "S02_P2")[:40]}
    for path, content in facility.whole.items():
        put(path, content[:1000])
    facility.snakemake()
    return facility


def test_a_late_readout_is_missed_and_the_others_are_scored(late):
    page = late.result("screens/S01/report.html").read_text()
    assert (
        "metabolic activity is missing as a whole" in page
        and "S01_M" in page
        and "provisional" in page
    )
    scores = pd.read_csv(late.result("screens/S01/scores.tsv"), sep="\t")
    assert set(scores["readout"]) == {"viability_phase3", "viability_phase2", "mean_of_stack"}


def test_a_refused_plate_is_missed_and_named(late):
    admission = json.loads(late.result("screens/S02/admission.json").read_text())
    assert admission["verdict"] == "ready" and list(admission["missing"]) == ["S02_P2"]
    table = read_table(late.result("screens/S02/responses.parquet"), RESPONSES)
    assert set(table["plate"]) == {"S02_P1"} and table["used"].any()
    assert "plate S02_P2 is not in it" in late.result("screens/S02/report.html").read_text()
    assert not json.loads(late.result("screens/S02/small/phase2.json").read_text()).get("skipped")
    assert late.planned() == {}


def test_what_comes_late_reruns_what_depends_on_it(late, tmp_path):
    facility = late.copy(tmp_path / "facility")
    facility.write("raw/S01_M.txt", reader_file(screen_wells()))
    planned = facility.planned()
    assert not set(planned) & (IMAGING | TRAINING | {"train_phase1"}), planned
    assert {"admit_plate_reader", "read_plate_reader", *SCORING} <= set(planned)
    assert set(planned.values()) == {1}
    facility.snakemake()
    scores = pd.read_csv(facility.result("screens/S01/scores.tsv"), sep="\t")
    assert "metabolic" in set(scores["readout"])
    assert "provisional" not in json.loads(facility.result("screens/S01/verdict.json").read_text())


def test_a_plate_that_is_mended_makes_its_whole_screen_again(late, tmp_path):
    facility = late.copy(tmp_path / "facility")
    for path, content in late.whole.items():
        put(facility.work / path.relative_to(late.work), content)
    planned = facility.planned()
    assert set(planned) >= IMAGING | TRAINING | SCORING
    assert planned.pop("predict_screen") == 2 and set(planned.values()) == {1}


def test_layouts_of_the_tests_have_the_wells_that_decisions_name():
    assert "C\t11\ttreatment\tDrug-A" in layout(screen_wells())
