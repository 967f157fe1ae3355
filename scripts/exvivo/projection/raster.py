"""Where the pixels of an uncompressed TIFF lie, so that they can be read straight into an array.

Only the plain case is recognised: one grey image of 8 or 16 bits, unsigned, in strips that follow each
other without a gap. Whatever else a file is (compressed, tiled, several pages, a stack hidden in one page) is
left to tifffile: `find_raster` says None and never guesses. TIFF 6.0, sections 2, 3 and 8; BigTIFF by its
own design note. Reads a few hundred bytes and no pixels.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

import numpy as np

_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # BYTE, SHORT, LONG, LONG8
_MAX_ENTRIES = 4096
_MAX_VALUES = 1 << 16
_WINDOW = 4096

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _OFFSETS, _SAMPLES, _COUNTS, _PREDICTOR = 266, 273, 277, 279, 317
_TILE_WIDTH, _SUB_IFDS, _SAMPLE_FORMAT = 322, 330, 339
_STACKS = (33628, 33629)  # MetaMorph's UIC tags: several planes behind one directory

# Tags that must have this value, and the value they have when they are left out.
_PLAIN = {_COMPRESSION: 1, _FILL_ORDER: 1, _SAMPLES: 1, _PREDICTOR: 1, _SAMPLE_FORMAT: 1}
_WANTED = {_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _OFFSETS, _COUNTS, _TILE_WIDTH, _SUB_IFDS}
_WANTED |= _PLAIN.keys() | set(_STACKS)


@dataclass(frozen=True, slots=True)
class Raster:
    """The pixels of one plane: `shape` (height, width) values of `dtype` from byte `offset` on."""

    offset: int
    shape: tuple[int, int]
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """Number of bytes of all pixels."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize


def find_raster(descriptor: int, size: int) -> Raster | None:
    """Return where the pixels lie in the open file of `size` bytes, or None if it is no plain image."""
    try:
        order, tags = _read_directory(_Window(descriptor))
    except (struct.error, _NotPlain):
        return None
    if not _is_plain(tags):
        return None
    height, width, bits = tags[_HEIGHT][0], tags[_WIDTH][0], tags[_BITS][0]
    raster = Raster(tags[_OFFSETS][0], (height, width), np.dtype(f"{order}u{bits // 8}"))
    offsets, counts = np.array(tags[_OFFSETS], np.uint64), np.array(tags[_COUNTS], np.uint64)
    gapless = len(offsets) == len(counts) and np.array_equal(offsets[1:], (offsets + counts)[:-1])
    inside = raster.bytes > 0 and raster.offset + raster.bytes <= size
    # A second plane would fit behind the first: a stack with one directory (ImageJ, truncated writers).
    alone = size < raster.offset + 2 * raster.bytes
    return raster if gapless and inside and alone and sum(tags[_COUNTS]) == raster.bytes else None


class _NotPlain(Exception):
    """The file is not a plain image, or no TIFF at all."""


def _is_plain(tags: dict[int, tuple[int, ...]]) -> bool:
    return (
        {_WIDTH, _HEIGHT, _BITS, _OFFSETS, _COUNTS} <= tags.keys()
        and not {_TILE_WIDTH, _SUB_IFDS, *_STACKS} & tags.keys()
        and all(tags.get(tag, (value,)) == (value,) for tag, value in _PLAIN.items())
        and tags[_BITS] in ((8,), (16,))
        and tags.get(_PHOTOMETRIC, (1,))[0] in (0, 1)
    )


class _Window:
    """Bytes of a file, fetched in pieces of 4 kB: each read lets another thread in, so few are better."""

    def __init__(self, descriptor: int):
        self._descriptor, self._start, self._piece = descriptor, 0, b""

    def read(self, count: int, offset: int) -> bytes:
        """Return `count` bytes from `offset` on; fewer at the file's end."""
        if offset >= 1 << 62:
            raise _NotPlain
        end = self._start + len(self._piece)
        if not (self._start <= offset and offset + count <= end):
            self._start = offset
            self._piece = os.pread(self._descriptor, max(count, _WINDOW), offset)
        return self._piece[offset - self._start :][:count]


def _read_directory(window: _Window) -> tuple[str, dict[int, tuple[int, ...]]]:
    """Return byte order and the wanted tags of the only directory."""
    head = window.read(16, 0)
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    version = struct.unpack(order + "H", head[2:4])[0] if order else 0
    if version == 42:
        start, count_code, word = struct.unpack(order + "I", head[4:8])[0], "H", "I"
    elif version == 43 and struct.unpack(order + "HH", head[4:8]) == (8, 0):
        start, count_code, word = struct.unpack(order + "Q", head[8:16])[0], "Q", "Q"
    else:
        raise _NotPlain
    count_size, entry_size = struct.calcsize(count_code), 4 + 2 * struct.calcsize(word)
    count = struct.unpack(order + count_code, window.read(count_size, start))[0]
    if count > _MAX_ENTRIES:
        raise _NotPlain
    entries = window.read(count * entry_size + struct.calcsize(word), start + count_size)
    if any(entries[count * entry_size :]):  # another directory follows
        raise _NotPlain
    tags = {}
    for position in range(0, count * entry_size, entry_size):
        tag = struct.unpack_from(order + "H", entries, position)[0]
        if tag in _WANTED:
            tags[tag] = _values(window, order, word, entries, position)
    return order, tags


def _values(window: _Window, order: str, word: str, entries: bytes, position: int) -> tuple:
    """Return the values of one entry, which stand in the entry itself or where it points to."""
    kind, number = struct.unpack_from(f"{order}H{word}", entries, position + 2)
    if kind not in _TYPES or not 0 < number <= _MAX_VALUES:
        return (0,)  # of a type that no plain image has
    code, place = f"{order}{number}{_TYPES[kind]}", position + 4 + struct.calcsize(word)
    if struct.calcsize(code) <= struct.calcsize(word):
        return struct.unpack_from(code, entries, place)
    offset = struct.unpack_from(order + word, entries, place)[0]
    return struct.unpack(code, window.read(struct.calcsize(code), offset))
