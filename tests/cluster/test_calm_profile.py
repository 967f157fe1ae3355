"""profiles/slurm on a real scheduler: partitions, GPUs, and what is killed runs again with more."""

from __future__ import annotations

import pytest
from slurm_nights import Night, jobs_of, written

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def night(calm) -> Night:
    """All jobs of the tiny workflow in one run; on the way one is cancelled and one runs out of time."""
    assert calm.profile.finish() == 0, calm.profile.text()[-6000:]
    return calm.profile


def test_a_plain_job_runs_in_the_cpu_partition_with_its_threads(night):
    (job,) = jobs_of("cpu", "Partition", "AllocCPUS", "State")
    assert job["JobID"] == written(night.folder / "out/cpu.txt")["job"]
    assert (job["Partition"], job["AllocCPUS"], job["State"]) == ("cpu", "3", "COMPLETED")


def test_gpu_jobs_run_at_the_same_time_each_with_a_gpu_of_its_own(night):
    jobs = jobs_of("gpu", "Partition", "AllocTRES", "State", "NodeList")
    assert [(job["Partition"], job["State"]) for job in jobs] == [("gpu", "COMPLETED")] * 2
    assert all("gres/gpu=1" in job["AllocTRES"] for job in jobs)
    outputs = [written(night.folder / f"out/gpu{number}.txt") for number in (1, 2)]
    nodes = {job["JobID"]: job["NodeList"] for job in jobs}
    seen = {(nodes[output["job"]], output["devices"]) for output in outputs}
    assert len(seen) == 2 and all(devices.isdigit() for _, devices in seen)


def test_a_job_killed_for_memory_runs_again_with_more(night):
    jobs = jobs_of("hungry", "ReqMem", "State")
    assert [job["ReqMem"] for job in jobs] == ["1000M", "2000M"]
    assert jobs[0]["State"] in ("FAILED", "OUT_OF_MEMORY") and jobs[1]["State"] == "COMPLETED"


def test_a_job_killed_for_time_runs_again_with_more(night):
    jobs = jobs_of("slow", "TimelimitRaw", "State")
    assert [(job["TimelimitRaw"], job["State"]) for job in jobs] == [
        ("1", "TIMEOUT"),
        ("2", "COMPLETED"),
    ]


def test_a_cancelled_job_runs_again(night):
    states = [job["State"].split()[0] for job in jobs_of("cancelled", "State")]
    assert states == ["CANCELLED", "COMPLETED"]


def test_administrators_see_whose_jobs_these_are(night):
    (job,) = jobs_of("cpu", "JobName")
    assert job["JobName"].startswith("exvivo_")


def test_logs_of_failed_jobs_stay_and_those_of_good_ones_go(night):
    logs = {path.parent.name for path in (night.folder / "logs/slurm").rglob("*.log")}
    assert {"rule_hungry", "rule_slow", "rule_cancelled"} <= logs and "rule_cpu" not in logs
