"""Reading the pixels of one plane, in blocks where the file allows it, with its checksum on the way.

Every byte of a file is read once. A plain TIFF goes block by block through a buffer that stays in the
processor's cache, and never as a whole through memory; any other is read whole and decoded by tifffile.
Whatever cannot be decoded completely raises `PlaneError`: no missing pixel ever becomes a zero.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from exvivo.checksums import Checksum, new_checksum
from exvivo.errors import PlateError
from exvivo.files import read_buffer
from exvivo.projection.raster import Raster, find_raster

if TYPE_CHECKING:  # imported where a file needs it: most do not
    from tifffile import TiffFile, TiffFrame, TiffPage

BLOCK = 1 << 21  # bytes; stays in cache, and is large enough for threads to meet rarely
_MAX_PIXELS = 1 << 28  # no camera has more; a damaged header may say so
_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16))

# What tifffile and imagecodecs raise on damaged files; ImcdError and its kin are RuntimeErrors.
_DECODING_ERRORS = (
    ValueError,
    RuntimeError,
    OSError,
    LookupError,
    TypeError,
    ArithmeticError,
    EOFError,
    struct.error,
)


class PlaneError(PlateError):
    """One raw image that cannot be used: `problem` the reason, `path` the image in the plate's folder."""

    def __init__(self, reason: str, path: str = ""):
        self.path = path
        super().__init__(reason, where=path)


@dataclass(frozen=True, slots=True)
class PlaneFormat:
    """Size (height, width) and native type of a plane's pixels."""

    shape: tuple[int, int]
    dtype: np.dtype

    def __str__(self) -> str:
        return f"{self.shape[0]} × {self.shape[1]} {self.dtype.name}"


# Called with the format before any pixel, and then with each run of pixels and where it starts.
Begin = Callable[[PlaneFormat], None]
Add = Callable[[int, NDArray], None]


class PlaneReader:
    """Reads planes, one after the other, through one buffer. Not for use by several threads at once."""

    def __init__(self) -> None:
        self._block = read_buffer(BLOCK)

    def read(self, path: Path, size: int, begin: Begin, add: Add) -> Checksum:
        """Pass the pixels of the image at `path` to `begin` and `add`; return the file's checksum.

        `size` is the file's size in bytes according to the fingerprint. Pixels come in native byte order,
        in C order, as one-dimensional arrays that are valid only until the next call. Raises `PlaneError`
        if the file is missing, has another size, or cannot be decoded; `begin` and `add` may raise it too.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise PlaneError(f"cannot be opened: {error.strerror}") from error
        try:
            found = os.fstat(descriptor).st_size
            if found != size:
                raise PlaneError(f"has {found} bytes, {size} when the plate was scanned")
            raster = find_raster(descriptor, size)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            if raster is None:
                return self._decode(descriptor, size, begin, add)
            return self._stream(descriptor, size, raster, begin, add)
        except OSError as error:
            raise PlaneError(f"cannot be read: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def _stream(
        self, descriptor: int, size: int, raster: Raster, begin: Begin, add: Add
    ) -> Checksum:
        checksum = new_checksum()
        native = raster.dtype.newbyteorder("=")
        begin(PlaneFormat(raster.shape, native))
        end = raster.offset + raster.bytes
        for _ in self._blocks(descriptor, 0, raster.offset, checksum):
            pass
        start = 0
        for block in self._blocks(descriptor, raster.offset, end, checksum):
            pixels = np.frombuffer(block, dtype=raster.dtype)
            if not raster.dtype.isnative:
                pixels = pixels.byteswap(inplace=True).view(native)
            add(start, pixels)
            start += pixels.size
        for _ in self._blocks(descriptor, end, size, checksum):
            pass
        return checksum

    def _blocks(
        self, descriptor: int, start: int, stop: int, checksum: Checksum
    ) -> Iterator[memoryview]:
        """Yield the bytes from `start` to `stop` in blocks, each added to `checksum` before."""
        while start < stop:
            block = self._block[: min(BLOCK, stop - start)]
            _fill(descriptor, block, start)
            checksum.update(block)
            start += len(block)
            yield block

    def _decode(self, descriptor: int, size: int, begin: Begin, add: Add) -> Checksum:
        content = bytearray(size)
        _fill(descriptor, memoryview(content), 0)
        checksum = new_checksum()
        checksum.update(content)
        flat = decode_plane(content, begin).reshape(-1)
        run = BLOCK // flat.itemsize
        for start in range(0, flat.size, run):
            add(start, flat[start : start + run])
        return checksum


def decode_plane(content: bytes | bytearray, begin: Begin | None = None) -> NDArray:
    """Decode the one grey image of a TIFF file's `content`: (height, width) uint8 or uint16, native order.

    `begin` is called with its format before anything is decoded. Raises `PlaneError` for a file that is
    damaged, holds no or several images, or has other pixels.
    """
    from tifffile import TiffFile

    try:
        with TiffFile(io.BytesIO(content)) as file:
            page = file.pages[0]
            found = _check_page(file, page, len(content))
            if begin is not None:
                begin(found)
            pixels = page.asarray(maxworkers=1)  # the threads read other planes meanwhile
    except PlaneError:
        raise
    except _DECODING_ERRORS as error:
        raise PlaneError(f"cannot be decoded: {type(error).__name__}: {error}") from error
    if PlaneFormat(pixels.shape, pixels.dtype.newbyteorder("=")) != found:
        raise PlaneError(f"was decoded to {pixels.shape} {pixels.dtype}, not {found}")
    return np.ascontiguousarray(pixels, dtype=found.dtype)


def _check_page(file: TiffFile, page: TiffPage | TiffFrame, size: int) -> PlaneFormat:
    """Return the page's format; refuse what cannot be used and what tifffile would fill with zeros."""
    dtype = np.dtype(page.dtype or np.void).newbyteorder("=")
    if len(page.shape) != 2 or dtype not in _DTYPES:
        raise PlaneError(
            f"has pixels of shape {page.shape}, {page.dtype}, not grey of 8 or 16 bits"
        )
    if not 0 < page.shape[0] * page.shape[1] <= _MAX_PIXELS:
        raise PlaneError(f"has {page.shape[0]} × {page.shape[1]} pixels")
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if not segments or any(count <= 0 or start <= 0 for start, count in segments):
        raise PlaneError("has missing strips or tiles")
    if any(start + count > size for start, count in segments):
        raise PlaneError("ends before its pixels do")
    others = [other for other in file.pages[1:] if other.shape == page.shape]
    if others or len([n for n in file.series[0].shape if n > 1]) > 2:
        raise PlaneError("holds several images, not one plane")
    return PlaneFormat((page.shape[0], page.shape[1]), dtype)


def _fill(descriptor: int, block: memoryview, start: int) -> None:
    """Read exactly `block` from byte `start` on."""
    done = 0
    while done < len(block):
        count = os.preadv(descriptor, [block[done:]], start + done)
        if not count:
            raise PlaneError("ended while it was read")
        done += count
