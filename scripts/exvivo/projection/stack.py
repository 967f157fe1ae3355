"""One field's stack in one pass: maximum, mid plane and sum, plane by plane.

Definitions (specs/viability.md, sections 1.2 and 18; DESIGN.md, section 6): MIP is the maximum over planes,
MID the plane n // 2 (0-based) of the n planes in z order, MoS the mean over all planes and pixels of the raw
values, background included. The sum is an integer, so the mean is exact but for its last division.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exvivo.checksums import ALGORITHM, FileHash
from exvivo.plates.base import PROJECTION, RawFile
from exvivo.plates.places import place
from exvivo.projection.planes import PlaneError, PlaneFormat, PlaneReader

PROJECTION_ONLY, SINGLE_PLANE, ZERO_PLANE = "projection_only", "single_plane", "zero_plane"


@dataclass(slots=True)
class Projection:
    """What a field's planes come to.

    Attributes: `images` (2, height, width), MIP and MID in the raw dtype; `total` sum and `count` number
    of all raw values, or None where there is only a projection; `flags`; `hashes` of the files read. The
    images belong to the `StackProjector` and are valid until its next field.
    """

    images: NDArray
    total: int | None
    count: int | None
    flags: tuple[str, ...]
    hashes: list[FileHash] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """Mean of the stack in raw grey values; NaN where there is only a projection."""
        return float("nan") if self.total is None else self.total / self.count


class StackProjector:
    """Projects fields, one after the other, in its own memory: two planes and a block. One per thread."""

    def __init__(self) -> None:
        self._reader = PlaneReader()
        self._format: PlaneFormat | None = None
        self._memory = np.empty((2, 0), np.uint16)
        self._mip, self._mid = self._memory
        self._plane, self._sum = 0, 0
        self._middle = 0
        self._flags: list[str] = []

    def project(
        self, folder: Path, files: list[RawFile], expected: PlaneFormat | None = None
    ) -> Projection:
        """Project the images `files` of one field in one channel, which lie below `folder`.

        The instrument's own projection (plane -1) is left aside where there are planes, and stands for
        MIP and MID where there are none. All planes must be alike, and as `expected` if that is given.
        Raises `PlaneError`, which names the file, if any plane cannot be used.
        """
        planes = sorted((f for f in files if f.plane != PROJECTION), key=lambda f: f.plane)
        self._flags = (
            [PROJECTION_ONLY] if not planes else [SINGLE_PLANE] if len(planes) == 1 else []
        )
        planes = planes or list(files)
        if len({file.plane for file in planes}) < len(planes) or not planes:
            raise PlaneError(f"{len(planes)} images for {len({f.plane for f in planes})} planes")
        self._format, self._middle, total = expected, len(planes) // 2, 0
        hashes = []
        for self._plane, file in enumerate(planes):
            hashes.append(self._read(folder, file))
            total += self._sum
        size = self._format.shape[0] * self._format.shape[1]
        stack = PROJECTION_ONLY not in self._flags
        return Projection(
            self._memory.reshape(2, *self._format.shape),
            total if stack else None,
            size * len(planes) if stack else None,
            tuple(dict.fromkeys(self._flags)),
            hashes,
        )

    def _read(self, folder: Path, file: RawFile) -> FileHash:
        try:
            checksum = self._reader.read(
                place(folder, file.path), file.bytes, self._begin, self._add
            )
            if not self._sum:
                self._doubt_zeros()
        except PlaneError as error:
            raise PlaneError(error.problem, file.path) from error
        return FileHash(file.path, file.bytes, ALGORITHM, checksum.hexdigest())

    def _doubt_zeros(self) -> None:
        """A camera's 16 bits have an offset and noise: zeros throughout are a file that was never filled.

        8 bits are made by software, which may well cut a dark plane to zeros: flagged.
        """
        if self._format.dtype.itemsize > 1:
            raise PlaneError("holds nothing but zeros")
        self._flags.append(ZERO_PLANE)

    def _begin(self, found: PlaneFormat) -> None:
        if self._format is not None and found != self._format:
            raise PlaneError(f"is {found}, the others are {self._format}")
        self._format, self._sum = found, 0
        size = found.shape[0] * found.shape[1]
        if self._memory.shape[1] != size or self._memory.dtype != found.dtype:
            self._memory = np.empty((2, size), found.dtype)
            self._mip, self._mid = self._memory

    def _add(self, start: int, pixels: NDArray) -> None:
        mip = self._mip[start : start + pixels.size]
        if self._plane:
            np.maximum(mip, pixels, out=mip)
        else:
            mip[:] = pixels
        if self._plane == self._middle:
            self._mid[start : start + pixels.size] = pixels
        self._sum += exact_sum(pixels)


def exact_sum(pixels: NDArray) -> int:
    """Sum of contiguous uint8 or uint16 `pixels`: what `pixels.sum(dtype=uint64)` gives, three times as fast.

    The sum takes longer than the maximum, so it sets the pace; Arrow's addition in 64 bits is vectorised,
    numpy's is not.
    """
    import pyarrow
    from pyarrow.compute import sum as arrow_sum

    kind = pyarrow.uint16() if pixels.itemsize == 2 else pyarrow.uint8()
    buffer = pyarrow.py_buffer(pixels)
    return arrow_sum(pyarrow.Array.from_buffers(kind, pixels.size, [None, buffer])).as_py()
