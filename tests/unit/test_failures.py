"""What is said of jobs that were given up, from logs as Snakemake, Slurm and our scripts write them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from exvivo import failures
from exvivo.failures import GivenUp, explain

LOG = "logs/plates/P1/project_plate.log"
INSIDE = """\
[Wed Nov 25 19:52:01 2026] Group job plate (jobs in lexicogr. order):

    [Wed Nov 25 19:52:01 2026]
    rule admit_plate:
        output: results/plates/P1/admission.json
        log: logs/plates/P1/admit_plate.log
        jobid: 1
    [Wed Nov 25 19:52:01 2026]
    rule project_plate:
        log: logs/plates/P1/project_plate.log
        jobid: 0
Select jobs to execute...
[Wed Nov 25 19:52:04 2026]
localrule admit_plate:
    input: results/plates/P1/fingerprint.tsv
    output: results/plates/P1/admission.json
    log: logs/plates/P1/admit_plate.log
    jobid: 1
    reason: Forced execution
    wildcards: plate=P1
[Wed Nov 25 19:52:06 2026]
Finished jobid: 1 (Rule: admit_plate)
1 of 2 steps (50%) done
[Wed Nov 25 19:52:06 2026]
localrule project_plate:
    log: logs/plates/P1/project_plate.log
    jobid: 0
    resources: mem_mb=2000
"""
ERROR = """
[Wed Nov 25 19:52:12 2026]
    message: Error in group plate
    jobs:
        rule admit_plate:
            jobid: 1
            log: logs/plates/P1/admit_plate.log (check log file(s) for error details)
"""
STOPPED = """\
2026-11-25 19:52:10,946 INFO project_plate: begins
2026-11-25 19:52:10,946 CRITICAL exvivo: stopped by {kind}
Traceback (most recent call last):
  File "project_plate.py", line 18, in <module>
    project_plate(
{message}
"""


@pytest.fixture
def job() -> GivenUp:
    return GivenUp("project_plate", {"plate": "P1"}, LOG, attempts=3, mem_mb=6000, runtime=45)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def slurm_log(folder: Path, end: str, number: int = 13) -> Path:
    return write(folder / f"logs/slurm/group_plate_x/{number}.log", INSIDE + end)


@pytest.mark.parametrize(
    ("end", "cause", "in_sentence", "in_remedy"),
    [
        ("slurmstepd: error: Exceeded job memory limit", "memory", "6000 MB", "{mem_mb: 12000}"),
        ("error: Detected 1 oom_kill event in StepId=2.0", "memory", "3 times", "project_plate"),
        ("*** JOB 3 CANCELLED AT 2026-11-25T19 DUE TO TIME LIMIT ***", "time", "45 min", "90"),
        ("*** JOB 3 CANCELLED AT 2026 DUE TO NODE FAILURE ***", "node", "node failed", "again"),
        ("*** JOB 3 CANCELLED AT 2026 DUE TO PREEMPTION ***", "preempted", "urgent", "partition"),
        ("*** JOB 3 ON cpu1 CANCELLED AT 2026-11-25T19:52:01 ***", "cancelled", "", "mistake"),
        ("srun: error: cpu1: task 0: Killed", "killed", "without a word", "{mem_mb: 12000}"),
    ],
)
def test_what_slurm_ended(tmp_path, job, end, cause, in_sentence, in_remedy):
    slurm_log(tmp_path, end)
    (failure,) = explain([job], tmp_path)
    assert (failure.cause, failure.plate, failure.log) == (cause, "P1", LOG)
    assert in_sentence in failure.sentence and in_remedy in failure.remedy


def test_an_error_of_ours_brings_its_own_remedy(tmp_path, job):
    message = (
        "exvivo.errors.DeviceError: training.device: a GPU was asked for and there is none\n"
        "  expected: a CUDA device\n  found: none\n  what to do: run on a node with a GPU"
    )
    write(tmp_path / LOG, STOPPED.format(kind="DeviceError", message=message))
    (failure,) = explain([job], tmp_path)
    assert failure.cause == "error" and failure.remedy == "run on a node with a GPU"
    assert failure.text.startswith("DeviceError: training.device: a GPU was asked for")
    assert failure.text.endswith("what to do: run on a node with a GPU")


def test_the_last_of_several_exceptions_counts(tmp_path, job):
    message = (
        "OSError: [Errno 5] first\n\nDuring handling of the above exception, another exception"
        " occurred:\n\nTraceback (most recent call last):\n  File 'x'\nKeyError: 'second'"
    )
    write(tmp_path / LOG, STOPPED.format(kind="KeyError", message=message))
    (failure,) = explain([job], tmp_path)
    assert failure.text == "KeyError: 'second'" and "report it" in failure.remedy


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("OSError: [Errno 28] No space left on device", "disk"),
        ("OSError: [Errno 122] Disk quota exceeded", "disk"),
        ("MemoryError", "memory"),
        ("torch.OutOfMemoryError: CUDA out of memory", "memory"),
    ],
)
def test_exceptions_with_a_known_cause(tmp_path, job, message, cause):
    write(tmp_path / LOG, STOPPED.format(kind=message.split(":")[0], message=message))
    (failure,) = explain([job], tmp_path)
    assert failure.cause == cause


def test_a_job_without_any_log_was_never_started(tmp_path, job):
    (failure,) = explain([job], tmp_path)
    assert failure.cause == "unseen" and "sbatch" in failure.remedy


def test_of_a_group_only_the_job_that_failed_is_named(tmp_path, job):
    slurm_log(tmp_path, "error: Exceeded job memory limit" + ERROR)
    well = GivenUp("admit_plate", {"plate": "P1"}, "logs/plates/P1/admit_plate.log", 3)
    assert [failure.rule for failure in explain([well, job], tmp_path)] == ["project_plate"]
    assert failures.unfinished(INSIDE + ERROR) == [LOG]


def test_the_newest_slurm_log_counts_and_none_of_another_night(tmp_path, job):
    old = slurm_log(tmp_path, "error: Exceeded job memory limit", 1)
    os.utime(old, (1e9, 1e9))
    new = slurm_log(tmp_path, "DUE TO TIME LIMIT", 2)
    assert explain([job], tmp_path)[0].cause == "time"
    new.unlink()
    assert explain([job], tmp_path)[0].cause == "memory"
    run = ".snakemake/log/2026-11-25T195035.930054.snakemake.log"
    assert explain([job], tmp_path, run)[0].cause == "unseen"


def test_sentences_and_record(tmp_path, job):
    slurm_log(tmp_path, "error: Exceeded job memory limit")
    screen = GivenUp("report_screen", {"screen": "S1"}, "logs/screens/S1/report_screen.log")
    cohort = GivenUp("summarise_cohort", {}, "logs/cohort/summarise_cohort.log")
    found = explain([job, screen, cohort], tmp_path)
    text = failures.as_text(found)
    assert text.startswith("3 jobs were given up.")
    assert "plate P1 · project_plate · killed for memory, 3 times, at last with 6000 MB" in text
    assert "screen S1 · report_screen" in text and "\nsummarise_cohort · " in text
    assert failures.as_text(found[:1]).startswith("1 job was given up.")
    failures.record(found, "/somewhere/a.log", tmp_path / "failures.json")
    assert failures.read_record(tmp_path / "failures.json") == ("a.log", found)


def test_jobs_of_a_group_are_taken_one_by_one():
    def single(rule, **resources):
        return SimpleNamespace(
            rule=SimpleNamespace(name=rule),
            wildcards_dict={"plate": "P1"},
            log=[f"logs/{rule}.log"],
            attempt=2,
            resources=resources,
            is_group=lambda: False,
        )

    group = SimpleNamespace(
        jobs=[single("b"), single("a")],
        resources={"mem_mb": 3000, "runtime": 20},
        is_group=lambda: True,
    )
    found = failures.given_up([group, single("c", mem_mb="<TBD>")])
    assert [(job.rule, job.mem_mb, job.runtime) for job in found] == [
        ("a", 3000, 20),
        ("b", 3000, 20),
        ("c", 0, 0),
    ]
    assert found[0].attempts == 2 and found[0].wildcards == {"plate": "P1"}
