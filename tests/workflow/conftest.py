"""A small facility: two screens of two plates and a training plate, taken through the whole workflow once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_screen import layout, screen_wells, training_wells, write, write_plate

from runs import Workflow

PLATES = {"T01_P1": "T01", "S01_P1": "S01", "S01_P2": "S01", "S02_P1": "S02", "S02_P2": "S02"}
CONFIG = """\
data_root: raw
imaging: {input_size: 64}
admission: {settle_minutes: 0}
training:
  device: cpu
  recipes:
    small: {phase1: {epochs: 2}, phase2: {epochs: 2}, phase3: {epochs: 1}}
"""
SCREEN = (
    "{screen}\tdrug\tT01\tPT-000{screen}\tsmall\tviability_phase3,viability_phase2,mean_of_stack"
)


def make_facility(folder: Path) -> None:
    """Write raw plates, sheets, layouts and a configuration."""
    for plate, screen in PLATES.items():
        wells = training_wells() if screen == "T01" else screen_wells()
        write_plate(folder / "raw" / plate, plate, wells)
        write(folder / f"config/layouts/{plate}.tsv", layout(wells))
    rows = [f"{p}\t{s}\t{p}\timagexpress\tconfig/layouts/{p}.tsv" for p, s in PLATES.items()]
    write(folder / "config/plates.tsv", "plate\tscreen\tpath\tinstrument\tlayout", *rows)
    screens = ["screen\tkind\ttraining_screen\tsample\tnetwork\treadouts", "T01\ttraining\t\t\t\t"]
    screens += [SCREEN.format(screen=screen) for screen in ("S01", "S02")]
    write(folder / "config/screens.tsv", *screens)
    write(folder / "config/config.yaml", CONFIG)


@pytest.fixture(scope="session")
def finished(repository, tmp_path_factory):
    """The facility after one night. Read only: tests that change something take `facility`."""
    run = Workflow(repository, tmp_path_factory.mktemp("facility"))
    make_facility(run.work)
    run.log = run.snakemake()
    return run


@pytest.fixture
def facility(finished):
    """The finished facility; what the test writes, removes or touches is put back after it."""
    kept = finished.remember()
    yield finished
    finished.put_back(kept)
