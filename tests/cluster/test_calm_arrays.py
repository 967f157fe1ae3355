"""Array jobs, which profiles/slurm does not use: the test tells when they have become usable."""

from __future__ import annotations

import re

import pytest
from slurm_nights import Night

pytestmark = pytest.mark.cluster
DEFECT = (
    "plugin 2.8.0: each task of an array waits for the outputs of the first one, and counts as failed"
    " if that one takes longer (snakemake-executor-plugin-slurm#447, #473)"
)


@pytest.fixture(scope="module")
def night(calm) -> Night:
    """Three jobs of one rule as an array, the first of them the longest; given up at once."""
    calm.arrays.finish()
    return calm.arrays


def test_they_were_one_submission(night):
    found = re.search(r"Submitted array job with Snakemake IDs ([0-9,]+)", night.text())
    assert found and sorted(found[1].split(",")) == ["1", "2", "3"]


@pytest.mark.xfail(strict=True, reason=DEFECT)
def test_every_job_counts_as_what_it_was(night):
    assert sorted((night.folder / "starts").read_text().split()) == ["1", "2", "3"]
    assert night.process.returncode == 0, night.text()[-6000:]
