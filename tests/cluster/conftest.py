"""A Slurm cluster for the session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import harness
import pytest

from runs import Workflow


@pytest.fixture(scope="session")
def slurm() -> Iterator[harness.Cluster]:
    """A running cluster with all nodes idle; CI must have one, elsewhere the test is skipped without."""
    if (reason := harness.why_not()) and not os.environ.get("CI"):
        pytest.skip(reason)
    with harness.cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def code(repository, tmp_path_factory) -> Path:
    """A copy of the workflow's code: what is edited during the tests must not make jobs run again."""
    return Workflow(repository, tmp_path_factory.mktemp("code")).code
