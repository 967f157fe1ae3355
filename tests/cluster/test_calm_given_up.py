"""Jobs that more memory and more time do not mend: given up, with plate, rule, log and what to change."""

from __future__ import annotations

import re

import pytest
from slurm_nights import Night, jobs_of_group

from exvivo import failures

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def night(calm) -> Night:
    """Two plates and a report, tried twice; the second plate is well."""
    assert calm.hopeless.finish() == 1, calm.hopeless.text()[-6000:]
    return calm.hopeless


@pytest.fixture(scope="module")
def found(night) -> dict[str, failures.Failure]:
    """Rule → why it was given up, as the run wrote it down."""
    run, given_up = failures.read_record(night.folder / failures.RECORD)
    assert (night.folder / ".snakemake/log" / run).is_file()
    return {failure.rule: failure for failure in given_up}


def test_each_was_tried_again_with_more(night):
    memory = [job["ReqMem"] for job in jobs_of_group("plate", night, "ReqMem")]
    assert sorted(memory) == ["1000M", "1000M", "2000M"]  # P1 twice, P2 once
    # Not Slurm's TimelimitRaw: the job brings its end forward, and its limit with it.
    assert len(jobs_of_group("report", night)) == 2
    jobs = re.findall(r"rule report_screen:((?:\n +.+)+)", night.text())
    own = [
        job for job in jobs if "Missing output files" in job
    ]  # not those that jobs print themselves
    assert [re.search(r"runtime=(\d+)", job).group(1) for job in own] == ["1", "2"]


def test_those_given_up_are_named_and_no_other(found):
    assert {(f.rule, f.plate, f.screen) for f in found.values()} == {
        ("project_plate", "P1", ""),
        ("report_screen", "", "S1"),
    }


def test_memory(found):
    failure = found["project_plate"]
    assert failure.cause == "memory" and "2 times, at last with 2000 MB" in failure.sentence
    assert failure.log == "logs/plates/P1/project_plate.log"
    assert "project_plate: {mem_mb: 4000}" in failure.remedy


def test_time(found):
    failure = found["report_screen"]
    assert failure.cause == "time" and "2 times, at last after 2 min" in failure.sentence
    assert "report_screen: {runtime: 4}" in failure.remedy


def test_the_end_of_the_output_says_so(night, found):
    message = failures.as_text(found.values())
    assert all(line in night.text() for line in message.splitlines())


def test_the_other_plate_went_on(night):
    assert (night.folder / "results/plates/P2/wells.done.json").is_file()
