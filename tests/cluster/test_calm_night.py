"""Nights of a facility with twelve plates on the cluster: what each submits, by the accounting database."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from slurm_nights import SHORT_WAITS, accounting, environment

from night_facility import SCREENS, make_facility, names, nights, raw, rules_of
from runs import Workflow

pytestmark = [pytest.mark.cluster, pytest.mark.soak]
BROKEN = "N04"  # a screen of one plate
PROGRAM = (sys.executable, "-m", "exvivo.cli", "night")
PLATE_RULES = {"admit_plate", "project_plate", "inspect_plate"}


class Facility(Workflow):
    """Twelve plates, one of them broken, of which the sheets know one."""

    def night(self) -> tuple[dict, list[str]]:
        """Run a night; return its summary and the comments of the jobs it submitted."""
        before = len(self.jobs())
        done = subprocess.run(
            [*PROGRAM, "--profile", "profiles/slurm", "--", *SHORT_WAITS],
            cwd=self.work,
            env=environment(self.code),
            capture_output=True,
            text=True,
            check=False,
            timeout=1200,
        )
        log = self.work / nights(self)[-1]["log"]
        assert done.returncode == 0, done.stdout + done.stderr + log.read_text()[-6000:]
        return nights(self)[-1], self.jobs()[before:]

    def jobs(self) -> list[str]:
        """What the cluster has run for this facility so far."""
        return [j["Comment"] for j in accounting("WorkDir") if j["WorkDir"] == str(self.work)]

    def images(self, plate: str) -> list:
        """Raw images of a plate."""
        return sorted((self.work / raw(plate)).rglob("*.TIF"))


@pytest.fixture(scope="module")
def facility(slurm, repository, tmp_path_factory):
    """The facility after its first night."""
    run = Facility(repository, tmp_path_factory.mktemp("night"))
    make_facility(run)
    for path in run.images(f"{BROKEN}_P1")[:8]:
        os.truncate(path, 1000)
    run.first = run.night()
    return run


# The tests are in the order of the nights.


def test_one_broken_plate_is_reported_and_eleven_finish(facility):
    summary, jobs = facility.first
    whole = [screen for screen in SCREENS if screen != BROKEN]
    assert names(summary, "finished") == whole
    assert sum(len(SCREENS[screen]) for screen in whole) == 11
    (held,) = summary["screens"]["held"]
    assert held["screen"] == BROKEN and f"{BROKEN}_P1" in held["reasons"][0]
    assert summary["failures"] == []
    assert sum(job.startswith("rule_plate_") for job in jobs) == 12


def test_the_second_night_submits_nothing(facility):
    summary, jobs = facility.night()
    assert (jobs, summary["jobs_done"]) == ([], 0)


def test_one_changed_plate_submits_its_chain_alone(facility):
    image = facility.images("N02_P2")[0]
    tifffile.imwrite(image, np.roll(tifffile.imread(image), 3, axis=0))
    summary, jobs = facility.night()
    rules, log = rules_of(facility, summary), (facility.work / summary["log"]).read_text()
    assert summary["changed"] == ["N02_P2"]
    assert set(rules) > PLATE_RULES and set(rules.values()) == {1}
    assert not [s for s in SCREENS if s != "N02" and f"wildcards: screen={s}\n" in log]
    assert sum(job.startswith("rule_plate_") for job in jobs) == 1
    # The plate, its screen, its report, the facility's table, and its page.
    assert len(jobs) == 5, jobs
