"""One field's stack: MIP, MID and mean against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from exvivo.checksums import checksum_file
from exvivo.plates.base import RawFile
from exvivo.projection import PROJECTION_ONLY, SINGLE_PLANE, ZERO_PLANE, PlaneError, StackProjector
from exvivo.projection.planes import PlaneFormat
from exvivo.projection.stack import exact_sum
from projection_made import MadePlate, noise


@pytest.fixture
def plate(tmp_path) -> MadePlate:
    return MadePlate(tmp_path)


def project(plate: MadePlate, **options):
    return StackProjector().project(plate.raw, plate.files, **options)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("count", [2, 3, 4, 7])
@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"byteorder": ">"}])
def test_projections_by_their_definitions(plate, dtype, count, options):
    planes = noise((count, 33, 47), dtype=dtype, high=65535)
    plate.add_stack("B02", planes, **options)
    found = project(plate)
    assert np.array_equal(found.images[0], planes.max(axis=0))
    assert np.array_equal(found.images[1], planes[count // 2])
    assert found.images.dtype == planes.dtype
    assert found.total == int(planes.sum(dtype=np.uint64))
    assert found.mean == pytest.approx(planes.astype(np.float64).mean(), rel=1e-14)
    assert found.flags == ()


def test_the_sum_does_not_overflow(plate):
    """Saturated planes larger than one run and one block of the reader."""
    planes = np.full((2, 1100, 1000), 65535, np.uint16)
    plate.add_stack("B02", planes)
    assert project(plate).total == planes.size * 65535


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("size", [1, 2, 31, 4097, 1 << 20])
def test_the_fast_sum_is_the_plain_sum(dtype, size):
    for pixels in (
        noise((size,), dtype=dtype, high=65535),
        np.full(size, np.iinfo(dtype).max, dtype),
    ):
        assert exact_sum(pixels) == int(pixels.sum(dtype=np.uint64))
        if size > 3:
            assert exact_sum(pixels[1:-1]) == int(pixels[1:-1].sum(dtype=np.uint64))


def test_planes_are_taken_by_number_not_by_name_or_order(plate):
    planes = noise((12, 9, 9))
    plate.add_stack("B02", planes)
    plate.files.sort(key=lambda file: file.path)  # z0, z1, z10, z11, z2 …
    assert np.array_equal(project(plate).images[1], planes[6])


def test_the_instruments_own_projection_is_no_plane(plate):
    planes = noise((4, 9, 9))
    plate.add("B02", 1, "1", -1, np.full((9, 9), 60000, np.uint16))
    plate.add_stack("B02", planes)
    found = project(plate)
    assert np.array_equal(found.images[0], planes.max(axis=0))
    assert found.total == int(planes.sum())
    assert len(found.hashes) == 4


def test_only_a_projection_has_no_mean(plate):
    image = noise((9, 9))
    plate.add("B02", 1, "1", -1, image)
    found = project(plate)
    assert np.array_equal(found.images, [image, image])
    assert found.total is None
    assert np.isnan(found.mean)
    assert found.flags == (PROJECTION_ONLY,)


def test_one_plane_is_both_projections_and_has_a_mean(plate):
    image = noise((9, 9))
    plate.add("B02", 1, "1", 0, image)
    found = project(plate)
    assert np.array_equal(found.images, [image, image])
    assert found.mean == pytest.approx(image.mean())
    assert found.flags == (SINGLE_PLANE,)


def test_nothing_of_one_field_is_left_in_the_next(plate):
    """The same memory serves fields that are darker, smaller and of another type."""
    projector = StackProjector()
    stacks = [
        np.full((3, 20, 20), 60000, np.uint16),
        noise((3, 20, 20)),
        noise((2, 7, 11)),
        noise((4, 30, 30), dtype="uint8"),
    ]
    for fov, planes in enumerate(stacks):
        plate.files.clear()
        plate.add_stack("B02", planes, fov=fov)
        found = projector.project(plate.raw, plate.files)
        assert np.array_equal(found.images[0], planes.max(axis=0))
        assert np.array_equal(found.images[1], planes[len(planes) // 2])
        assert found.total == int(planes.sum())


def test_every_file_read_has_its_checksum(plate):
    plate.add_stack("B02", noise((2, 9, 9)))
    plate.add_stack("B03", noise((2, 9, 9), seed=1), compression="zlib")
    for file, found in zip(
        plate.files,
        StackProjector().project(plate.raw, plate.files[:2]).hashes
        + StackProjector().project(plate.raw, plate.files[2:]).hashes,
        strict=True,
    ):
        assert (found.path, found.bytes) == (file.path, file.bytes)
        assert found.digest == checksum_file(plate.raw / file.path)


@pytest.mark.parametrize("odd", [noise((9, 10)), noise((9, 9), dtype="uint8")])
def test_planes_that_differ_are_refused(plate, odd):
    plate.add_stack("B02", noise((2, 9, 9)))
    path = plate.add("B02", 1, "1", 2, odd)
    with pytest.raises(PlaneError, match="the others are 9 × 9 uint16") as error:
        project(plate)
    assert plate.raw / error.value.path == path


def test_a_stack_of_another_size_than_the_plate_is_refused(plate):
    plate.add_stack("B02", noise((2, 9, 9)))
    with pytest.raises(PlaneError, match="the others are 8 × 8 uint16"):
        project(plate, expected=PlaneFormat((8, 8), np.dtype(np.uint16)))


@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}])
def test_a_plane_of_zeros_is_refused(plate, options):
    plate.add_stack("B02", np.stack([noise((9, 9)), np.zeros((9, 9), np.uint16)]), **options)
    with pytest.raises(PlaneError, match="nothing but zeros"):
        project(plate)


def test_an_8_bit_plane_of_zeros_is_flagged(plate):
    planes = noise((3, 9, 9), dtype="uint8")
    planes[[0, 2]] = 0
    plate.add_stack("B02", planes)
    found = project(plate)
    assert np.array_equal(found.images[0], planes[1])
    assert found.flags == (ZERO_PLANE,)


def test_two_images_of_one_plane_are_refused(plate):
    plate.add_stack("B02", noise((2, 9, 9)))
    first = plate.files[0]
    plate.files.append(RawFile("B02", 1, "1", 1, first.path, first.bytes))
    with pytest.raises(PlaneError, match="3 images for 2 planes"):
        project(plate)
