"""Nodes that fail in mid-training: the model is the one of an unbroken run, to the last bit."""

from __future__ import annotations

import pytest
from safetensors.numpy import load_file
from slurm_bad import DIES, MODELS, goes_on
from slurm_nights import finish_here, jobs_of

pytestmark = [pytest.mark.cluster, pytest.mark.soak]


def test_slurm_repeated_the_jobs_and_no_attempt_was_spent(bad):
    text = bad.training.text()
    assert bad.status["training"] == 0, text[-6000:]
    assert "Trying to restart" not in text
    for screen in MODELS:
        jobs = [
            job for job in jobs_of("train_phase1", "State", "WorkDir") if screen in job["Comment"]
        ]
        mine = [job for job in jobs if job["WorkDir"] == str(bad.training.folder)]
        assert len({job["JobID"] for job in mine}) == 1
        assert mine[0]["State"] != "COMPLETED" and mine[-1]["State"] == "COMPLETED"


@pytest.mark.parametrize("screen", MODELS)
def test_training_went_on_from_a_checkpoint(bad, screen):
    assert goes_on(bad.training, screen)


@pytest.mark.parametrize("screen", MODELS)
def test_the_model_is_that_of_an_unbroken_run(bad, screen):
    model = finish_here(bad.local, bad.unbroken) / MODELS[DIES]
    there, here = load_file(bad.training.folder / MODELS[screen]), load_file(model)
    assert there and all((there[name] == here[name]).all() for name in here)
    history = "phase1_history.tsv"
    broken = (bad.training.folder / MODELS[screen]).with_name(history)
    assert broken.read_bytes() == model.with_name(history).read_bytes()


def test_nothing_is_left_behind(bad):
    assert bad.training.start().finish() == 0 and "Nothing to be done" in bad.training.text()
    results = bad.training.folder / "results"
    assert not [*results.rglob("*.partial"), *results.rglob("*.checkpoints")]
