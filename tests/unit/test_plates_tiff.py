"""Heads of TIFF files: whole ones are read as tifffile reads them, others end in a clear fault."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exvivo.plates.pixels import pixel_digest, sample
from exvivo.plates.tiff import TiffFault, read_head
from plates_made import classic_tiff, noise, write_image

# Tags of an 8-bit image of 4 × 5 pixels in one strip at byte 200.
GOOD = [
    (256, 3, 1, 5), (257, 3, 1, 4), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
    (273, 4, 1, 200), (277, 3, 1, 1), (278, 3, 1, 4), (279, 4, 1, 20),
]  # fmt: skip


def _with(*changes: tuple[int, int, int, int], drop: int = 0) -> bytes:
    """The good image with tags replaced; padded so that the strip's 20 bytes end the file."""
    tags = {tag[0]: tag for tag in GOOD if tag[0] != drop} | {tag[0]: tag for tag in changes}
    head = classic_tiff([tags[key] for key in sorted(tags)])
    return head.ljust(200, b"\0") + bytes(range(20))


def _head(path: Path, **options):
    with path.open("rb") as handle:
        return read_head(handle, **options)


def _fault(tmp_path: Path, content: bytes, **options) -> TiffFault:
    path = tmp_path / "image.tif"
    path.write_bytes(content)
    start = time.monotonic()
    with pytest.raises(TiffFault) as error:
        _head(path, **options)
    assert time.monotonic() - start < 1
    return error.value


def test_the_good_image_is_good(tmp_path):
    (tmp_path / "image.tif").write_bytes(_with())
    head = _head(tmp_path / "image.tif")
    assert (head.shape, head.dtype, head.parts) == ((4, 5), "uint8", ((200, 20),))


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 7},
        {"tile": (16, 16)},
        {"compression": "zlib"},
        {"compression": "lzw", "rowsperstrip": 5},
        {"compression": "packbits"},
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_heads_agree_with_tifffile(tmp_path, bigtiff, byteorder, options, dtype):
    path = write_image(
        tmp_path / "a.tif",
        noise("a", (40, 33), dtype),
        bigtiff=bigtiff,
        byteorder=byteorder,
        metadata=None,
        description="hello",
        **options,
    )
    head = _head(path, description=True)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert head.shape == page.shape
        assert head.dtype == str(page.dtype)
        assert [offset for offset, _ in head.parts] == list(page.dataoffsets)
        assert [count for _, count in head.parts] == list(page.databytecounts)
    assert head.description == "hello"


def test_reduced_copies_beside_the_image_are_no_second_image(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(noise("a", (64, 64)))
        writer.write(noise("a", (32, 32)), subfiletype=1)
    assert _head(tmp_path / "a.tif").shape == (64, 64)


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", "zero_bytes", "an empty file"),
        (b"II", "not_tiff", "begins with b'II'"),
        (b"plate B02, copied by hand", "not_tiff", "begins with b'plate B0'"),
        (b"II\x2b\x00\x04\x00\x00\x00" + b"\0" * 8, "not_tiff", "BigTIFF header"),
        (b"II\x2a\x00\x00\x00\x00\x00", "not_tiff", "without an image"),
        (b"II\x2a\x00\xff\xff\xff\xff", "truncated", "8 bytes"),
        (_with()[:100], "truncated", "100 bytes"),
        (_with()[:-1], "truncated", "219 bytes"),
        (_with((273, 4, 1, 5000)), "strip_outside", "at byte 5,000"),
        (_with((279, 4, 1, 0)), "strip_outside", "a strip of 0 bytes"),
        (_with((279, 4, 1, 19)), "truncated", "19 bytes of image data"),
        (_with((279, 4, 1, 2**32 - 1)), "truncated", "at least 4,294,967,495"),
        (_with((278, 3, 1, 2)), "truncated", "1 offsets and 1 lengths"),
        (_with((278, 3, 1, 0)), "truncated", "1 offsets"),
        (_with(drop=279), "truncated", "1 offsets and 0 lengths"),
        (_with(drop=256), "truncated", "height 4, width 0"),
        (_with((256, 4, 1, 2_000_000_000)), "too_large", "2,000,000,000 pixels"),
        (_with((273, 4, 2**31, 200)), "truncated", "2,147,483,648 values"),
        (_with((256, 12, 1, 5)), "truncated", "type 12"),
        (_with((258, 3, 1, 12)), "unsupported_tiff", "12 bits"),
        (_with((258, 3, 1, 16), (339, 3, 1, 2)), "unsupported_tiff", "signed"),
        (_with((258, 3, 1, 32), (339, 3, 1, 3)), "unsupported_tiff", "floating-point"),
        (_with((277, 3, 1, 3)), "unsupported_tiff", "3 value(s) per pixel"),
        (_with((262, 3, 1, 0)), "unsupported_tiff", "photometric interpretation 0"),
        (_with((259, 3, 1, 7)), "unsupported_tiff", "compression 7"),
    ],
)
def test_faults(tmp_path, content, code, message):
    fault = _fault(tmp_path, content)
    assert fault.code == code
    assert message in str(fault)


def test_directories_in_a_circle(tmp_path):
    content = classic_tiff(GOOD, next_ifd=8).ljust(200, b"\0") + bytes(20)
    assert _fault(tmp_path, content).code == "ifd_loop"


def test_a_chain_of_many_directories_ends(tmp_path):
    step = 2 + 12 + 4
    content = b"II\x2a\x00\x08\x00\x00\x00"
    for index in range(10_000):
        entry = struct.pack("<HHII", 256, 4, 1, 5)
        content += struct.pack("<H", 1) + entry + struct.pack("<I", 8 + (index + 1) * step)
    assert _fault(tmp_path, content).code == "several_images"


def test_several_images_in_a_file(tmp_path):
    stack = io.BytesIO()
    tifffile.imwrite(stack, np.zeros((3, 8, 8), "uint16"), photometric="minisblack")
    fault = _fault(tmp_path, stack.getvalue())
    assert fault.code == "several_images"
    assert "one plane per file" in str(fault)


def test_a_directory_of_absurdly_many_entries(tmp_path):
    content = b"II\x2a\x00\x08\x00\x00\x00" + struct.pack("<H", 65_535) + bytes(1000)
    assert "a directory of 65535 entries" in str(_fault(tmp_path, content))
    big = b"II\x2b\x00\x08\x00\x00\x00" + struct.pack("<QQ", 16, 2**63)
    assert _fault(tmp_path, big).code == "truncated"


def test_strips_that_share_bytes(tmp_path):
    tags = dict((tag[0], tag) for tag in GOOD) | {
        256: (256, 3, 1, 5), 257: (257, 3, 1, 8), 273: (273, 4, 2, 150), 279: (279, 4, 2, 158),
    }  # fmt: skip
    head = classic_tiff([tags[key] for key in sorted(tags)]).ljust(150, b"\0")
    content = head + struct.pack("<IIII", 200, 210, 20, 20) + bytes(100)
    assert _fault(tmp_path, content).code == "strips_overlap"


def test_a_side_beyond_the_limit(tmp_path):
    path = write_image(tmp_path / "a.tif", np.zeros((10, 300), "uint8"))
    assert _head(path, max_side=300).shape == (10, 300)
    with pytest.raises(TiffFault, match="sides of at most 299"):
        _head(path, max_side=299)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(st.tuples(st.integers(0, 219), st.integers(0, 255)), max_size=6))
def test_any_change_of_bytes_ends_well(tmp_path, changes):
    content = bytearray(_with())
    for place, value in changes:
        content[place] = value
    path = tmp_path / "image.tif"
    path.write_bytes(content)
    with path.open("rb") as handle:
        try:
            head = read_head(handle)
        except TiffFault as fault:
            assert fault.code
            return
        assert head.height * head.width <= 8192**2
        assert all(offset >= 0 and offset + count <= 220 for offset, count in head.parts)
        sample(handle, head)


def _sample(path: Path):
    with path.open("rb") as handle:
        return sample(handle, read_head(handle))


def _pixels(path: Path):
    with path.open("rb") as handle:
        return pixel_digest(handle, read_head(handle))


@pytest.mark.parametrize("options", [{}, {"rowsperstrip": 3}, {"compression": "zlib"}])
def test_samples_and_digests_tell_images_apart(tmp_path, options):
    image = noise("a", (200, 150))
    other = image.copy()
    other[100, 75] += 1
    first = write_image(tmp_path / "1.tif", image, **options, description="one")
    copy = write_image(tmp_path / "2.tif", image, **options, description="another")
    near = write_image(tmp_path / "3.tif", other, **options)
    assert (
        _sample(first)
        == _sample(copy)
        != _sample(write_image(tmp_path / "4.tif", image + 1, **options))
    )
    assert _pixels(first) == _pixels(copy) != _pixels(near)
    assert not _pixels(first)[1]


def test_images_of_one_value_and_images_that_end_in_zeros(tmp_path):
    flat = write_image(tmp_path / "1.tif", np.full((200, 150), 517, "uint16"))
    assert _sample(flat).constant
    assert _pixels(flat)[1]
    half = noise("a", (200, 150))
    half[120:] = 0
    broken = _sample(write_image(tmp_path / "2.tif", half))
    assert broken.zero_tail
    assert not broken.constant
    assert not _sample(write_image(tmp_path / "3.tif", noise("a", (200, 150)))).zero_tail
