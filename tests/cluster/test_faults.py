"""What goes wrong in a night, done to real jobs: nothing is lost, done twice or taken for whole by half."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import slurm_processes as processes
import slurm_settings as settings
from slurm_nights import Night, accounting

pytestmark = pytest.mark.cluster
SNAKEFILE = Path(__file__).parent / "workflow" / "faults.smk"


def started(night: Night, name: str) -> tuple[str, str]:
    """Slurm job and node of the job `name`, once it runs."""
    job, node = night.wait_for(f"{name}.started").read_text().split()
    return job, node


def starts(night: Night, name: str) -> list[str]:
    """The Slurm jobs in which the job `name` was started, in order."""
    return (night.folder / f"{name}.starts").read_text().split()


def faulty_night(code: Path, folder: Path, *names: str) -> Night:
    return Night(code, folder, SNAKEFILE, "--config", f"names={','.join(names)}")


@pytest.fixture(scope="module")
def orphan(slurm, code, tmp_path_factory) -> Night:
    """A run whose main process is killed while its job runs."""
    run = faulty_night(code, tmp_path_factory.mktemp("orphan"), "orphan").start()
    started(run, "orphan")
    run.kill()
    return run


@pytest.fixture(scope="module")
def night(slurm, code, tmp_path_factory) -> Night:
    """A bad night: a node dies, a GPU job makes way, an output comes late, the scheduler is away."""
    names = ("lost", "gpu/preempted", "late", "outlives")
    run = faulty_night(code, tmp_path_factory.mktemp("faults"), *names).start()
    _, node = started(run, "preempted")
    urgent = ("-p", "urgent", "-w", node, "--gres=gpu:1", "--exclusive", "-o", "/dev/null")
    processes.run("sbatch", *urgent, "--wrap", "sleep 3")
    _, node = started(run, "lost")
    slurm.kill_node(node)
    time.sleep(settings.SECONDS_UNTIL_NODE_IS_LOST + 5)
    slurm.stop_controller()
    time.sleep(25)  # `outlives` ends, and several questions for its state go unanswered
    slurm.start_controller()
    status = run.finish()
    slurm.start_node(node)
    assert status == 0, run.text()[-6000:]
    return run


def test_the_job_of_a_node_that_died_is_repeated_elsewhere(night):
    first, second = starts(night, "lost")
    assert first == second  # Slurm repeated it: no attempt was spent on it
    runs = [job for job in accounting("State", "NodeList") if job["JobID"] == first]
    assert runs[0]["NodeList"] != runs[-1]["NodeList"] and runs[-1]["State"] == "COMPLETED"
    assert (night.folder / "out/lost.txt").read_text() == f"job={first}\n"


def test_a_preempted_gpu_job_is_repeated_when_there_is_room(night):
    first, second = starts(night, "preempted")
    assert first == second
    states = [job["State"] for job in accounting("State") if job["JobID"] == first]
    assert states == ["PREEMPTED", "COMPLETED"]


def test_an_output_that_appears_late_is_waited_for(night):
    assert len(starts(night, "late")) == 1
    assert (night.folder / "out/late.txt").read_text() == "job=late\n"


def test_a_job_that_ends_while_the_scheduler_is_away_is_not_repeated(night):
    assert len(starts(night, "outlives")) == 1
    assert (night.folder / "out/outlives.txt").is_file()


def test_no_fault_cost_an_attempt(night):
    assert "Trying to restart" not in night.text()


def test_a_killed_main_process_is_started_again(orphan):
    (job,) = starts(orphan, "orphan")
    processes.run("scancel", job)  # as profiles/README.md says
    orphan.run("--unlock")
    orphan.run()
    assert len(starts(orphan, "orphan")) == 2 and (orphan.folder / "out/orphan.txt").is_file()
    assert not orphan.start().finish() and "Nothing to be done" in orphan.text()
