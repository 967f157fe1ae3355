"""A Slurm cluster for the session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import harness
import pytest
from slurm_nights import Night
from tiny_screen import make_tiny_screen

from runs import Workflow


@pytest.fixture(scope="session")
def slurm(tmp_path_factory) -> Iterator[harness.Cluster]:
    """A running cluster with all nodes idle; CI must have one, elsewhere the test is skipped without."""
    if (reason := harness.why_not()) and not os.environ.get("CI"):
        pytest.skip(reason)
    with harness.cluster() as cluster:
        yield cluster
        shutil.copytree(cluster.folder / "log", tmp_path_factory.mktemp("slurm") / "log")


@pytest.fixture(scope="session")
def code(repository, tmp_path_factory) -> Path:
    """A copy of the workflow's code: what is edited during the tests must not make jobs run again."""
    return Workflow(repository, tmp_path_factory.mktemp("code")).code


@pytest.fixture(scope="session")
def calm(slurm, code, tmp_path_factory) -> Iterator[dict[str, Night]]:
    """Runs on a cluster without faults, all started at once: most of each is waiting."""
    own = Path(__file__).parent / "workflow" / "Snakefile"
    screen = make_tiny_screen(tmp_path_factory.mktemp("screen"))
    nights = {
        "profile": Night(code, tmp_path_factory.mktemp("profile"), own),
        "screen": Night(code, screen, code / "Snakefile"),
    }
    for night in nights.values():
        night.start()
    yield nights
    for night in nights.values():
        night.kill()
