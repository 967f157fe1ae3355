"""Nights of a facility with twelve plates on this machine: what each submits and what its summary says."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile

from night_facility import PLATES, SCREENS, make_facility, names, nights, raw, rules_of
from runs import Workflow

pytestmark = [pytest.mark.slow, pytest.mark.soak]
LOCAL = ("--profile", "profiles/default", "--", "--cores", "2")
BROKEN = "N04"  # a screen of one plate
PLATE_RULES = {"admit_plate", "project_plate", "inspect_plate"}


@pytest.fixture(scope="module")
def facility(repository, tmp_path_factory):
    """The facility after its first night, in which one screen failed."""
    run = Workflow(repository, tmp_path_factory.mktemp("facility"))
    make_facility(run)
    run.write("broken", BROKEN)
    run.before = (run.work / "config/plates.tsv").read_bytes()
    run.first = night(run)
    return run


def night(run, *options, status=None):
    """Run a night; return exit status and summary."""
    done = run.exvivo("night", *options, *LOCAL)
    assert status is None or done.returncode == status, done.stdout + done.stderr
    return done, nights(run)[-1]


def images(run, plate):
    return sorted((run.work / raw(plate)).rglob("*.TIF"))


# The tests are in the order of the nights: each begins with what the one before it left.


def test_the_first_night_enters_the_plates_that_the_rule_knows(facility):
    _, summary = facility.first
    assert sorted(summary["added"]) == sorted(PLATES[1:])
    sheet = (facility.work / "config/plates.tsv").read_bytes()
    assert sheet.startswith(facility.before) and len(sheet.splitlines()) == 2 + len(PLATES)
    screens = (facility.work / "config/screens.tsv").read_text().splitlines()
    assert screens[1].startswith("N01\tdrug\tPT-0001") and len(screens) == 1 + len(SCREENS)
    assert screens[2] == "N02\tdrug\tPT-N02\t\tmean_of_stack\t"


def test_a_failing_screen_stops_nobody_and_is_told_with_its_log(facility):
    done, summary = facility.first
    assert done.returncode == 1
    assert names(summary, "finished") == [screen for screen in SCREENS if screen != BROKEN]
    assert names(summary, "failed") == [BROKEN]
    (failure,) = summary["failures"]
    assert (failure["rule"], failure["screen"]) == ("score_screen", BROKEN)
    assert failure["remedy"] == "mend the screen"
    assert failure["text"].startswith("ScoringError: the test breaks this screen\n  found: a test")
    assert (facility.work / failure["log"]).is_file()
    assert failure["log"] in done.stdout and "mend the screen" in done.stdout


def test_the_summary_is_mailed_as_it_is_written(facility):
    done, summary = facility.first
    text = facility.result(f"nights/{summary['night']}.txt").read_text()
    assert (facility.work / "mail.txt").read_text() == text == done.stdout
    assert str(facility.work) not in text + json.dumps(summary)


def test_turnaround_is_kept_for_every_report(facility):
    _, summary = facility.first
    rows = facility.result("nights/turnaround.tsv").read_text().splitlines()[1:]
    assert sorted(row.split("\t")[0] for row in rows) == names(summary, "finished")
    assert all(0 <= screen["hours"] < 1 for screen in summary["screens"]["finished"])


def test_once_mended_the_failed_screen_alone_runs(facility):
    facility.write("broken", "")
    _, summary = night(facility, "--screen", BROKEN, "--urgent", status=0)
    assert set(rules_of(facility, summary).values()) == {1}
    assert not set(rules_of(facility, summary)) & PLATE_RULES
    assert names(summary, "finished") == list(SCREENS)
    assert [s["screen"] for s in summary["screens"]["finished"] if s["made"]] == [BROKEN]


def test_a_second_night_submits_nothing_and_archived_plates_change_nothing(facility):
    away = ["N01_P1", "N01_P2", "N03_P1"]
    done = facility.exvivo("archive-ready", "--mark", *away)
    assert done.returncode == 0, done.stdout + done.stderr
    for plate in away:
        shutil.rmtree(facility.work / raw(plate))
    _, summary = night(facility, status=0)
    assert (summary["jobs_done"], summary["added"], summary["changed"]) == (0, [], [])
    assert (summary["failures"], summary["returned"]) == ([], {})
    assert names(summary, "finished") == list(SCREENS)
    rows = facility.result("nights/turnaround.tsv").read_text().splitlines()
    assert len(rows) == 1 + len(SCREENS)


def test_a_changed_and_a_broken_plate_submit_their_chains_and_eleven_finish(facility):
    image = images(facility, "N02_P2")[0]
    size = image.stat().st_size
    tifffile.imwrite(image, np.roll(tifffile.imread(image), 3, axis=0))
    assert image.stat().st_size == size  # changed in place: seen by the full scan alone
    for path in images(facility, f"{BROKEN}_P1")[:8]:
        with path.open("r+b") as file:
            file.truncate(1000)
    done, summary = night(facility)
    rules, log = rules_of(facility, summary), (facility.work / summary["log"]).read_text()
    assert sorted(summary["changed"]) == ["N02_P2", f"{BROKEN}_P1"]
    assert {rules[rule] for rule in PLATE_RULES} == {2}
    assert rules["report_screen"] == rules["score_screen"] == 2
    assert rules["summarise_cohort"] == 1 and set(rules.values()) == {1, 2}
    assert not [s for s in ("N01", "N03") if f"wildcards: screen={s}\n" in log]
    whole = [screen for screen in SCREENS if screen != BROKEN]
    assert names(summary, "finished") == whole
    assert sum(len(SCREENS[screen]) for screen in whole) == 11
    (again,) = [s for s in summary["screens"]["finished"] if s["made"]]
    assert again["screen"] == "N02" and again["hours"] is not None
    (held,) = summary["screens"]["held"]
    assert held["screen"] == BROKEN and f"{BROKEN}_P1" in held["reasons"][0]
    assert held["reasons"][0] in done.stdout
    assert done.returncode == 0, "a screen on hold is a result"


def test_a_night_that_is_told_to_stop_stops_snakemake_and_says_so(facility):
    image = images(facility, "N02_P1")[0]
    tifffile.imwrite(image, np.roll(tifffile.imread(image), 5, axis=0))
    log = facility.work / "stdout.log"
    known = set((facility.work / "logs/nights").iterdir())
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "exvivo.cli", "night", *LOCAL],
            cwd=facility.work,
            env=os.environ | {"PYTHONPATH": str(facility.code / "scripts")},
            stdout=output,
        )
    try:
        wait_for_job(facility, process, known)
        other = facility.exvivo("night", *LOCAL)
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 3, log.read_text()
    finally:
        process.kill()
    assert other.returncode == 1 and "another night is running" in other.stderr
    summary = nights(facility)[-1]
    assert summary["state"] == "stopped" and "SIGTERM" in summary["trouble"]
    assert names(summary, "not reached") == ["N02"]
    assert summary["trouble"] in log.read_text()
    assert not facility.result("nights/lock.json").exists()
    assert not list((facility.work / ".snakemake/locks").iterdir())


def wait_for_job(run, process, known):
    """Wait until Snakemake has started a job of this night."""
    end = time.monotonic() + 300
    while time.monotonic() < end and process.poll() is None:
        for path in set((run.work / "logs/nights").iterdir()) - known:
            if "rule admit_plate:" in path.read_text():
                return
        time.sleep(0.1)
    pytest.fail("no job was started")
