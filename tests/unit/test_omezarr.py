"""images.zarr: pixels, pyramid and metadata, and what the OME-Zarr 0.5 models say of it."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05.hcs import HCS
from zarr.codecs import BloscCodec

from exvivo.omezarr import Histogram, PlateWriter, reduce_area
from projection_made import noise

WINDOWS = [{"min": 0, "max": 65535, "start": 100, "end": 4000}] * 2


def blocks(image: np.ndarray, step: int) -> np.ndarray:
    """Means of blocks, one by one, rounded half up."""
    height, width = image.shape
    return np.array(
        [
            [
                np.floor(image[y : y + step, x : x + step].mean() + 0.5)
                for x in range(0, width, step)
            ]
            for y in range(0, height, step)
        ]
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(8, 8), (9, 14), (3, 5), (4, 1), (17, 16)])
def test_reduction_by_area(shape, dtype):
    image = noise((2, *shape), dtype=dtype, high=65535)
    small = reduce_area(image, 4)
    assert small.dtype == image.dtype
    for channel in range(2):
        assert np.array_equal(small[channel], blocks(image[channel], 4))


def test_reduction_does_not_overflow():
    assert (reduce_area(np.full((1, 20, 20), 65535, np.uint16)) == 65535).all()


def write(
    path, wells: dict[str, list[int]], shape=(2, 300, 1100), pixel_size_um=None, dtype="uint16"
):
    writer = PlateWriter(path, "P1", ("MIP", "MID"), pixel_size_um)
    for well, fields in wells.items():
        for fov in fields:
            writer.write_field(well, fov, noise(shape, seed=fov, dtype=dtype))
    writer.finish(wells, WINDOWS)
    return zarr.open_group(path, mode="r")


def validate(group: zarr.Group) -> HCS:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return HCS.from_zarr(group)


def test_the_whole_plate_is_valid(tmp_path):
    wells = {"P24": [1], "B02": [1, 4], "AA07": [2]}
    model = validate(write(tmp_path / "images.zarr", wells, pixel_size_um=0.65))
    plate = model.ome_attributes.plate
    assert [well.path for well in plate.wells] == ["B/02", "P/24", "AA/07"]
    assert [row.name for row in plate.rows] == ["B", "P", "AA"]
    assert [column.name for column in plate.columns] == ["02", "07", "24"]
    assert [(well.rowIndex, well.columnIndex) for well in plate.wells] == [(0, 0), (1, 2), (2, 1)]
    assert plate.field_count == 2
    assert [len(well.ome_attributes.well.images) for well in model.well_groups] == [2, 1, 1]


def test_pixels_and_levels(tmp_path):
    group = write(tmp_path / "images.zarr", {"B02": [3]})
    image = noise((2, 300, 1100), seed=3)
    levels = [group[f"B/02/3/{level}"] for level in range(3)]
    assert np.array_equal(levels[0][:], image)
    assert np.array_equal(levels[1][:], reduce_area(image))
    assert np.array_equal(levels[2][:], reduce_area(reduce_area(image)))
    assert levels[1].shape == (2, 75, 275)
    assert levels[2].shape == (2, 19, 69)
    assert "3" not in group["B/02/3"]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(2, 512, 1024), (2, 700, 1300), (1, 40, 50)])
def test_arrays_are_what_zarr_itself_would_write(tmp_path, shape, dtype):
    """The same metadata, entry by entry, and the same chunks as zarr's own writer."""
    image = noise(shape, dtype=dtype)
    PlateWriter(tmp_path / "ours", "P1", ("MIP", "MID")).write_field("B02", 1, image)
    ours = tmp_path / "ours/B/02/1/0"
    chunk = (1, min(512, shape[1]), min(512, shape[2]))
    zarr.create_array(
        str(tmp_path / "zarr"),
        data=image,
        chunks=chunk,
        shards=tuple(-(-n // c) * c for n, c in zip(shape, chunk, strict=True)),
        filters=None,
        compressors=BloscCodec(
            cname="lz4", clevel=1, shuffle="bitshuffle", typesize=image.itemsize
        ),
        dimension_names=("c", "y", "x"),
        chunk_key_encoding={"name": "default", "separator": "."},
    )
    theirs = json.loads((tmp_path / "zarr/zarr.json").read_text())
    assert json.loads((ours / "zarr.json").read_text()) == theirs
    assert chunks_of(ours / "c.0.0.0", image, chunk) == chunks_of(
        tmp_path / "zarr/c.0.0.0", image, chunk
    )
    read = zarr.open_array(ours, mode="r")
    assert np.array_equal(read[:], image)
    assert np.array_equal(read[-1:, 3:5, -9:], image[-1:, 3:5, -9:])


def chunks_of(shard: Path, image: np.ndarray, chunk: tuple[int, ...]) -> list[bytes]:
    """The chunks of a shard in the order of its index."""
    content = shard.read_bytes()
    number = int(np.prod([-(-n // c) for n, c in zip(image.shape, chunk, strict=True)]))
    index = np.frombuffer(content[-16 * number - 4 : -4], "<u8").reshape(-1, 2)
    return [content[start : start + length] for start, length in index.tolist()]


def test_a_damaged_shard_index_is_noticed(tmp_path):
    PlateWriter(tmp_path / "x", "P1", ("MIP", "MID")).write_field("B02", 1, noise((2, 600, 600)))
    shard = tmp_path / "x/B/02/1/0/c.0.0.0"
    content = bytearray(shard.read_bytes())
    content[-20] ^= 1
    shard.write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        zarr.open_array(tmp_path / "x/B/02/1/0", mode="r")[:]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_an_image_of_zeros_is_written_as_such(tmp_path, dtype):
    writer = PlateWriter(tmp_path / "images.zarr", "P1", ("MIP", "MID"))
    writer.write_field("B02", 1, np.zeros((2, 16, 16), dtype))
    assert [path.name for path in (tmp_path / "images.zarr").rglob("c.*")] == ["c.0.0.0"]


def test_an_image_describes_itself(tmp_path):
    group = write(tmp_path / "images.zarr", {"B02": [1]}, pixel_size_um=0.5)
    ome = group["B/02/1"].attrs["ome"]
    assert [channel["label"] for channel in ome["omero"]["channels"]] == ["MIP", "MID"]
    assert ome["omero"]["channels"][0]["window"] == WINDOWS[0]
    axes = ome["multiscales"][0]["axes"]
    assert [axis["name"] for axis in axes] == ["c", "y", "x"]
    assert axes[1]["unit"] == "micrometer"
    first, second, _ = ome["multiscales"][0]["datasets"]
    assert first["coordinateTransformations"] == [{"type": "scale", "scale": [1.0, 0.5, 0.5]}]
    scale, shift = second["coordinateTransformations"]
    assert scale["scale"] == [1.0, 2.0, 2.0]
    assert shift["translation"] == [
        0.0,
        0.75,
        0.75,
    ]  # the middle of the four pixels 0, 0.5, 1, 1.5 µm


def test_an_unknown_pixel_size_has_no_unit(tmp_path):
    ome = write(tmp_path / "images.zarr", {"B02": [1]})["B/02/1"].attrs["ome"]
    assert "unit" not in ome["multiscales"][0]["axes"][1]
    assert ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"][1] == 1.0


def test_a_plate_without_wells_is_valid(tmp_path):
    assert validate(write(tmp_path / "images.zarr", {})).n_wells == 0


def test_files_stay_few(tmp_path):
    write(tmp_path / "images.zarr", {"B02": [1]}, shape=(2, 1100, 1100))
    arrays = [path for path in (tmp_path / "images.zarr/B/02/1").rglob("*") if path.is_file()]
    assert (
        len(arrays) == 1 + 2 * 3
    )  # the image's description; per level one shard and its description


def test_a_discarded_well_leaves_nothing(tmp_path):
    writer = PlateWriter(tmp_path / "images.zarr", "P1", ("MIP", "MID"))
    for well in ("B02", "B03"):
        writer.write_field(well, 1, noise((2, 16, 16)))
    writer.discard("B03")
    writer.finish({"B02": [1]}, WINDOWS)
    assert not (tmp_path / "images.zarr/B/03").exists()
    assert validate(zarr.open_group(tmp_path / "images.zarr", mode="r")).n_wells == 1


def test_the_digest_is_that_of_the_pixels(tmp_path):
    writer = PlateWriter(tmp_path / "images.zarr", "P1", ("MIP", "MID"))
    image = noise((2, 16, 16))
    digests = {writer.write_field("B02", 1, image), writer.write_field("B03", 1, image.copy())}
    image[1, 15, 15] += 1
    digests.add(writer.write_field("B04", 1, image))
    assert len(digests) == 2


def test_display_ranges_come_from_the_whole_plate():
    histogram = Histogram(2, 65535)
    dark = np.full((2, 80, 80), 100, np.uint16)
    bright = dark.copy()
    bright[0, ::16, ::16] = 5000
    histogram.add(dark)
    histogram.add(bright)
    first, second = histogram.windows()
    assert first == {"min": 0, "max": 65535, "start": 100, "end": 5000}
    assert second == {"min": 0, "max": 65535, "start": 100, "end": 101}


@pytest.mark.parametrize("value", [0, 255])
def test_a_display_range_is_never_empty(value):
    histogram = Histogram(1, 255)
    histogram.add(np.full((1, 8, 8), value, np.uint8))
    (window,) = histogram.windows()
    assert 0 <= window["start"] < window["end"] <= 255
    (window,) = Histogram(1, 255).windows()
    assert 0 <= window["start"] < window["end"] <= 255
