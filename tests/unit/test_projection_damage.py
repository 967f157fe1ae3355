"""Damaged wells, plates on hold, failed runs: left out or refused by name, never filled up."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05.hcs import HCS

from exvivo.checksums import checksum_file, read_hashes
from exvivo.errors import PlateError
from exvivo.plates.base import Reason
from exvivo.plates.patterns import Channel
from exvivo.projection import project_plate
from exvivo.wells import read_wells
from projection_made import MadePlate, damage, done_of, five_wells, noise, readout_of


@pytest.fixture
def plate(tmp_path) -> MadePlate:
    return five_wells(tmp_path)


def test_a_damaged_well_is_left_out_by_name(plate):
    path = damage(plate, "B10")
    arguments = plate.arguments(damaged_wells_limit=0.2)
    project_plate(**arguments)
    for done in done_of(arguments):
        assert done["verdict"] == "admitted"
        assert list(done["damaged"]) == ["B10"]
        assert done["damaged"]["B10"].startswith(path)
        assert (done["wells"], done["images"]) == (4, 8)
    assert "B10" not in read_wells(arguments["wells"]).wells
    images = zarr.open_group(arguments["images"], mode="r")
    assert "10" not in images["B"]
    assert HCS.from_zarr(images).n_wells == 4
    value, flag = readout_of(arguments)["B10"]
    assert np.isnan(value)
    assert flag == "damaged"
    # The scan must notice when just this file is mended in place.
    assert read_hashes(arguments["hashes"])[path].digest == checksum_file(plate.raw / path)


@pytest.mark.parametrize("fault", ["gone", "longer", "zeros", "another size"])
def test_kinds_of_damage(plate, fault):
    path = plate.raw / next(file.path for file in plate.files if file.well == "C02")
    if fault == "gone":
        path.unlink()
    elif fault == "longer":
        path.write_bytes(path.read_bytes() + b"\0")
    elif fault == "zeros":
        path.write_bytes(bytes(path.stat().st_size))
    else:
        plate.files = [file for file in plate.files if plate.raw / file.path != path]
        plate.add("C02", 2, "1", 0, noise((24, 20)))
    arguments = plate.arguments(damaged_wells_limit=0.2)
    project_plate(**arguments)
    assert list(done_of(arguments)[1]["damaged"]) == ["C02"]
    assert path.relative_to(plate.raw).as_posix() in read_hashes(arguments["hashes"])


def test_too_many_damaged_wells_refuse_the_plate(plate):
    damage(plate, "B10")
    damage(plate, "C02")
    arguments = plate.arguments(damaged_wells_limit=0.2)
    project_plate(**arguments)
    for done in done_of(arguments):
        assert done["verdict"] == "refused"
        assert done["reason"] == "2 of 5 wells are damaged, 20% are allowed"
        assert list(done["damaged"]) == ["B10", "C02"]
        assert (done["wells"], done["images"]) == (0, 0)
    assert read_wells(arguments["wells"]).images.shape == (0, 2, 8, 8)
    assert HCS.from_zarr(zarr.open_group(arguments["images"], mode="r")).n_wells == 0
    assert readout_of(arguments) == {}
    assert len(read_hashes(arguments["hashes"])) > 0


def test_wells_that_admission_left_out_count_and_stay_out(plate):
    entry = plate.admission.wells["B03"]
    entry.verdict, entry.flags, entry.details = (
        "damaged",
        ["duplicate"],
        ["two planes are the same"],
    )
    arguments = plate.arguments(damaged_wells_limit=0.2)
    project_plate(**arguments)
    assert done_of(arguments)[0]["damaged"] == {"B03": "two planes are the same"}
    assert "B03" not in read_wells(arguments["wells"]).wells
    assert not any("B03" in path for path in read_hashes(arguments["hashes"]))
    damage(plate, "B10")
    project_plate(**plate.arguments(damaged_wells_limit=0.2))
    assert done_of(arguments)[0]["verdict"] == "refused"


@pytest.mark.parametrize("verdict", ["refused", "arriving"])
def test_a_plate_on_hold_gets_finished_empty_stores(plate, verdict):
    plate.admission.verdict = verdict
    plate.admission.reasons = [Reason("still_arriving", verdict, found="3 of 5 wells")]
    arguments = plate.arguments()
    project_plate(**arguments)
    for done in done_of(arguments):
        assert (done["verdict"], done["wells"], done["damaged"]) == (verdict, 0, {})
        assert "still_arriving" in done["reason"]
    assert read_wells(arguments["wells"]).wells == []
    assert readout_of(arguments) == {}
    assert read_hashes(arguments["hashes"]) == {}
    assert HCS.from_zarr(zarr.open_group(arguments["images"], mode="r")).n_wells == 0


def test_a_well_without_the_channel_is_named_and_is_no_damage(plate):
    plate.add("D01", 1, "2", 0, noise((20, 24)))
    arguments = plate.arguments(damaged_wells_limit=0.0)
    project_plate(**arguments)
    done = done_of(arguments)[0]
    assert (done["verdict"], done["wells"], done["damaged"]) == ("admitted", 5, {})
    assert done["not_imaged"] == ["D01"]
    value, flag = readout_of(arguments)["D01"]
    assert np.isnan(value)
    assert flag == "not_imaged"


def test_the_admitted_size_decides_not_the_first_image(plate):
    plate.admission.channels["1"] = Channel(shape=[20, 24], dtype="uint16")
    for number, file in enumerate(plate.files):
        if file.well == "B02":  # the first well of all has another size
            plate.files.pop(number)
            break
    plate.add("B02", 2, "1", 0, noise((24, 20)))
    arguments = plate.arguments(damaged_wells_limit=0.2)
    project_plate(**arguments)
    assert list(done_of(arguments)[0]["damaged"]) == ["B02"]


def test_no_readable_image_at_all(plate):
    for file in plate.files:
        (plate.raw / file.path).unlink()
    arguments = plate.arguments(damaged_wells_limit=1.0)
    project_plate(**arguments)
    done = done_of(arguments)[1]
    assert (done["verdict"], len(done["damaged"])) == ("refused", 5)
    assert done["reason"] == "none of 5 wells is left: 5 are damaged"


def test_a_failed_run_leaves_no_done_file_of_an_earlier_one(plate):
    arguments = plate.arguments()
    project_plate(**arguments)
    with pytest.raises(PlateError):
        project_plate(**plate.arguments(channel="9"))
    assert not arguments["images"].with_suffix(".done.json").exists()
    assert not arguments["wells"].with_suffix(".done.json").exists()
