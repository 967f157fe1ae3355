"""Real plates through scan, admission and projection: exact, valid, and uneven where they are."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from ome_zarr_models.v05.hcs import HCS

from exvivo.checksums import read_hashes
from exvivo.errors import PlateError
from exvivo.files import read_json, write_json
from exvivo.plates import RawFile, get_instrument, read_fingerprint
from exvivo.plates.admission import admit_plate
from exvivo.plates.base import PROJECTION
from exvivo.plates.scan import scan_plate
from exvivo.projection import project_plate
from exvivo.tables import READOUT, read_table
from exvivo.wells import WellImages, area_average, centre_square, read_wells

BBBC013 = r"(?P<channel>Channel\d)-\d+-(?P<well>[A-H]-\d\d)\.tif"


@dataclass
class Projected:
    """A real plate and what projection made of it."""

    folder: Path
    files: list[RawFile]
    images: zarr.Group
    wells: WellImages
    done: dict
    readout: dict[str, tuple[float, str]]
    hashes: dict

    def plane(self, well: str, fov: int, channel: str, plane: int) -> np.ndarray:
        key = (well, fov, channel, plane)
        (path,) = [file.path for file in self.files if file.key == key]
        return tifffile.imread(self.folder / path)

    def pair(self, well: str, fov: int) -> np.ndarray:
        return self.images[f"{well[:1]}/{well[1:]}/{fov}/0"][:]


def project(
    folder: Path, out: Path, name: str, *, pattern=None, channel="1", size=224
) -> Projected:
    instrument = get_instrument(name, pattern=pattern)
    scan_plate("real", folder, instrument, out, settle_minutes=0)
    admission = admit_plate(out / "fingerprint.tsv", folder, instrument, {})
    write_json(out / "admission.json", admission.to_json())
    project_plate(
        folder=folder,
        fingerprint=out / "fingerprint.tsv",
        admission=out / "admission.json",
        plate="real",
        channel=channel,
        input_size=size,
        images=out / "images.zarr",
        wells=out / "wells.zarr",
        readout=out / "mean_of_stack.parquet",
        exposure=out / "exposure.parquet",
        hashes=out / "hashes.tsv",
        threads=2,
    )
    table = read_table(out / "mean_of_stack.parquet", READOUT)
    return Projected(
        folder,
        read_fingerprint(out / "fingerprint.tsv"),
        zarr.open_group(out / "images.zarr", mode="r"),
        read_wells(out / "wells.zarr"),
        read_json(out / "images.done.json"),
        {row.well: (row.value, row.flag) for row in table.itertuples()},
        read_hashes(out / "hashes.tsv"),
    )


def check(found: Projected, fields: dict[str, list[int]], dtype: str) -> None:
    """The right fields, a valid plate, and a network input that is the average of the images."""
    assert found.done["verdict"] == "admitted"
    assert found.done["damaged"] == {}
    expected = [(well, fov) for well in fields for fov in fields[well]]
    assert list(zip(found.wells.wells, found.wells.fields, strict=True)) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = HCS.from_zarr(found.images)
    assert {well.path.replace("/", "") for well in model.ome_attributes.plate.wells} == set(fields)
    assert found.wells.max_value == np.iinfo(dtype).max
    for number, (well, fov) in enumerate(expected):
        pair = found.pair(well, fov)
        assert pair.dtype == dtype
        for channel in (0, 1):
            small = area_average(centre_square(pair[channel]), 224)
            assert np.array_equal(found.wells.images[number, channel], small)


@pytest.mark.parametrize("wave", ["1", "2", "DAPI", "FITC"])
def test_bit_exact_with_the_instruments_own_projection(real_data, tmp_path, wave):
    folder = real_data / "plates" / "imagexpress_3433_zstack"
    found = project(folder, tmp_path, "imagexpress", channel=wave)
    key = {"DAPI": "1", "FITC": "2"}.get(wave, wave)
    assert found.done["settings"]["channel"] == key
    check(found, {"B02": [1, 2], "B03": [1, 2]}, "uint16")
    for well in ("B02", "B03"):
        for fov in (1, 2):
            mip, mid = found.pair(well, fov)
            assert np.array_equal(mip, found.plane(well, fov, key, PROJECTION))
            assert np.array_equal(mid, found.plane(well, fov, key, 1))
        planes = [found.plane(well, fov, key, z) for fov in (1, 2) for z in range(3)]
        assert found.readout[well] == (pytest.approx(np.mean(planes, dtype=float), rel=1e-14), "")
    assert len(found.hashes) == 12
    assert not any("ZStep_0" in path for path in found.hashes)
    multiscale = found.images["B/02/1"].attrs["ome"]["multiscales"][0]
    scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == pytest.approx([1.0, 1.3672, 1.3672])


@pytest.mark.parametrize("wave", ["1", "3"])
def test_an_uneven_acquisition_stays_uneven(real_data, tmp_path, wave):
    """Two wells with different sites, one plane each: nothing is filled up."""
    folder = real_data / "plates" / "metaxpress_multisite"
    found = project(folder, tmp_path, "imagexpress", channel=wave)
    check(found, {"A01": [1], "A02": [4]}, "uint16")
    for well, fov in (("A01", 1), ("A02", 4)):
        image = found.plane(well, fov, wave, 0)
        assert image.shape == (884, 1183)
        assert np.array_equal(found.pair(well, fov), [image, image])
        value, flag = found.readout[well]
        assert value == pytest.approx(image.mean(dtype=float), rel=1e-14)
        assert "single_plane" in flag.split(";")


def test_a_wave_that_was_not_taken_is_named(real_data, tmp_path):
    folder = real_data / "plates" / "metaxpress_multisite"
    with pytest.raises(PlateError, match=r"one of 1.*, 3"):
        project(folder, tmp_path, "imagexpress", channel="2")


def test_operetta_with_lzw(real_data, tmp_path):
    folder = real_data / "plates" / "operetta_cls" / "operetta_plate"
    found = project(folder, tmp_path, "operetta")
    check(found, {"C03": [1, 2]}, "uint16")
    for fov in (1, 2):
        image = found.plane("C03", fov, "1", found.files[0].plane)
        assert np.array_equal(found.pair("C03", fov)[0], image)
    value, flag = found.readout["C03"]
    means = [tifffile.imread(folder / file.path).mean(dtype=float) for file in found.files]
    assert value == pytest.approx(np.mean(means), rel=1e-14)
    assert flag == "single_plane"


def test_bbbc022_fields_differ_from_well_to_well(real_data, tmp_path):
    folder = real_data / "plates" / "imagexpress_bbbc022_names"
    found = project(folder, tmp_path, "imagexpress")
    check(found, {"A01": [1, 2, 3], "E05": [6], "E07": [3, 4], "E08": [7]}, "uint16")
    assert all("single_plane" in flag.split(";") for _, flag in found.readout.values())
    fields = [found.plane("A01", fov, "1", 0).mean(dtype=float) for fov in (1, 2, 3)]
    assert found.readout["A01"][0] == pytest.approx(np.mean(fields), rel=1e-14)


@pytest.mark.parametrize("channel", ["Channel1", "channel2"])
def test_bbbc013_in_8_bits(real_data, tmp_path, channel):
    folder = real_data / "plates" / "bbbc013_rows_A-D"
    found = project(folder, tmp_path, "pattern", pattern=BBBC013, channel=channel)
    wells = {
        f"{row}{column:02d}": [found.wells.fields[0]] for row in "ABCD" for column in range(1, 13)
    }
    check(found, wells, "uint8")
    for well in ("A01", "C07", "D12"):
        (file,) = [
            f for f in found.files if f.well == well and f.channel.lower() == channel.lower()
        ]
        image = tifffile.imread(folder / file.path)
        assert np.array_equal(found.pair(well, file.field), [image, image])
        assert found.readout[well] == (pytest.approx(image.mean(dtype=float)), "single_plane")
