"""The network's input: area averaging against the exact integral, and the store."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from exvivo.errors import ConfigError, PlateError, StoreError
from exvivo.files import replacing
from exvivo.wells import (
    WellImages,
    WellsWriter,
    area_average,
    centre_square,
    read_wells,
    write_wells,
)
from exvivo.wells.store import done_path


def exact_average(image: np.ndarray, size: int) -> np.ndarray:
    """The mean over each output pixel's area in rational numbers, rounded once at the end."""
    side = image.shape[0]

    def overlaps(index: int) -> list[tuple[int, Fraction]]:
        start, stop = Fraction(index * side, size), Fraction((index + 1) * side, size)
        pieces = [(k, min(stop, k + 1) - max(start, k)) for k in range(int(start), side)]
        return [(k, part / (stop - start)) for k, part in pieces if part > 0]

    weights = [overlaps(index) for index in range(size)]
    return np.array(
        [
            [
                float(sum(a * b * int(image[y, x]) for y, a in rows for x, b in columns))
                for columns in weights
            ]
            for rows in weights
        ]
    )


@settings(max_examples=40, deadline=None)
@given(
    side=st.integers(1, 14),
    size=st.integers(1, 14),
    dtype=st.sampled_from(["uint8", "uint16"]),
    seed=st.integers(0, 99),
)
def test_it_is_the_exact_integral(side, size, dtype, seed):
    image = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (side, side), dtype)
    assert np.array_equal(area_average(image, size), exact_average(image, size).astype(np.float32))


@pytest.mark.parametrize(
    ("side", "size"), [(256, 224), (1080, 224), (2048, 224), (2160, 224), (520, 224), (2048, 225)]
)
def test_means_are_preserved(side, size):
    image = np.random.default_rng(0).integers(0, 65536, (side, side), np.uint16)
    small = area_average(image, size)
    assert small.shape == (size, size)
    assert small.dtype == np.float32
    assert small.astype(np.float64).mean() == pytest.approx(image.mean(), rel=1e-7)


def test_a_whole_ratio_is_the_block_mean():
    image = np.random.default_rng(0).integers(0, 65536, (40, 40), np.uint16)
    blocks = image.reshape(10, 4, 10, 4).mean(axis=(1, 3))
    assert np.array_equal(area_average(image, 10), blocks.astype(np.float32))


def test_the_same_size_changes_nothing():
    image = np.random.default_rng(0).integers(0, 65536, (33, 33), np.uint16)
    assert np.array_equal(area_average(image, 33), image)


def test_the_brightest_image_does_not_overflow():
    for side, size in ((2048, 224), (2047, 224), (4095, 224)):
        assert (area_average(np.full((side, side), 65535, np.uint16), size) == 65535).all()


def test_floating_point_images_are_averaged_too():
    image = np.random.default_rng(0).integers(0, 65536, (30, 30)).astype(np.uint16)
    found = area_average(image.astype(np.float64), 7)
    assert found == pytest.approx(area_average(image, 7), rel=1e-6)


def test_an_enlarged_image_carries_the_values_of_its_pixels():
    image = np.array([[1, 2], [3, 4]], np.uint16)
    assert np.array_equal(area_average(image, 4), np.kron(image, np.ones((2, 2))))
    assert area_average(image, 3)[1, 1] == 2.5


def test_orientation_is_kept():
    image = np.zeros((20, 20), np.uint16)
    image[2, 15] = 1000
    assert np.unravel_index(area_average(image, 10).argmax(), (10, 10)) == (1, 7)


def test_the_centre_is_cropped():
    image = np.arange(35).reshape(5, 7)
    assert np.array_equal(centre_square(image), image[:, 1:6])
    assert np.array_equal(centre_square(image.T), image.T[1:6])
    assert np.array_equal(centre_square(image[:, :6]), image[:, :5])


def test_impossible_sizes_are_refused():
    with pytest.raises(ConfigError, match="input_size"):
        area_average(np.ones((4, 4), np.uint16), 0)
    for shape in ((4, 5), (0, 0), (2, 2, 2)):
        with pytest.raises(PlateError):
            area_average(np.ones(shape, np.uint16), 2)


# The store


def made(count: int, size: int = 6) -> WellImages:
    images = np.random.default_rng(1).random((count, 2, size, size), np.float32) * 1000
    wells = [f"B{2 + i // 2:02d}" for i in range(count)]
    flags = ["single_plane" if i % 3 else "" for i in range(count)]
    return WellImages("P1", wells, [1 + i % 2 for i in range(count)], images, 65535.0, flags)


def equal(a: WellImages, b: WellImages) -> bool:
    same = (a.plate, a.wells, a.fields, a.max_value, a.flags) == (
        b.plate, b.wells, b.fields, b.max_value, b.flags,
    )  # fmt: skip
    return same and a.images.dtype == b.images.dtype and np.array_equal(a.images, b.images)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_what_is_written_is_read(tmp_path, count):
    write_wells(tmp_path / "wells.zarr", made(count))
    assert equal(read_wells(tmp_path / "wells.zarr"), made(count))


def test_several_shards_and_a_shorter_end(tmp_path, monkeypatch):
    monkeypatch.setattr("exvivo.wells.store._SHARD_BYTES", 3 * 2 * 6 * 6 * 4)
    content = made(8)
    with replacing(tmp_path / "wells.zarr") as partial:
        writer = WellsWriter(partial, "P1", 6, 65535.0, capacity=10)
        for i in range(8):
            writer.append(content.wells[i], content.fields[i], content.images[i], content.flags[i])
        digest = writer.close()
    done_path(tmp_path / "wells.zarr").write_text(json.dumps({"digest": digest}))
    assert equal(read_wells(tmp_path / "wells.zarr"), content)
    assert len(list((tmp_path / "wells.zarr" / "images").glob("c.*"))) == 3


def test_an_image_of_zeros_is_stored_as_such(tmp_path):
    content = made(3)
    content.images[1] = 0
    write_wells(tmp_path / "wells.zarr", content)
    assert equal(read_wells(tmp_path / "wells.zarr"), content)


def test_an_unfinished_store_is_not_read(tmp_path):
    write_wells(tmp_path / "wells.zarr", made(2))
    done_path(tmp_path / "wells.zarr").unlink()
    with pytest.raises(StoreError, match="not finished"):
        read_wells(tmp_path / "wells.zarr")


def test_a_lost_file_never_becomes_zeros(tmp_path):
    write_wells(tmp_path / "wells.zarr", made(2))
    next((tmp_path / "wells.zarr" / "images").glob("c.*")).unlink()
    array = zarr.open_array(str(tmp_path / "wells.zarr"), path="images", mode="r")
    assert np.isnan(array[:]).all()
    with pytest.raises(StoreError, match="not as it was written"):
        read_wells(tmp_path / "wells.zarr")


def test_a_changed_byte_is_noticed(tmp_path):
    write_wells(tmp_path / "wells.zarr", made(2))
    shard = next((tmp_path / "wells.zarr" / "images").glob("c.*"))
    content = bytearray(shard.read_bytes())
    content[10] ^= 1
    shard.write_bytes(content)
    with pytest.raises(StoreError, match="not as it was written"):
        read_wells(tmp_path / "wells.zarr")


def test_a_missing_or_damaged_store_is_refused(tmp_path):
    with pytest.raises(StoreError, match="not finished"):
        read_wells(tmp_path / "wells.zarr")
    write_wells(tmp_path / "wells.zarr", made(2))
    (tmp_path / "wells.zarr" / "images" / "zarr.json").write_text("{")
    with pytest.raises(StoreError, match="cannot read"):
        read_wells(tmp_path / "wells.zarr")


@pytest.mark.parametrize("bad", [np.full((2, 6, 6), np.nan), np.ones((2, 6, 5)), np.ones((6, 6))])
def test_images_that_do_not_fit_are_refused(tmp_path, bad):
    writer = WellsWriter(tmp_path / "wells.zarr", "P1", 6, 255.0, capacity=1)
    with pytest.raises(StoreError, match="does not fit"):
        writer.append("B02", 1, bad.astype(np.float32))


def test_writing_again_replaces_the_whole_store(tmp_path):
    write_wells(tmp_path / "wells.zarr", made(5))
    write_wells(tmp_path / "wells.zarr", made(1, size=4), wells=1)
    assert equal(read_wells(tmp_path / "wells.zarr"), made(1, size=4))
    assert json.loads(done_path(tmp_path / "wells.zarr").read_text())["wells"] == 1
