"""The workflow itself on a cluster: a screen from the raw plates to the report, as on one machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import zarr
from safetensors.numpy import load_file
from slurm_nights import Night, accounting

from exvivo import failures
from exvivo.files import digest_file

pytestmark = pytest.mark.cluster
ON_GPU = (
    "train_phase1",
    "phase1_",
    "phase2_",
    "phase3_",
    "crossfit_controls",
)  # rules, and groups of rules
SCREEN = Path("results/screens/DEMO01")
NETWORK = "efficientnet_lite0"
MODELS = (
    f"results/models/{NETWORK}/LINE01/phase1",
    *(f"{SCREEN}/{NETWORK}/phase{phase}" for phase in (2, 3)),
)


@pytest.fixture(scope="module")
def night(calm) -> Night:
    """The demo screen, run on the cluster."""
    assert calm.screen.finish(840) == 0, calm.screen.text()[-6000:]
    return calm.screen


@pytest.fixture(scope="module")
def local(calm) -> Path:
    """Folder of the same screen, run on this machine by `make demo`."""
    return calm.demo


def test_scores_are_those_of_a_run_on_one_machine(night, local):
    for table in ("scores.tsv", "quality.tsv"):
        here, there = (
            pd.read_csv(path / SCREEN / table, sep="\t") for path in (local, night.folder)
        )
        assert len(there) >= 24
        pd.testing.assert_frame_equal(there, here, check_exact=True)


def test_models_are_those_of_a_run_on_one_machine(night, local):
    for model in MODELS:
        there, here = (load_file(path / f"{model}.safetensors") for path in (night.folder, local))
        assert there and all((there[name] == here[name]).all() for name in here)


def test_jobs_see_the_configuration(night):
    (store,) = (night.folder / "results/plates/DEMO01_P1").glob("wells.zarr")
    shapes = {array.shape[-2:] for _, array in zarr.open_group(store, mode="r").arrays()}
    assert shapes == {(128, 128)}  # the default is 224


def test_jobs_that_use_a_gpu_ran_in_the_gpu_partition_with_one(night):
    jobs = {job["Comment"]: job for job in accounting("Partition", "AllocTRES", "WorkDir")}
    mine = [job for job in jobs.values() if job["WorkDir"] == str(night.folder)]
    for job in mine:
        name = job["Comment"].removeprefix("rule_")
        on_gpu = name.startswith(ON_GPU)
        assert job["Partition"] == ("gpu" if on_gpu else "cpu"), name
        assert ("gres/gpu=1" in job["AllocTRES"]) == on_gpu, name
    assert sum(job["Partition"] == "gpu" for job in mine) == 5


def test_what_belongs_together_was_one_submission(night):
    jobs = [job for job in accounting("WorkDir") if job["WorkDir"] == str(night.folder)]
    steps = night.text().count("Finished jobid: ") - 1  # without `rule all`
    groups = [job for job in jobs if job["Comment"].startswith(("rule_plate_", "rule_screen_"))]
    assert len(groups) == 5 and len(jobs) <= steps / 1.7


def test_every_job_ran_once(night):
    assert "Trying to restart" not in night.text()
    jobs = [job for job in accounting("State", "WorkDir") if job["WorkDir"] == str(night.folder)]
    assert {job["State"] for job in jobs} == {"COMPLETED"}
    assert night.text().count("Submitted") + night.text().count("has been submitted") == len(jobs)


def test_nothing_is_left_to_do_and_nothing_half_written(night):
    assert night.start().finish() == 0 and "Nothing to be done" in night.text()
    assert not list(night.folder.rglob("*.partial"))
    for done in night.folder.rglob("*.done.json"):
        assert json.loads(done.read_text())
    assert digest_file(night.folder / SCREEN / "report.html")


def test_a_gpu_that_was_asked_for_and_is_not_there_stops_the_job_at_once(night, calm, tmp_path):
    folder = shutil.copytree(night.folder, tmp_path / "strict")
    config = folder / "config/config.yaml"
    config.write_text(config.read_text().replace("allow_cpu: true", "allow_cpu: false"))
    model = f"{MODELS[0]}.safetensors"
    strict = Night(calm.code, folder, calm.code / "Snakefile", model, "--forcerun", "train_phase1")
    assert strict.start("--restart-times", "0").finish() == 1
    log = (folder / f"logs/models/{NETWORK}/LINE01/train_phase1.log").read_text()
    device = next(line for line in log.splitlines() if "CUDA_VISIBLE_DEVICES" in line)
    assert device.rpartition("=")[2].isdigit()  # Slurm gave one; there is no driver for it here
    assert "device cpu" not in log and "epoch" not in log
    _, (failure,) = failures.read_record(folder / failures.RECORD)
    assert failure.rule == "train_phase1" and "a GPU was asked for" in failure.text
    assert "allow_cpu: true" in failure.remedy


def test_a_training_log_begins_with_the_device(night):
    for log in (night.folder / "logs").rglob("train_phase*.log"):
        assert "device cpu: 1 threads" in "".join(log.read_text().splitlines()[:3]), log
