"""A disk that is full while a plate's stores are written: nothing half-written passes for whole."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from slurm_nights import Night
from tiny_screen import make_tiny_screen

pytestmark = pytest.mark.cluster
PLATES = ("T01_P1", "T02_P1")
TOO_SMALL, ENOUGH = "size=200k", "size=50m"  # the stores take 0.6 MB


def mount(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def night(slurm, code, tmp_path_factory):
    """Two plates, the first of them on a disk too small for its stores; given up at once."""
    folder = make_tiny_screen(tmp_path_factory.mktemp("disk"))
    disk = folder / "results/plates" / PLATES[0]
    disk.mkdir(parents=True)
    if mount(disk, TOO_SMALL).returncode:
        pytest.skip("needs the right to mount a small disk (tmpfs), which this container lacks")
    targets = [f"results/plates/{plate}/wells.done.json" for plate in PLATES]
    try:
        run = Night(code, folder, code / "Snakefile", *targets)
        run.start("--restart-times", "0").finish()
        yield run
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_the_full_plate_fails_and_says_why_and_the_other_goes_on(night):
    assert night.process.returncode == 1
    assert "No space left on device" in night.text()
    assert "project_plate.log" in night.text()
    done = {plate: night.folder / f"results/plates/{plate}/wells.done.json" for plate in PLATES}
    assert not done["T01_P1"].exists() and done["T02_P1"].exists()


def test_nothing_half_written_is_left(night):
    left = {path.name for path in (night.folder / "results/plates/T01_P1").iterdir()}
    assert not left & {"images.zarr", "wells.zarr", "hashes.tsv", "images.done.json"}
    assert not [name for name in left if "partial" in name]


def test_with_room_the_next_run_gives_what_a_plate_with_room_gave(night):
    assert mount(night.folder / "results/plates/T01_P1", "remount", ENOUGH).returncode == 0
    night.run()
    stores = {plate: night.folder / f"results/plates/{plate}/wells.zarr" for plate in PLATES}
    first, second = (
        {p.relative_to(store): p.read_bytes() for p in store.rglob("*") if p.is_file()}
        for store in stores.values()
    )
    assert first.keys() == second.keys()
    chunks = [path for path in first if path.name != "zarr.json"]  # which names the plate
    assert chunks and all(first[path] == second[path] for path in chunks)
