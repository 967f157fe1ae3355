"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

# Before anything loads a numerical library: two workers with two threads each on two cores wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data sets, which a clone does not have."""
    folder = Path(os.environ.get("EXVIVO_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "README.md").is_file():
        pytest.skip("needs the real data sets: set EXVIVO_DATA to their folder")
    return folder
