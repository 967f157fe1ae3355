"""A Slurm cluster for the session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import harness
import pytest
from slurm_bad import Bad
from slurm_calm import Calm

from runs import Workflow


@pytest.fixture(scope="session")
def slurm(tmp_path_factory) -> Iterator[harness.Cluster]:
    """A running cluster with all nodes idle; CI must have one, elsewhere the test is skipped without."""
    if (reason := harness.why_not()) and not os.environ.get("CI"):
        pytest.skip(reason)
    with harness.cluster() as cluster:
        yield cluster
        shutil.copytree(cluster.folder / "log", tmp_path_factory.mktemp("slurm") / "log")
    assert not cluster.left_overs(), "the cluster is down, and this is still there"


@pytest.fixture(scope="session")
def code(repository, tmp_path_factory) -> Path:
    """A copy of the workflow's code: what is edited during the tests must not make jobs run again."""
    return Workflow(repository, tmp_path_factory.mktemp("code")).code


@pytest.fixture(scope="session")
def calm(slurm, code, tmp_path_factory) -> Iterator[Calm]:
    """The runs without faults, on their way."""
    with Calm(code, tmp_path_factory).started() as calm:
        yield calm


@pytest.fixture(scope="session")
def bad(slurm, repository, code, tmp_path_factory) -> Iterator[Bad]:
    """The runs with faults, over."""
    with Bad(slurm, repository, code, tmp_path_factory).over() as bad:
        yield bad
