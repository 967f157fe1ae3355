"""The workflow itself on a cluster: a screen from the raw plates to the report, as on one machine."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from safetensors.numpy import load_file
from slurm_nights import Night, accounting, finish_here

from exvivo.files import digest_file

pytestmark = pytest.mark.cluster
GPU_RULES = {"train_phase1", "train_phase2", "train_phase3", "crossfit_controls", "predict_screen"}
SCREEN = Path("results/screens/S01")
MODELS = ("results/models/small/T01/phase1", f"{SCREEN}/small/phase2", f"{SCREEN}/small/phase3")


@pytest.fixture(scope="module")
def night(calm) -> Night:
    """The tiny screen, run on the cluster."""
    assert calm.screen.finish(600) == 0, calm.screen.text()[-6000:]
    return calm.screen


@pytest.fixture(scope="module")
def local(calm) -> Path:
    """Folder of the same screen, run on this machine."""
    return finish_here(calm.local, calm.here)


def test_scores_are_those_of_a_run_on_one_machine(night, local):
    for table in ("scores.tsv", "quality.tsv"):
        here, there = (
            pd.read_csv(path / SCREEN / table, sep="\t") for path in (local, night.folder)
        )
        assert len(there) >= 6
        pd.testing.assert_frame_equal(there, here, check_exact=True)


def test_models_are_those_of_a_run_on_one_machine(night, local):
    for model in MODELS:
        there, here = (load_file(path / f"{model}.safetensors") for path in (night.folder, local))
        assert there and all((there[name] == here[name]).all() for name in here)


def test_jobs_see_the_configuration(night):
    record = json.loads((night.folder / f"{MODELS[0]}.json").read_text())
    assert record["recipe"]["epochs"] == 3


def test_rules_that_use_a_gpu_ran_in_the_gpu_partition_with_one(night):
    jobs = {job["Comment"]: job for job in accounting("Partition", "AllocTRES", "WorkDir")}
    mine = [job for job in jobs.values() if job["WorkDir"] == str(night.folder)]
    assert len(mine) == 16
    for job in mine:
        rule = job["Comment"].removeprefix("rule_").split("_wildcards_")[0]
        assert job["Partition"] == ("gpu" if rule in GPU_RULES else "cpu"), rule
        assert ("gres/gpu=1" in job["AllocTRES"]) == (rule in GPU_RULES), rule


def test_every_job_ran_once(night):
    assert "Trying to restart" not in night.text()
    jobs = [job for job in accounting("WorkDir") if job["WorkDir"] == str(night.folder)]
    assert len(jobs) == len({job["Comment"] for job in jobs})


def test_nothing_is_left_to_do_and_nothing_half_written(night):
    assert night.start().finish() == 0 and "Nothing to be done" in night.text()
    assert not list(night.folder.rglob("*.partial"))
    for done in night.folder.rglob("*.done.json"):
        assert json.loads(done.read_text())
    assert digest_file(night.folder / SCREEN / "report.html")
