"""What goes wrong in a night, done to real jobs: nothing is lost, done twice or taken for whole by half."""

from __future__ import annotations

import pytest
from slurm_bad import starts
from slurm_nights import accounting

pytestmark = [pytest.mark.cluster, pytest.mark.soak]


def runs_of(job: str, *fields: str) -> list[dict[str, str]]:
    """The runs of one Slurm job that was requeued, in order."""
    return [run for run in accounting(*fields) if run["JobID"] == job]


def test_the_night_ends_well_without_costing_an_attempt(bad):
    text = bad.faults.text()
    assert bad.status["faults"] == 0, text[-6000:]
    assert "Trying to restart" not in text


def test_the_job_of_a_node_that_died_is_repeated_elsewhere(bad):
    first, second = starts(bad.faults, "lost")
    assert first == second  # Slurm repeated it: no attempt was spent on it
    runs = runs_of(first, "State", "NodeList")
    assert runs[0]["NodeList"] != runs[-1]["NodeList"] and runs[-1]["State"] == "COMPLETED"
    assert (bad.faults.folder / "out/lost.txt").read_text() == f"job={first}\n"


def test_a_preempted_gpu_job_is_repeated_when_there_is_room(bad):
    first, second = starts(bad.faults, "preempted")
    assert first == second
    assert [run["State"] for run in runs_of(first, "State")] == ["PREEMPTED", "COMPLETED"]


def test_an_output_that_appears_late_is_waited_for(bad):
    assert len(starts(bad.faults, "late")) == 1
    assert (bad.faults.folder / "out/late.txt").read_text() == "job=late\n"


def test_a_job_that_ends_while_the_scheduler_is_away_is_not_repeated(bad):
    assert len(starts(bad.faults, "outlives")) == 1
    assert (bad.faults.folder / "out/outlives.txt").is_file()


def test_a_killed_main_process_is_started_again(bad):
    orphan = bad.orphan
    assert starts(orphan, "orphan") == [bad.orphan_job] and bad.orphan_state == "RUNNING"
    orphan.run("--unlock")
    orphan.run()
    assert len(starts(orphan, "orphan")) == 2 and (orphan.folder / "out/orphan.txt").is_file()
    assert not orphan.start().finish() and "Nothing to be done" in orphan.text()
