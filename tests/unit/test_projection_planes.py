"""Planes: whatever kind of TIFF a file is, its pixels are those that tifffile reads, or a `PlaneError`."""

from __future__ import annotations

import contextlib
import io
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from exvivo.projection import planes as planes_module
from exvivo.projection.planes import PlaneError, PlaneFormat, PlaneReader
from exvivo.projection.raster import find_raster
from projection_made import noise, tiff_bytes


def read(path: Path, size: int | None = None) -> tuple[np.ndarray, str]:
    """Read a whole plane; return its pixels and the file's checksum."""
    taken: dict = {}

    def begin(found: PlaneFormat) -> None:
        taken["pixels"] = np.full(found.shape, 77, found.dtype).reshape(-1)
        taken["shape"] = found.shape

    def add(start: int, pixels: np.ndarray) -> None:
        taken["pixels"][start : start + pixels.size] = pixels

    size = path.stat().st_size if size is None else size
    checksum = PlaneReader().read(path, size, begin, add)
    return taken["pixels"].reshape(taken["shape"]), checksum.hexdigest()


def is_plain(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return find_raster(descriptor, path.stat().st_size) is not None
    finally:
        os.close(descriptor)


PLAIN = [
    pytest.param({}, id="one strip"),
    pytest.param({"rowsperstrip": 5}, id="strips"),
    pytest.param({"rowsperstrip": 1}, id="a strip per row"),
    pytest.param({"byteorder": ">"}, id="big-endian"),
    pytest.param({"byteorder": ">", "rowsperstrip": 7}, id="big-endian strips"),
    pytest.param({"bigtiff": True}, id="BigTIFF"),
    pytest.param({"bigtiff": True, "byteorder": ">", "rowsperstrip": 3}, id="BigTIFF big-endian"),
    pytest.param({"description": "x" * 9000}, id="long description"),
    pytest.param({"photometric": "miniswhite"}, id="white is zero"),
    pytest.param({"extratags": [(65000, 2, 0, "a" * 70000, True)]}, id="large private tag"),
]
OTHERS = [
    pytest.param({"compression": "lzw"}, id="LZW"),
    pytest.param({"compression": "lzw", "predictor": True, "rowsperstrip": 4}, id="LZW predictor"),
    pytest.param({"compression": "lzw", "byteorder": ">", "predictor": True}, id="LZW big-endian"),
    pytest.param({"compression": "zlib"}, id="deflate"),
    pytest.param({"compression": "zlib", "predictor": True, "tile": (16, 16)}, id="deflate tiles"),
    pytest.param({"compression": "packbits"}, id="PackBits"),
    pytest.param({"tile": (16, 32)}, id="tiles"),
    pytest.param({"tile": (16, 32), "byteorder": ">"}, id="tiles big-endian"),
]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("options", PLAIN + OTHERS)
def test_equals_tifffile(tmp_path, options, dtype):
    path = tmp_path / "plane.tif"
    tifffile.imwrite(path, noise((37, 53), dtype=dtype), **options)
    pixels, digest = read(path)
    expected = tifffile.imread(path)
    assert np.array_equal(pixels, expected)
    assert pixels.dtype == np.dtype(dtype)
    content = path.read_bytes()
    assert digest == f"{zlib.crc32(content):08x}{zlib.adler32(content):08x}"


@pytest.mark.parametrize("options", PLAIN)
def test_plain_files_take_the_fast_path(tmp_path, options):
    tifffile.imwrite(tmp_path / "plane.tif", noise((37, 53)), **options)
    assert is_plain(tmp_path / "plane.tif")


@pytest.mark.parametrize("options", OTHERS)
def test_other_files_are_left_to_tifffile(tmp_path, options):
    tifffile.imwrite(tmp_path / "plane.tif", noise((37, 53)), **options)
    assert not is_plain(tmp_path / "plane.tif")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("directory_first", [False, True])
@pytest.mark.parametrize(("strips", "gap", "pad"), [(1, 0, 0), (4, 0, 6), (4, 10, 0), (1, 0, 5000)])
def test_files_as_other_programs_write_them(
    tmp_path, order, big, directory_first, strips, gap, pad
):
    image = noise((20, 31))
    path = tmp_path / "plane.tif"
    path.write_bytes(
        tiff_bytes(
            image,
            order=order,
            big=big,
            directory_first=directory_first,
            strips=strips,
            gap=gap,
            pad=pad,
        )
    )
    assert is_plain(path) == (gap == 0)
    assert np.array_equal(read(path)[0], image)
    assert np.array_equal(tifffile.imread(path), image)


def test_blocks_do_not_need_to_fit(tmp_path, monkeypatch):
    """Blocks end within rows, and the last one is short."""
    monkeypatch.setattr(planes_module, "BLOCK", 1000)
    tifffile.imwrite(tmp_path / "plane.tif", noise((37, 53)), byteorder=">", rowsperstrip=3)
    tifffile.imwrite(tmp_path / "lzw.tif", noise((37, 53)), compression="lzw")
    for name in ("plane.tif", "lzw.tif"):
        assert np.array_equal(read(tmp_path / name)[0], noise((37, 53)))


def test_the_palette_is_not_applied(tmp_path):
    image = noise((16, 16), dtype="uint8")
    path = tmp_path / "palette.tif"
    colours = np.zeros((3, 256), "uint16")
    tifffile.imwrite(path, image, photometric="palette", colormap=colours)
    assert np.array_equal(read(path)[0], image)


def test_a_reduced_copy_beside_the_image_is_ignored(tmp_path):
    image = noise((64, 64))
    with tifffile.TiffWriter(tmp_path / "plane.tif") as file:
        file.write(image, metadata=None)
        file.write(image[::4, ::4], subfiletype=1, metadata=None)
    assert np.array_equal(read(tmp_path / "plane.tif")[0], image)


def bad_files() -> dict[str, bytes]:
    """Files that must never become a plane, by what is wrong with them."""

    def written(image, **options) -> bytes:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, image, **options)
        return buffer.getvalue()

    image = noise((32, 32))
    plain, lzw = tiff_bytes(image, directory_first=True), written(image, compression="lzw")
    deflate = written(image, compression="zlib", rowsperstrip=8)
    with tifffile.TiffFile(io.BytesIO(deflate)) as file:
        start, count = file.pages[0].dataoffsets[1], file.pages[0].databytecounts[1]
    zeros_in_strip = deflate[:start] + bytes(count) + deflate[start + count :]
    sparse = io.BytesIO()
    with tifffile.TiffWriter(sparse) as file:
        tiles = [image[:16, :16].tobytes(), b"", b"", image[16:, 16:].tobytes()]
        file.write(iter(tiles), shape=(32, 32), dtype="uint16", tile=(16, 16), compression=None)
    return {
        "no TIFF": b"no TIFF at all" * 100,
        "only zeros": bytes(5000),
        "header only": plain[:100],
        "truncated": plain[:-1],
        "truncated LZW": lzw[: len(lzw) // 2],
        "zeros for a deflate strip": zeros_in_strip,
        "sparse tiles": sparse.getvalue(),
        "colour": written(noise((32, 32, 3), dtype="uint8"), photometric="rgb"),
        "float": written(image.astype("float32")),
        "signed": written(image.astype("int16")),
        "32 bits": written(image.astype("uint32")),
        "two pages": written(noise((2, 32, 32)), photometric="minisblack"),
        "hidden stack": written(noise((5, 32, 32)), imagej=True, metadata={"axes": "ZYX"}),
        "stack with one directory": written(
            noise((5, 32, 32)), truncate=True, photometric="minisblack"
        ),
        "claims a huge image": tiff_bytes(image, tags={256: 1 << 20, 257: 1 << 20}),
    }


@pytest.mark.parametrize("name", sorted(bad_files()))
def test_bad_files_are_refused(tmp_path, name):
    path = tmp_path / "plane.tif"
    path.write_bytes(bad_files()[name])
    with pytest.raises(PlaneError) as error:
        read(path)
    assert error.value.problem


def test_a_missing_file_and_one_of_another_size_are_refused(tmp_path):
    with pytest.raises(PlaneError, match="cannot be opened"):
        read(tmp_path / "none.tif", 100)
    path = tmp_path / "plane.tif"
    tifffile.imwrite(path, noise((8, 8)))
    with pytest.raises(PlaneError, match="when the plate was scanned"):
        read(path, path.stat().st_size - 1)
    with pytest.raises(PlaneError, match="cannot be read"):
        read(tmp_path, tmp_path.stat().st_size)


VARIANTS = [tiff_bytes(noise((12, 12)), directory_first=first, strips=3) for first in (False, True)]
for chosen in (
    {"compression": "lzw"},
    {"tile": (16, 16)},
    {"compression": "zlib", "predictor": True},
):
    file_in_memory = io.BytesIO()
    tifffile.imwrite(file_in_memory, noise((12, 12)), **chosen)
    VARIANTS.append(file_in_memory.getvalue())


@settings(max_examples=300, deadline=None)
@given(
    which=st.integers(0, len(VARIANTS) - 1),
    flips=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.integers(0, 50),
)
def test_damaged_bytes_end_in_a_plane_or_a_plane_error(tmp_path_factory, which, flips, cut):
    content = bytearray(VARIANTS[which])
    for place, value in flips:
        content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / f"flipped_{os.getpid()}.tif"
    path.write_bytes(content[: len(content) - cut])
    with contextlib.suppress(PlaneError):
        read(path)


def test_the_checksum_covers_every_byte(tmp_path):
    path = tmp_path / "plane.tif"
    content = tiff_bytes(noise((12, 12)), strips=2, pad=40) + b"trailing bytes"
    digests = set()
    for place in (2 + 8, 60, len(content) - 3):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        digests.add(read(path)[1])
    path.write_bytes(content)
    assert len(digests | {read(path)[1]}) == 4
