"""The head of a TIFF file: is the image whole and of a kind that can be used, without decoding it.

Classic TIFF and BigTIFF, both byte orders (TIFF 6.0, sections 2 and 8; BigTIFF: 8-byte offsets, magic
number 43). Files come from outside: every read is bounded by the file's size and by small limits, so that
a hostile or broken file ends in a clear fault and never in a long loop or a large allocation.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from exvivo.errors import PlateError

# Tags that are read (TIFF 6.0, appendix A).
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_DESCRIPTION, _STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS = 270, 273, 277, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS, _FORMAT = 322, 323, 324, 325, 339
_NUMBERS = {
    _SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIP_OFFSETS, _SAMPLES,
    _ROWS_PER_STRIP, _STRIP_COUNTS, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS, _FORMAT,
}  # fmt: skip
_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # BYTE, SHORT, LONG, LONG8

LOSSLESS = {1: "none", 5: "LZW", 8: "deflate", 32773: "PackBits", 32946: "deflate"}
MAX_ENTRIES = 1024  # tags of one image; real files have about 20
MAX_IMAGES = 64  # reduced copies beside the image
MAX_DESCRIPTION = 65_536
MAX_PARTS = 300_000  # an image of 8192² in the smallest tiles, 16²


class TiffFault(PlateError):
    """What is wrong with a TIFF file; `code` names the kind for machines."""

    def __init__(self, code: str, *, found: str, expected: str):
        self.code = code
        super().__init__(code.replace("_", " "), found=found, expected=expected)


@dataclass(frozen=True, slots=True)
class TiffHead:
    """Shape and place of a file's one image.

    Attributes: `height` and `width` in pixels, `dtype` (uint8, uint16), `compression` (TIFF number),
    `parts` (offset, bytes) of its strips or tiles in order, `description` if it was asked for.
    """

    height: int
    width: int
    dtype: str
    compression: int
    parts: tuple[tuple[int, int], ...]
    description: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width


def read_head(handle: BinaryIO, *, max_side: int = 8192, description: bool = False) -> TiffHead:
    """Read and check the head of an open TIFF file.

    `handle` is opened for reading bytes; `max_side` is the largest height or width accepted, in pixels;
    with `description` also ImageDescription is read, at most its first 64 kB.

    Raises `TiffFault`: zero_bytes, not_tiff, truncated, ifd_loop, strip_outside, strips_overlap,
    several_images, too_large, unsupported_tiff.
    """
    reader = _Reader(handle)
    first, rest = _images(reader)
    for tags in rest:
        if not _one(tags, _SUBFILE, 0) & 1:  # bit 0: a reduced copy of another image in the file
            raise TiffFault(
                "several_images",
                found="more than one image in the file",
                expected="one plane per file",
            )
    height, width, dtype, compression = _check_kind(first.numbers, max_side)
    parts = _parts(first.numbers, height, width)
    _check_parts(parts, reader.size)
    if compression == 1:
        _check_amount(parts, height * width * int(dtype[4:]) // 8)
    text = reader.text(*first.description) if description and first.description else ""
    return TiffHead(height, width, dtype, compression, parts, text)


@dataclass(slots=True)
class _Tags:
    numbers: dict[int, tuple[int, ...]]
    description: tuple[int, int] | None = None  # offset, length


class _Reader:
    """Bounded reads from a TIFF file, in its byte order and offset size."""

    def __init__(self, handle: BinaryIO):
        self.handle = handle
        self.size = os.fstat(handle.fileno()).st_size
        if not self.size:
            raise TiffFault("zero_bytes", found="an empty file", expected="a TIFF image")
        head = handle.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        magic = struct.unpack(order + "H", head[2:4])[0] if order and len(head) >= 8 else 0
        if magic not in (42, 43):
            raise TiffFault(
                "not_tiff", found=f"a file that begins with {head[:8]!r}", expected="a TIFF image"
            )
        self.order, self.big = order, magic == 43
        if self.big and (len(head) < 16 or struct.unpack(order + "HH", head[4:8]) != (8, 0)):
            raise TiffFault("not_tiff", found="a damaged BigTIFF header", expected="a TIFF image")
        self.word = "Q" if self.big else "I"
        self.first = struct.unpack(order + self.word, head[8:16] if self.big else head[4:8])[0]

    def at(self, offset: int, count: int) -> bytes:
        if offset + count > self.size:
            raise TiffFault(
                "truncated",
                found=f"{self.size:,} bytes",
                expected=f"at least {offset + count:,} bytes, by the file's own directory",
            )
        self.handle.seek(offset)
        content = self.handle.read(count)
        if len(content) < count:  # the file has just become shorter
            raise TiffFault("truncated", found="a file that shrinks", expected="a file at rest")
        return content

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        layout = self.order + layout
        return struct.unpack(layout, self.at(offset, struct.calcsize(layout)))

    def directory(self, offset: int) -> tuple[_Tags, int]:
        """Read one image's tags; return them and the offset of the next image, 0 if there is none."""
        head, step = ("Q", 20) if self.big else ("H", 12)
        (count,) = self.unpack(head, offset)
        if not 0 < count <= MAX_ENTRIES:
            raise TiffFault(
                "truncated", found=f"a directory of {count} entries", expected="a TIFF directory"
            )
        start = offset + struct.calcsize("<" + head)
        table = self.at(start, count * step)
        tags = _Tags({})
        for index in range(count):
            self._entry(tags, table[index * step : (index + 1) * step], start + index * step)
        return tags, self.unpack(self.word, start + count * step)[0]

    def _entry(self, tags: _Tags, entry: bytes, place: int) -> None:
        tag, kind, count = struct.unpack(
            self.order + "HH" + self.word, entry[: 12 if self.big else 8]
        )
        inline = 12 if self.big else 8  # where the value, or its offset, stands in the entry
        if tag not in _NUMBERS and tag != _DESCRIPTION:
            return
        layout = _TYPES.get(kind, "B")
        bytes_ = count * struct.calcsize("<" + layout)
        (offset,) = struct.unpack(self.order + self.word, entry[inline:])
        offset = place + inline if bytes_ <= len(entry) - inline else offset
        if tag == _DESCRIPTION:
            tags.description = (offset, min(count, MAX_DESCRIPTION))
        elif kind not in _TYPES or not 0 < count <= MAX_PARTS or offset + bytes_ > self.size:
            raise TiffFault(
                "truncated",
                found=f"tag {tag} with {count:,} values of type {kind} at byte {offset:,}",
                expected=f"values within the file's {self.size:,} bytes",
            )
        else:
            tags.numbers[tag] = self.unpack(f"{count}{layout}", offset)

    def text(self, offset: int, count: int) -> str:
        return self.at(offset, count).decode("latin-1").rstrip("\0")


def _images(reader: _Reader) -> tuple[_Tags, list[dict[int, tuple[int, ...]]]]:
    """Follow the chain of directories; return the first one's tags and the numbers of the others."""
    seen: set[int] = set()
    chain: list[_Tags] = []
    offset = reader.first
    while offset:
        if offset in seen:
            raise TiffFault(
                "ifd_loop", found="directories that lead in a circle", expected="a chain that ends"
            )
        if len(chain) >= MAX_IMAGES:
            raise TiffFault(
                "several_images",
                found=f"more than {MAX_IMAGES} images",
                expected="one plane per file",
            )
        seen.add(offset)
        tags, offset = reader.directory(offset)
        chain.append(tags)
    if not chain:
        raise TiffFault("not_tiff", found="a TIFF file without an image", expected="one image")
    return chain[0], [tags.numbers for tags in chain[1:]]


def _check_kind(tags: dict[int, tuple[int, ...]], max_side: int) -> tuple[int, int, str, int]:
    """Return height, width, type and compression of an image that can be used."""
    height, width = _one(tags, _HEIGHT, 0), _one(tags, _WIDTH, 0)
    if not (height and width):
        raise TiffFault("truncated", found=f"height {height}, width {width}", expected="an image")
    if max(height, width) > max_side:
        raise TiffFault(
            "too_large",
            found=f"{height:,} × {width:,} pixels",
            expected=f"sides of at most {max_side:,}",
        )
    bits, samples = tags.get(_BITS, (1,)), _one(tags, _SAMPLES, 1)
    sample_format, photometric = _one(tags, _FORMAT, 1), _one(tags, _PHOTOMETRIC, 1)
    if samples != 1 or bits not in ((8,), (16,)) or sample_format != 1:
        kind = {1: "unsigned", 2: "signed", 3: "floating-point"}.get(sample_format, "unknown")
        raise _unsupported(
            f"{samples} value(s) per pixel of {bits[0]} bits, {kind}",
            "one unsigned 8- or 16-bit value",
        )
    if photometric not in (1, 3):  # 3: palette, whose indices are the grey values
        raise _unsupported(
            f"photometric interpretation {photometric}", "grey values, 0 is black (1)"
        )
    compression = _one(tags, _COMPRESSION, 1)
    if compression not in LOSSLESS:
        raise _unsupported(
            f"compression {compression}", f"lossless: {', '.join(sorted(set(LOSSLESS.values())))}"
        )
    return height, width, f"uint{bits[0]}", compression


def _parts(
    tags: dict[int, tuple[int, ...]], height: int, width: int
) -> tuple[tuple[int, int], ...]:
    """Return offset and bytes of each strip or tile; their number must fit the image."""
    if _TILE_OFFSETS in tags:
        offsets, counts = tags[_TILE_OFFSETS], tags.get(_TILE_COUNTS, ())
        tile_h, tile_w = _one(tags, _TILE_HEIGHT, 0), _one(tags, _TILE_WIDTH, 0)
        number = -(-height // tile_h) * -(-width // tile_w) if tile_h and tile_w else -1
    else:
        offsets, counts = tags.get(_STRIP_OFFSETS, ()), tags.get(_STRIP_COUNTS, ())
        rows = min(_one(tags, _ROWS_PER_STRIP, height), height)
        number = -(-height // rows) if rows else -1
    if not number == len(offsets) == len(counts):
        raise TiffFault(
            "truncated",
            found=f"{len(offsets)} offsets and {len(counts)} lengths",
            expected=f"{max(number, 0)} strips or tiles",
        )
    return tuple(zip(offsets, counts, strict=True))


def _check_parts(parts: tuple[tuple[int, int], ...], size: int) -> None:
    for offset, count in parts:
        if not count or offset >= size:
            raise TiffFault(
                "strip_outside",
                found=f"a strip of {count:,} bytes at byte {offset:,}",
                expected=f"strips within the file's {size:,} bytes",
            )
        if offset + count > size:
            raise TiffFault(
                "truncated",
                found=f"{size:,} bytes",
                expected=f"at least {offset + count:,} bytes of image data",
            )
    ordered = sorted(parts)
    if any(a + n > b for (a, n), (b, _) in pairwise(ordered)):
        raise TiffFault(
            "strips_overlap", found="strips that share bytes", expected="strips of their own bytes"
        )


def _check_amount(parts: tuple[tuple[int, int], ...], needed: int) -> None:
    total = sum(count for _, count in parts)
    if total < needed:
        raise TiffFault(
            "truncated", found=f"{total:,} bytes of image data", expected=f"{needed:,} bytes"
        )


def _one(tags: dict[int, tuple[int, ...]], tag: int, default: int) -> int:
    return tags.get(tag, (default,))[0]


def _unsupported(found: str, expected: str) -> TiffFault:
    return TiffFault("unsupported_tiff", found=found, expected=expected)
