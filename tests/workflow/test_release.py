"""Released screens on a finished facility: nothing makes them again, whatever becomes of what they were made from."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

SIGNED = (
    "--initials",
    "AB",
    "--despite-hold",
    "two epochs of training are all a test can wait for",
)


@pytest.fixture
def night(finished, tmp_path):
    """A finished facility of the test's own."""
    return finished.copy(tmp_path / "facility")


@pytest.fixture
def signed(night):
    """The facility with S01 released."""
    done = night.exvivo("release", "S01", *SIGNED, "--note", "for the tumour board")
    assert done.returncode == 0, done.stderr
    return night


def cohort(facility):
    return pd.read_csv(facility.result("cohort/screens.tsv"), sep="\t").set_index("screen")


def append(path, text):
    path.write_text(path.read_text() + text)


def edit_library(facility):
    """A change of everything: images, training, scores, reports."""
    for module in (
        "projection/stack.py",
        "training/engine.py",
        "responses/fit.py",
        "figures/svg.py",
    ):
        append(facility.code / "scripts/exvivo" / module, "\n_CHANGED = 1\n")


def test_a_release_holds_the_whole_screen(signed):
    folder = signed.work / "released/S01/v1"
    for name in (
        "report.html", "scores.tsv", "quality.tsv", "verdict.json", "layout.parquet", "well_flags.parquet",
        "small/phase3.safetensors", "models/small/T01/phase1.safetensors", "plates/S01_P1/admission.json",
    ):  # fmt: skip
        assert (folder / name).is_file(), name
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    record = json.loads((folder / "record.json").read_text())
    assert set(record["plates"]) == {"S01_P1", "S01_P2"} and set(record["models"]) == {
        "phase1",
        "phase2",
        "phase3",
    }
    assert record["settings"]["scoring.hit"] == 10 and "exvivo.responses.fit" in record["code"]
    signature = json.loads((folder / "release.json").read_text())
    assert (signature["initials"], signature["note"]) == ("AB", "for the tumour board")
    assert "Released as v1" in (folder / "report.html").read_text()
    texts = [path.read_text() for path in folder.rglob("*.json")]
    assert not any(str(signed.work) in text for text in texts)  # relative paths only


def test_nothing_makes_a_released_screen_again(signed):
    """The issue's own case: library edited, reference of the cohort changed, raw plate removed, layout broken."""
    before = {
        p: p.read_bytes() for p in (signed.work / "results/screens/S01").rglob("*") if p.is_file()
    }
    edit_library(signed)
    signed.write("reference.tsv", "Drug.Name\tmean_DSS\nDrug-A\t1\n")
    append(signed.work / "config/config.yaml", "scoring: {reference: reference.tsv}\n")
    for plate in ("S01_P1", "S01_P2"):
        shutil.rmtree(signed.work / "raw" / plate)
        (signed.work / f"config/layouts/{plate}.tsv").write_text("no layout\n")
    (signed.work / "config/layouts/S01_P2.tsv").unlink()
    planned = signed.planned()
    assert (
        planned["report_screen"] == planned["train_phase3"] == planned["check_screen"] == 1
    )  # S02's
    assert planned["project_plate"] == 3  # two plates of S02, and T01's, from which it learns
    signed.snakemake("--until", "summarise_cohort", "report_screen")
    assert {p: p.read_bytes() for p in before} == before
    assert signed.exvivo("verify").returncode == 0
    assert cohort(signed)["release"].fillna("").to_dict() == {"S01": "v1", "S02": ""}


def test_a_released_screen_is_read_from_its_release(signed):
    assert signed.planned() == {"summarise_cohort": 1, "report_cohort": 1}
    shutil.rmtree(signed.work / "results/screens/S01")
    for plate in ("S01_P1", "S01_P2"):
        shutil.rmtree(signed.result(f"plates/{plate}"))
    signed.snakemake()
    assert cohort(signed).loc["S01", "n_drugs"] == 3
    assert signed.planned() == {}


def test_rows_of_a_released_screen_may_be_unfit_for_a_new_run(signed):
    screens = signed.work / "config/screens.tsv"
    text = screens.read_text()
    screens.write_text(re.sub(r"(?m)^(S01\tdrug\t)T01", r"\1GONE", text))
    plates = signed.work / "config/plates.tsv"
    plates.write_text(
        "".join(line for line in plates.read_text().splitlines(True) if "S01_P2" not in line)
    )
    assert signed.planned() == {"summarise_cohort": 1, "report_cohort": 1}


def test_a_tampered_release_is_found(signed):
    assert signed.exvivo("verify", "S01").returncode == 0
    scores = signed.work / "released/S01/v1/scores.tsv"
    scores.chmod(0o644)
    append(scores, "\n")
    done = signed.exvivo("verify")
    assert done.returncode == 1 and "scores.tsv was changed" in done.stdout


def test_a_revision_says_what_moved_and_why(signed):
    assert signed.exvivo("release", "S01", *SIGNED).returncode == 1  # frozen
    done = signed.exvivo(
        "revise", "S01", "--initials", "CD", "--reason", "another threshold is asked for"
    )
    assert done.returncode == 0, done.stderr
    append(signed.work / "config/config.yaml", "scoring: {threshold: 30}\n")
    refused = signed.exvivo("release", "S01", *SIGNED)
    assert refused.returncode == 1 and "1 score_screen" in refused.stderr  # out of date
    signed.snakemake("results/screens/S01/report.html")
    told = signed.exvivo("diff", "S01").stdout
    assert "setting  scoring.threshold: variable → 30" in told and "v1 → current" in told
    done = signed.exvivo("release", "S01", *SIGNED)
    assert done.returncode == 0, done.stderr
    folder = signed.work / "released/S01/v2"
    stored = json.loads((folder / "diff.json").read_text())
    assert [c["what"] for c in stored["causes"]] == ["scoring.threshold"] and stored["moved"]
    assert (folder / "diff.txt").read_text().splitlines()[1:] == told.splitlines()[1:]
    assert len(pd.read_csv(folder / "diff.tsv", sep="\t")) == len(stored["moved"])
    assert json.loads((folder / "release.json").read_text())["revision"]["initials"] == "CD"
    assert signed.exvivo("verify").returncode == 0  # v1 is as it was
    again = signed.exvivo("diff", "S01", "v1", "v2", "--format", "json")
    assert json.loads(again.stdout)["moved"] == stored["moved"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("S01", "--initials", "AB"), "on hold"),
        (("S01", "--initials", "Anna Berg"), "initials"),
        (("S01", "--initials", "AB", "--despite-hold", "because"), "one line of 10"),
        (
            ("S01", "--initials", "AB", "--note", "two lines\nof which one is hostile"),
            "control characters",
        ),
        (("S1", *SIGNED), "Did you mean"),
        (("../../etc", *SIGNED), "no such screen"),
    ],
)
def test_a_release_is_refused_with_its_reason(finished, arguments, told):
    done = finished.exvivo("release", *arguments)
    assert done.returncode == 1 and told in done.stderr, done.stderr
    assert "Anna" not in done.stderr
    assert not list((finished.work / "released").glob("*/v*"))


def test_results_must_be_whole_and_current(night):
    for plate in ("S01_P1", "S01_P2"):
        layout = night.work / f"config/layouts/{plate}.tsv"
        layout.write_text(layout.read_text().replace("Drug-A", "Drug-Z"))
    done = night.exvivo("release", "S01", *SIGNED)
    assert done.returncode == 1 and "1 check_screen" in done.stderr
    night.result("screens/S02/quality.tsv").unlink()
    done = night.exvivo("release", "S02", *SIGNED)
    assert done.returncode == 1 and "no quality.tsv" in done.stderr
    lock = night.work / ".snakemake/locks/0.output.lock"
    lock.write_text("")
    done = night.exvivo("release", "S01", *SIGNED)
    assert done.returncode == 1 and "a run is going on" in done.stderr


def test_raw_data_may_be_gone_before_the_signature(night):
    shutil.rmtree(night.work / "raw")
    assert night.exvivo("release", "S01", *SIGNED).returncode == 0
    assert night.planned() == {"summarise_cohort": 1, "report_cohort": 1}


def test_two_at_once_make_one_release(night):
    line = [
        sys.executable,
        "-m",
        "exvivo.cli",
        "release",
        "--directory",
        str(night.work),
        "S01",
        *SIGNED,
    ]
    own = {"PYTHONPATH": str(night.code / "scripts"), "PATH": "/usr/bin:/bin"}
    both = [subprocess.Popen(line, env=own, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate()[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], errors
    assert any("another release" in error or "is released as v1" in error for error in errors)
    assert [p.name for p in (night.work / "released/S01").glob("v?")] == ["v1"]
    assert night.exvivo("verify").returncode == 0


def test_a_released_training_screen_keeps_its_model(night):
    assert night.exvivo("release", "T01", "--initials", "AB").returncode == 0
    edit_library(night)
    shutil.rmtree(night.work / "raw/T01_P1")
    planned = night.planned()
    assert planned["train_phase2"] == 2 and "train_phase1" not in planned
    assert planned["project_plate"] == 4
    for path in night.result("models/small/T01").iterdir():
        path.unlink()
    assert "train_phase1" not in night.planned()  # the signed copy takes its place
