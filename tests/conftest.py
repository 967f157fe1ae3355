"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

# Before anything loads a numerical library: two workers with two threads each on two cores wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker ends long after the other.

    What looks at a finished demo comes after the other runs of the workflow: in CI it is still being made beside them.
    """

    def turn(item: pytest.Item) -> int:
        if item.get_closest_marker("accuracy"):
            return 1
        return 0 if "workflow" in item.path.parts else 2

    items.sort(key=turn)


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


@pytest.fixture(params=[1, 3], ids=["1 thread", "3 threads"])
def threads(request):
    """Every kernel alone and in parts."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
