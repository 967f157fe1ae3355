"""A whole plate through projection: what is written, and for which channel."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr
from ome_zarr_models.v05.hcs import HCS

from exvivo.checksums import checksum_file, read_hashes
from exvivo.errors import ConfigError, PlateError
from exvivo.plates.patterns import Channel
from exvivo.projection import project_plate
from exvivo.wells import area_average, read_wells
from projection_made import WELLS, MadePlate, done_of, five_wells, noise, readout_of


@pytest.fixture
def plate(tmp_path) -> MadePlate:
    return five_wells(tmp_path)


def planes_of(plate: MadePlate, well: str, fov: int) -> np.ndarray:
    files = [f for f in plate.files if (f.well, f.field, f.channel) == (well, fov, "1")]
    files.sort(key=lambda file: file.plane)
    return np.stack([tifffile.imread(plate.raw / file.path) for file in files])


def test_everything_by_its_definition(plate):
    arguments = plate.arguments()
    project_plate(**arguments)
    content = read_wells(arguments["wells"])
    assert content.wells == [well for well in WELLS for _ in (1, 2)]
    assert content.fields == [1, 2] * len(WELLS)
    assert (content.plate, content.max_value, set(content.flags)) == ("P1", 65535.0, {""})
    images = zarr.open_group(arguments["images"], mode="r")
    readout = readout_of(arguments)
    for number, (well, fov) in enumerate(zip(content.wells, content.fields, strict=True)):
        planes = planes_of(plate, well, fov)
        pair = np.stack([planes.max(axis=0), planes[1]])
        row, column = well.rstrip("0123456789"), well.lstrip("ABCDEFGH")
        assert np.array_equal(images[f"{row}/{column}/{fov}/0"][:], pair)
        for channel in (0, 1):
            square = np.ascontiguousarray(pair[channel][:, 2:22])
            assert np.array_equal(content.images[number, channel], area_average(square, 8))
    for well in WELLS:
        fields = [planes_of(plate, well, fov).astype(float).mean() for fov in (1, 2)]
        assert readout[well] == (pytest.approx(np.mean(fields), rel=1e-14), "")
    assert HCS.from_zarr(images).n_wells == len(WELLS)


def test_the_done_files_say_what_was_done(plate):
    arguments = plate.arguments()
    project_plate(**arguments)
    images, wells = done_of(arguments)
    for done in (images, wells):
        assert done["verdict"] == "admitted"
        assert (done["plate"], done["wells"], done["images"]) == ("P1", 5, 10)
        assert done["damaged"] == {}
        assert done["settings"] == {"channel": "1", "input_size": 8}
        assert len(done["digest"]) == 64
    assert images["digest"] != wells["digest"]


def test_every_file_read_is_in_the_hashes(plate):
    plate.add("B02", 1, "2", 0, noise((20, 24)))
    plate.add("B02", 1, "1", -1, noise((20, 24)))
    arguments = plate.arguments()
    project_plate(**arguments)
    found = read_hashes(arguments["hashes"])
    used = [file for file in plate.files if file.channel == "1" and file.plane >= 0]
    assert found.keys() == {file.path for file in used}
    for file in used:
        assert found[file.path].digest == checksum_file(plate.raw / file.path)
        assert found[file.path].bytes == file.bytes


def test_threads_and_repetition_change_nothing(plate):
    results = []
    for threads in (1, 4, 4):
        arguments = plate.arguments(threads=threads)
        project_plate(**arguments)
        results.append(
            {
                path.relative_to(plate.folder): path.read_bytes()
                for path in sorted((plate.folder / "out").rglob("*"))
                if path.is_file()
            }
        )
    assert results[0] == results[1] == results[2]
    assert not [path for path in results[0] if "partial" in path.name]


def test_other_pixels_have_another_digest(plate):
    arguments = plate.arguments()
    project_plate(**arguments)
    before = done_of(arguments)
    plate.add("B02", 1, "1", 0, noise((20, 24), seed=99))
    plate.files.pop(next(i for i, f in enumerate(plate.files) if f.key == ("B02", 1, "1", 0)))
    project_plate(**plate.arguments())
    after = done_of(arguments)
    assert all(a["digest"] != b["digest"] for a, b in zip(before, after, strict=True))


def test_flags_of_admission_and_projection_reach_every_table(plate):
    plate.admission.wells["B02"].flags = ["focus"]
    for well, plane in (("D01", 0), ("D02", -1)):
        for fov in (1, 2):
            plate.add(well, fov, "1", plane, noise((20, 24), seed=fov))
    arguments = plate.arguments(input_size=22)
    project_plate(**arguments)
    content = read_wells(arguments["wells"])
    flags = dict(zip(content.wells, content.flags, strict=True))
    assert flags["B02"] == "focus;upsampled"
    assert flags["D01"] == "single_plane;upsampled"
    assert flags["D02"] == "projection_only;upsampled"
    readout = readout_of(arguments)
    assert {well: flag for well, (_, flag) in readout.items()} == flags
    assert np.isnan(readout["D02"][0])
    expected = np.mean([noise((20, 24), seed=fov).mean() for fov in (1, 2)])
    assert readout["D01"][0] == pytest.approx(expected)
    both = content.images[content.wells.index("D02")]
    assert np.array_equal(both[0], both[1])


def test_a_mean_over_some_fields_only_is_not_made_up(plate):
    """One field with a stack and one with a projection only: the well has no mean of stack."""
    plate.add_stack("D01", noise((3, 20, 24)), fov=1)
    plate.add("D01", 2, "1", -1, noise((20, 24)))
    arguments = plate.arguments()
    project_plate(**arguments)
    value, flag = readout_of(arguments)["D01"]
    assert np.isnan(value)
    assert flag == "projection_only"


@pytest.mark.parametrize("wanted", ["2", "02", "w2", "W2", "DAPI", " dapi "])
def test_the_channel_by_number_or_name(plate, wanted):
    for well in WELLS:
        plate.add(well, 1, "2", 0, noise((20, 24), seed=5))
    plate.admission.channels["2"] = Channel(name="DAPI")
    arguments = plate.arguments(channel=wanted)
    project_plate(**arguments)
    done = done_of(arguments)[1]
    assert (done["images"], done["settings"]["channel"]) == (5, "2")


@pytest.mark.parametrize("wanted", ["3", "GFP", ""])
def test_a_channel_that_is_not_there_lists_those_that_are(plate, wanted):
    plate.add("B02", 1, "2", 0, noise((20, 24)))
    plate.admission.channels |= {"1": Channel(name="DAPI"), "2": Channel(name="Cy5")}
    with pytest.raises(PlateError, match=r"1 \(DAPI\), 2 \(Cy5\)"):
        project_plate(**plate.arguments(channel=wanted))


def test_a_name_of_two_channels_is_refused(plate):
    plate.add("B02", 1, "2", 0, noise((20, 24)))
    plate.admission.channels |= {"1": Channel(name="DAPI"), "2": Channel(name="DAPI")}
    with pytest.raises(PlateError, match="more than one"):
        project_plate(**plate.arguments(channel="DAPI"))


def test_the_pixel_size_reaches_the_images(plate):
    plate.admission.pixel_size_um = 0.325
    arguments = plate.arguments()
    project_plate(**arguments)
    image = zarr.open_group(arguments["images"], mode="r")["AA/01/1"].attrs["ome"]
    scale = image["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == [1.0, 0.325, 0.325]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input_size": 0}, "input_size"),
        ({"threads": 0}, "threads"),
        ({"damaged_wells_limit": 5}, "damaged_wells_limit"),
    ],
)
def test_settings_out_of_range(plate, change, words):
    with pytest.raises(ConfigError, match=words):
        project_plate(**plate.arguments(**change))
