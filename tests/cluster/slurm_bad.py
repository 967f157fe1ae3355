"""A bad night: what happens to the cluster, in order, while several runs are on it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import harness
import pytest
import slurm_processes as processes
import slurm_settings as settings
from slurm_nights import Night, run_here
from tiny_screen import make_tiny_screen

from runs import Workflow

EPOCHS = 1500  # half a minute
EVERY_MINUTE = "checkpoint_seconds: float = 60.0"
# The node of the one training loses its power; that of the other hangs, is given up, and comes to life
# again while its job runs elsewhere. Both train on equal images.
DIES, HANGS = "T01", "T02"
MODELS = {screen: f"results/models/small/{screen}/phase1.safetensors" for screen in (DIES, HANGS)}
NEEDED = (
    *(f"results/plates/{screen}_P1/wells.done.json" for screen in MODELS),
    "results/models/small/imagenet.safetensors",
)


class Bad:
    """`faults`: one job for each fault; `orphan`: a run whose main process is killed; `training`: two
    trainings, and in `unbroken` the folder of the same one without cluster and faults."""

    def __init__(
        self,
        slurm: harness.Cluster,
        repository: Path,
        code: Path,
        folders: pytest.TempPathFactory,
    ):
        self.slurm, self.folders = slurm, folders
        self.quick_code = with_quick_checkpoints(repository, folders.mktemp("code"))
        names = ("lost", "gpu/preempted", "late", "outlives")
        self.faults = faulty_night(code, folders.mktemp("faults"), *names)
        self.orphan = faulty_night(code, folders.mktemp("orphan"), "orphan")

    @contextmanager
    def over(self) -> Iterator[Bad]:
        """Let it all happen; end what is left at the end."""
        self.prepare_training()
        try:
            self.faults.start()
            self.training.start()
            self.orphan.start()
            self.orphan_job, _ = started(self.orphan, "orphan")
            self.lose_main_process()
            self.preempt()
            self.lose_nodes()
            self.lose_scheduler()
            self.status = {"faults": self.faults.finish(), "training": self.training.finish()}
            yield self
        finally:
            self.local.kill()
            for night in (self.faults, self.training, self.orphan):
                night.kill()

    def prepare_training(self) -> None:
        """All that training needs, made here; then the unbroken training, which goes on meanwhile."""
        folder = make_tiny_screen(self.folders.mktemp("prepared"), epochs=EPOCHS)
        assert run_here(self.quick_code, folder, *NEEDED).wait(600) == 0
        self.unbroken = shutil.copytree(folder, self.folders.mktemp("unbroken") / "work")
        self.local = run_here(self.quick_code, self.unbroken, MODELS[DIES])
        # a node for each; --set-resources replaces all that the profile says under this key
        rule = ("slurm_partition=gpu", f"cpus_per_task={settings.CPUS_PER_NODE}")
        alone = ("--set-resources", *(f"train_phase1:{resource}" for resource in rule))
        workflow = self.quick_code / "Snakefile"
        self.training = Night(self.quick_code, folder, workflow, *MODELS.values(), *alone)

    def lose_main_process(self) -> None:
        """The main process of a run is killed; its job runs on until somebody cancels it (profiles/README.md)."""
        self.orphan.kill()
        self.orphan_state = processes.run("squeue", "-h", "-j", self.orphan_job, "-o", "%T")
        processes.run(
            "scancel", self.orphan_job
        )  # before nodes are lost: it would take the last one's place

    def preempt(self) -> None:
        """Somebody more important takes the node of a GPU job for some seconds."""
        _, node = started(self.faults, "preempted")
        urgent = ("-p", "urgent", "-w", node, "--gres=gpu:1", "--exclusive", "-o", "/dev/null")
        processes.run("sbatch", *urgent, "--wrap", "sleep 3")

    def lose_nodes(self) -> None:
        """Two nodes die; a third hangs until Slurm has started its job elsewhere."""
        _, lost = started(self.faults, "lost")
        dies, hangs = (self.node_of(screen) for screen in (DIES, HANGS))
        self.slurm.kill_node(lost)
        self.slurm.kill_node(dies)
        self.slurm.kill_daemon(hangs)
        self.slurm.freeze(hangs)
        time.sleep(settings.SECONDS_UNTIL_NODE_IS_LOST + 5)
        self.slurm.start_node(dies)
        self.training.wait_until(lambda: goes_on(self.training, HANGS), "second start")
        self.slurm.thaw(hangs)

    def lose_scheduler(self) -> None:
        """slurmctld is away for a minute; meanwhile a job ends, and many questions go unanswered."""
        self.slurm.stop_controller()
        (self.faults.folder / "scheduler.away").touch()
        time.sleep(60)
        self.slurm.start_controller()

    def node_of(self, screen: str) -> str:
        """Node on which the training of a screen runs, once there is a checkpoint."""
        checkpoints = self.training.folder / Path(MODELS[screen]).with_suffix(".checkpoints")
        there = lambda: list(checkpoints.glob("epoch*.json"))  # noqa: E731
        self.training.wait_until(there, f"checkpoint of {screen}")
        running = processes.run("squeue", "-h", "-t", "running", "-o", "%k %N").splitlines()
        return next(node for comment, node in map(str.split, running) if screen in comment)


def with_quick_checkpoints(repository: Path, folder: Path) -> Path:
    """A copy of the workflow's code with a checkpoint every second instead of every minute."""
    code = Workflow(repository, folder).code
    path = code / "scripts/exvivo/training/phases.py"
    text = path.read_text()
    assert EVERY_MINUTE in text
    path.write_text(text.replace(EVERY_MINUTE, EVERY_MINUTE.replace("60.0", "1.0")))
    return code


def faulty_night(code: Path, folder: Path, *names: str) -> Night:
    """A run of those jobs of workflow/faults.smk."""
    snakefile = Path(__file__).parent / "workflow" / "faults.smk"
    return Night(code, folder, snakefile, "--config", f"names={','.join(names)}")


def started(night: Night, name: str) -> tuple[str, str]:
    """Slurm job and node of the job `name`, once it runs."""
    job, node = night.wait_for(f"{name}.started").read_text().split()
    return job, node


def starts(night: Night, name: str) -> list[str]:
    """The Slurm jobs in which the job `name` was started, in order."""
    return (night.folder / f"{name}.starts").read_text().split()


def goes_on(night: Night, screen: str) -> bool:
    """Whether the log of a training says that it started from a checkpoint."""
    log = night.folder / f"logs/models/small/{screen}/train_phase1.log"
    return log.is_file() and "going on after epoch" in log.read_text()
