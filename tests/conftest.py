"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

# Before anything loads a numerical library: two workers with two threads each on two cores wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares a costly fixture on one worker, and begin with what takes longest."""
    for item in items:
        shares = "finished" in getattr(item, "fixturenames", ())
        together = item.path.parent if shares and item.path.parent.name == "workflow" else item.path
        item.add_marker(pytest.mark.xdist_group(str(together.relative_to(REPOSITORY))))
    items.sort(
        key=lambda item: (
            not item.get_closest_marker("accuracy"),
            "workflow" not in item.path.parts,
        )
    )


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
