"""A disk that is full while a plate's stores are written: nothing half-written passes for whole."""

from __future__ import annotations

import pytest
from slurm_calm import PLATES, WELLS
from slurm_nights import Night

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def night(calm) -> Night:
    """Two plates, the first of them on a disk too small for its stores; given up at once."""
    if not calm.disk_mounted:
        pytest.skip("needs the right to mount a small disk (tmpfs), which this container lacks")
    calm.disk.finish()
    return calm.disk


def test_the_full_plate_fails_and_says_why_and_the_other_goes_on(night):
    assert night.process.returncode == 1
    assert "No space left on device" in night.text()
    assert "project_plate.log" in night.text()
    assert [(night.folder / wells).exists() for wells in WELLS] == [False, True]


def test_nothing_half_written_is_left(night):
    left = {path.name for path in (night.folder / "results/plates" / PLATES[0]).iterdir()}
    assert not left & {"images.zarr", "wells.zarr", "hashes.tsv", "images.done.json"}
    assert not [name for name in left if "partial" in name]


def test_with_room_the_next_run_gives_what_a_plate_with_room_gave(night, calm):
    calm.enlarge_disk()
    night.run()
    stores = [night.folder / f"results/plates/{plate}/wells.zarr" for plate in PLATES]
    first, second = (
        {p.relative_to(store): p.read_bytes() for p in store.rglob("*") if p.is_file()}
        for store in stores
    )
    assert first.keys() == second.keys()
    chunks = [path for path in first if path.name != "zarr.json"]  # which names the plate
    assert chunks and all(first[path] == second[path] for path in chunks)
