"""Raw plates leave a finished facility and come back: what runs again, jobs counted."""

from __future__ import annotations

import json
import shutil

import pytest

from conftest import PLATES

pytestmark = pytest.mark.slow
IMAGING = {"admit_plate", "project_plate"}


@pytest.fixture
def archived(facility):
    """The facility with the plates of one screen and the training plate marked and gone; the raw files are kept aside."""
    away = [plate for plate in PLATES if not plate.startswith("S02")]
    done = facility.exvivo("archive-ready", "--mark", "--format", "json", *away)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout)
    assert [(row["plate"], row["marked"]) for row in rows] == [(plate, True) for plate in away]
    for plate in away:
        (facility.work / "aside").mkdir(exist_ok=True)
        (facility.work / "raw" / plate).rename(facility.work / "aside" / plate)
    yield facility
    shutil.rmtree(facility.work / "aside")


def restore(facility, plate):
    """The plate as an archive gives it back: same content, new times."""
    folder = facility.work / "raw" / plate
    shutil.copytree(facility.work / "aside" / plate, folder, copy_function=shutil.copyfile)
    return folder


def test_archived_plates_change_nothing(archived):
    assert archived.planned() == {}
    assert archived.exvivo("scan", "--full").returncode == 0
    assert archived.planned() == {}


def test_new_admission_code_leaves_archived_plates_alone(archived):
    source = archived.code / "scripts/exvivo/plates/admission.py"
    source.write_text(source.read_text() + "\n\n_STRICTER = 1\n")
    script = archived.code / "scripts/project_plate.py"
    script.write_text(script.read_text() + "\n# edited\n")
    planned = archived.planned()
    assert {rule: planned[rule] for rule in IMAGING} == dict.fromkeys(IMAGING, 2)
    assert "train_phase1" not in planned
    assert planned["report_screen"] == 1


def test_new_training_code_runs_from_the_projections(archived):
    source = archived.code / "scripts/exvivo/training/engine.py"
    source.write_text(source.read_text() + "\n\n_NEWER = 1\n")
    planned = archived.planned()
    assert planned["train_phase1"] == 1 and planned["train_phase2"] == 2
    assert not set(planned) & IMAGING


def test_a_plate_restored_as_it_was_reruns_nothing(archived):
    restore(archived, "S01_P1")
    assert archived.planned() == {}
    done = archived.exvivo("archive-check", "--take-back", "S01_P1")
    assert done.returncode == 0 and "in use again" in done.stdout
    assert archived.planned() == {}
    assert "S01_P1" not in json.loads(archived.result("archive/archived.json").read_text())


def test_a_plate_restored_otherwise_is_refused_with_the_files_named(archived):
    folder = restore(archived, "S01_P2")
    image = sorted(folder.rglob("*.TIF"))[0]
    with image.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    for options in ((), ("--take-back",)):
        done = archived.exvivo("archive-check", *options, "S01_P2")
        assert done.returncode == 1
        assert image.name in done.stdout and "changed" in done.stdout
    assert archived.planned() == {}
    assert "S01_P2" in json.loads(archived.result("archive/archived.json").read_text())


def test_a_plate_changed_since_it_was_projected_may_not_leave(facility):
    image = sorted((facility.work / "raw" / "S02_P1").rglob("*.TIF"))[0]
    with image.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    done = facility.exvivo("archive-ready", "--mark", "S02_P1")
    assert done.returncode == 1
    assert "stays" in done.stdout and image.name in done.stdout
    assert not facility.result("archive/archived.json").exists()


def test_a_damaged_projection_keeps_its_plate_here(facility):
    image = sorted(facility.result("plates/S02_P2/images.zarr").rglob("c.0.0.0"))[0]
    whole = image.read_bytes()
    try:
        image.write_bytes(whole[:100] + bytes(8) + whole[108:])
        done = facility.exvivo("archive-ready", "--format", "tsv", "S02_P2")
    finally:
        image.write_bytes(whole)
    assert done.returncode == 1
    row = dict(zip(*(line.split("\t") for line in done.stdout.splitlines()), strict=True))
    assert row["ready"] == "False" and "images.zarr" in row["reasons"]
