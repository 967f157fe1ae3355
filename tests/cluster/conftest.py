"""A Slurm cluster for the session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import harness
import pytest


@pytest.fixture(scope="session")
def slurm() -> Iterator[harness.Cluster]:
    """A running cluster with all nodes idle; CI must have one, elsewhere the test is skipped without."""
    if (reason := harness.why_not()) and not os.environ.get("CI"):
        pytest.skip(reason)
    with harness.cluster() as cluster:
        yield cluster
