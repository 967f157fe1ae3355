"""Comparing images without decoding them: a few pieces of the stored data, or all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from exvivo.plates.tiff import TiffHead

PIECES, PIECE, TAIL = 6, 2048, 8192  # what `sample` looks at: number, bytes, bytes at the end


@dataclass(frozen=True, slots=True)
class Sample:
    """What a few pieces of an image's data look like: their digest, and whether they hold one value only."""

    digest: bytes
    constant: bool
    zero_tail: bool


def sample(handle: BinaryIO, head: TiffHead) -> Sample:
    """Look at a few pieces spread over the image's data and at its end; at most 20 kB."""
    total = sum(count for _, count in head.parts)
    pieces = [
        b"".join(_range(handle, head, total * (2 * i + 1) // (2 * PIECES), PIECE))
        for i in range(PIECES)
    ]
    tail = b"".join(_range(handle, head, max(0, total - min(TAIL, total // 16)), TAIL))
    size = 2 if head.dtype == "uint16" else 1
    # Pieces may start within a pixel, so one value is judged piece by piece.
    constant = head.compression == 1 and all(
        _one_value(piece, piece[:size]) for piece in pieces if piece
    )
    digest = hashlib.sha256(
        b"".join(pieces) + tail + repr((head.shape, head.dtype, total)).encode()
    ).digest()
    return Sample(digest, constant, head.compression == 1 and bool(tail) and not any(tail))


def pixel_digest(handle: BinaryIO, head: TiffHead) -> tuple[bytes, bool]:
    """SHA-256 of the image's data as stored, read in blocks; and whether it holds one value only.

    Compressed data are taken for one value if they are a hundredth of the image's size.
    """
    digest = hashlib.sha256(repr((head.shape, head.dtype)).encode())
    total = sum(count for _, count in head.parts)
    size = 2 if head.dtype == "uint16" else 1
    constant, first = True, b""
    for block in _range(handle, head, 0, total):
        digest.update(block)
        first = first or block[:size]
        constant = constant and _one_value(block, first)
    if head.compression != 1:
        constant = total * 100 < head.height * head.width * size
    return digest.digest(), constant


def _one_value(block: bytes, value: bytes) -> bool:
    return block == value * (len(block) // len(value)) + value[: len(block) % len(value)]


def _range(
    handle: BinaryIO, head: TiffHead, start: int, count: int, block: int = 1 << 20
) -> Iterator[bytes]:
    """Yield `count` bytes from `start` of the image data, as if strips lay one after another."""
    for offset, size in head.parts:
        if start >= size:
            start -= size
            continue
        take = min(size - start, count)
        handle.seek(offset + start)
        for done in range(0, take, block):
            yield handle.read(min(block, take - done))
        start, count = 0, count - take
        if not count:
            return
