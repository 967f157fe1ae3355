"""Nodes that fail in mid-training: the model is the one of an unbroken run, to the last bit."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import slurm_processes as processes
import slurm_settings as settings
from safetensors.numpy import load_file
from slurm_nights import Night, environment, jobs_of
from tiny_screen import make_tiny_screen

from runs import Workflow

pytestmark = pytest.mark.cluster
EPOCHS = 1500  # half a minute
EVERY_MINUTE = "checkpoint_seconds: float = 60.0"
# The node of the one loses its power; that of the other hangs, is given up, and goes on later. Both train
# on equal images.
DIES, HANGS = "T01", "T02"
MODELS = {screen: f"results/models/small/{screen}/phase1.safetensors" for screen in (DIES, HANGS)}


@pytest.fixture(scope="module")
def code(repository, tmp_path_factory) -> Path:
    """The workflow's code with a checkpoint every second instead of every minute."""
    folder = Workflow(repository, tmp_path_factory.mktemp("code")).code
    path = folder / "scripts/exvivo/training/phases.py"
    text = path.read_text()
    assert EVERY_MINUTE in text
    path.write_text(text.replace(EVERY_MINUTE, EVERY_MINUTE.replace("60.0", "1.0")))
    return folder


@pytest.fixture(scope="module")
def prepared(code, tmp_path_factory) -> Path:
    """All that training needs, made on this machine."""
    folder = make_tiny_screen(tmp_path_factory.mktemp("prepared"), epochs=EPOCHS)
    wells = [f"results/plates/{screen}_P1/wells.done.json" for screen in MODELS]
    assert here(code, folder, *wells, "results/models/small/imagenet.safetensors").wait() == 0
    return folder


@pytest.fixture(scope="module")
def unbroken(code, prepared, tmp_path_factory):
    """The training on this machine, in a folder of its own; it runs meanwhile."""
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("unbroken") / "work")
    run = here(code, folder, MODELS[DIES])
    yield run, folder / MODELS[DIES]
    run.kill()


def here(code: Path, folder: Path, *targets: str) -> subprocess.Popen:
    """Start Snakemake on this machine."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--directory", str(folder)]
    return subprocess.Popen([*command, *targets], cwd=code, env=environment(code))


@pytest.fixture(scope="module")
def night(slurm, code, prepared, unbroken, tmp_path_factory) -> Night:
    """Both trainings on the cluster; a node dies, and another one comes back to life too late."""
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("training") / "work")
    # a node for each; --set-resources replaces all that the profile says under this key
    rule = ("slurm_partition=gpu", f"cpus_per_task={settings.CPUS_PER_NODE}")
    alone = ("--set-resources", *(f"train_phase1:{resource}" for resource in rule))
    run = Night(code, folder, code / "Snakefile", *MODELS.values(), *alone).start()
    nodes = {screen: node_of(run, screen) for screen in MODELS}
    slurm.kill_node(nodes[DIES])
    slurm.kill_daemon(nodes[HANGS])
    slurm.freeze(nodes[HANGS])
    time.sleep(settings.SECONDS_UNTIL_NODE_IS_LOST + 5)
    slurm.start_node(nodes[DIES])
    run.wait_until(lambda: goes_on(run, HANGS), "second start")
    slurm.thaw(nodes[HANGS])
    status = run.finish()
    slurm.start_node(nodes[HANGS])
    assert status == 0, run.text()[-6000:]
    return run


def goes_on(run: Night, screen: str) -> bool:
    """Whether the log of a training says that it started from a checkpoint."""
    log = run.folder / f"logs/models/small/{screen}/train_phase1.log"
    return log.is_file() and "going on after epoch" in log.read_text()


def node_of(run: Night, screen: str) -> str:
    """Node on which the training of a screen runs, once there is a checkpoint."""
    checkpoints = run.folder / Path(MODELS[screen]).with_suffix(".checkpoints")
    run.wait_until(lambda: list(checkpoints.glob("epoch*.json")), f"checkpoint of {screen}")
    running = processes.run("squeue", "-h", "-t", "running", "-o", "%k %N").splitlines()
    return next(node for comment, node in map(str.split, running) if screen in comment)


@pytest.mark.parametrize("screen", MODELS)
def test_the_model_is_that_of_an_unbroken_run(night, unbroken, screen):
    run, model = unbroken
    assert run.wait(200) == 0
    there, here = load_file(night.folder / MODELS[screen]), load_file(model)
    assert there and all((there[name] == here[name]).all() for name in here)
    history = "phase1_history.tsv"
    broken = (night.folder / MODELS[screen]).with_name(history)
    assert broken.read_bytes() == model.with_name(history).read_bytes()


@pytest.mark.parametrize("screen", MODELS)
def test_training_went_on_from_a_checkpoint(night, screen):
    assert goes_on(night, screen)


def test_slurm_repeated_the_jobs_and_no_attempt_was_spent(night):
    for screen in MODELS:
        jobs = [job for job in jobs_of("train_phase1", "State") if screen in job["Comment"]]
        assert len({job["JobID"] for job in jobs}) == 1
        assert jobs[0]["State"] != "COMPLETED" and jobs[-1]["State"] == "COMPLETED"
    assert "Trying to restart" not in night.text()


def test_nothing_is_left_behind(night):
    assert night.start().finish() == 0 and "Nothing to be done" in night.text()
    assert not list((night.folder / "results").rglob("*.partial"))
    assert not list((night.folder / "results").rglob("*.checkpoints"))
