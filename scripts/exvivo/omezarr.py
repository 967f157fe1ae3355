"""Writing a plate of projections as OME-Zarr 0.5 (HCS layout, Zarr v3).

Layout: `plate / row / column / field / level`, axes c, y, x, projections as channels. Only wells that were
imaged appear. Facility storage counts files, so an image has few levels (each a quarter of the side of the
one before), each level is one file (a shard of 512² chunks, from which a viewer reads what it shows), and
chunk keys are joined by dots, not folders. Chunks are bit-shuffled LZ4: on real plates about half the size
at the speed of a disk (python benchmarks/projection.py). Specification: ngff.openmicroscopy.org/0.5.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exvivo.sheets.names import parse_well

VERSION = "0.5"
STEP = 4  # ratio of the sides of two levels
SMALLEST = 256  # px: no further level below this side
CHUNK = 512
COLOUR = "FFFFFF"


def reduce_area(image: NDArray, step: int = STEP) -> NDArray:
    """Average unsigned `image` (..., H, W) over step × step blocks, rounded half up, same dtype.

    The result has ceil(H / step) × ceil(W / step) pixels; blocks at the end average what there is of them.
    """
    height, width = image.shape[-2:]
    rows = -(-height // step)
    sums = np.zeros(
        (*image.shape[:-2], rows, width), np.uint64 if image.itemsize > 2 else np.uint32
    )
    for start in range(step):
        part = image[..., start::step, :]
        sums[..., : part.shape[-2], :] += part
    columns = np.zeros((*sums.shape[:-1], -(-width // step)), sums.dtype)
    for start in range(step):
        part = sums[..., start::step]
        columns[..., : part.shape[-1]] += part
    covered = np.outer(_covered(height, step), _covered(width, step)).astype(sums.dtype)
    return ((columns + covered // 2) // covered).astype(image.dtype)


def _covered(length: int, step: int) -> NDArray[np.int64]:
    """How many pixels each block of `step` really covers along a side of `length`."""
    starts = np.arange(0, length, step)
    return np.minimum(step, length - starts)


class Histogram:
    """Grey values of a whole plate, sampled, for one display range per channel. Add under a lock."""

    def __init__(self, channels: int, largest: int):
        self.counts = np.zeros((channels, largest + 1), np.int64)

    def add(self, image: NDArray, every: int = 8) -> None:
        """Count every eighth row and column of `image` (C, H, W)."""
        for counts, channel in zip(self.counts, image, strict=True):
            counts += np.bincount(channel[::every, ::every].ravel(), minlength=counts.size)

    def windows(self, low: float = 0.001, high: float = 0.999) -> list[dict[str, int]]:
        """Return min, max, start and end of each channel's display range; start < end always."""
        largest, windows = self.counts.shape[1] - 1, []
        for counts in self.counts:
            share = np.cumsum(counts) / max(counts.sum(), 1)
            start, end = (int(np.searchsorted(share, q)) for q in (low, high))
            end = min(max(end, start + 1), largest)
            windows.append({"min": 0, "max": largest, "start": min(start, end - 1), "end": end})
        return windows


@dataclass(slots=True)
class PlateWriter:
    """Writes the images of one plate to `path`; fields in any order and from several threads.

    Attributes: `plate` its id; `channels` their names; `pixel_size_um` side of a pixel in micrometres, if
    known. `finish` writes all metadata except the arrays' own: until then it is no OME-Zarr.
    """

    path: Path
    plate: str
    channels: tuple[str, ...]
    pixel_size_um: float | None = None
    _shapes: dict[tuple[str, int], tuple[int, ...]] = field(default_factory=dict)

    def write_field(self, well: str, fov: int, image: NDArray) -> str:
        """Write `image` (C, H, W) with its pyramid; return the SHA-256 of its pixels, little-endian."""
        folder = self.path / _well_path(well) / str(fov)
        levels = [image]
        while max(levels[-1].shape[-2:]) > SMALLEST:
            levels.append(reduce_area(levels[-1]))
        for number, level in enumerate(levels):
            _write_array(folder / str(number), level)
        self._shapes[well, fov] = image.shape
        return hashlib.sha256(image.astype(image.dtype.newbyteorder("<"), copy=False)).hexdigest()

    def discard(self, well: str) -> None:
        """Remove what was written of a well that turned out to be damaged."""
        shutil.rmtree(self.path / _well_path(well), ignore_errors=True)

    def finish(self, wells: dict[str, list[int]], windows: list[dict[str, int]]) -> None:
        """Write the metadata of plate, rows, `wells` (their fields) and images.

        `windows` are the display ranges of the channels, the same for all images of the plate.
        """
        names = sorted(wells, key=parse_well)
        rows = sorted({_well_path(well).split("/")[0] for well in names}, key=lambda r: (len(r), r))
        columns = sorted({_well_path(well).split("/")[1] for well in names})
        entries = []
        for well in names:
            row, column = _well_path(well).split("/")
            place = {"rowIndex": rows.index(row), "columnIndex": columns.index(column)}
            entries.append({"path": f"{row}/{column}"} | place)
            self._write_well(well, sorted(wells[well]), windows)
        for row in rows:
            _write_group(self.path / row, {})
        plate = {
            "columns": [{"name": name} for name in columns],
            "rows": [{"name": name} for name in rows],
            "wells": entries,
            "field_count": max((len(fields) for fields in wells.values()), default=0),
            "name": self.plate,
            "version": VERSION,
        }
        if not plate["field_count"]:  # the specification has no place for a plate without images
            del plate["field_count"]
        _write_group(self.path, {"ome": {"version": VERSION, "plate": plate}})

    def _write_well(self, well: str, fields: list[int], windows: list[dict[str, int]]) -> None:
        folder = self.path / _well_path(well)
        images = {"images": [{"path": str(fov)} for fov in fields], "version": VERSION}
        _write_group(folder, {"ome": {"version": VERSION, "well": images}})
        for fov in fields:
            image = self._describe_image(f"{well} field {fov}", self._shapes[well, fov], windows)
            _write_group(folder / str(fov), {"ome": image})

    def _describe_image(
        self, name: str, shape: tuple[int, ...], windows: Iterable[dict[str, int]]
    ) -> dict[str, Any]:
        size = self.pixel_size_um or 1.0
        unit = {"unit": "micrometer"} if self.pixel_size_um else {}
        channels = [
            {"label": label, "color": COLOUR, "active": label == self.channels[0], "window": window}
            for label, window in zip(self.channels, windows, strict=True)
        ]
        return {
            "version": VERSION,
            "multiscales": [
                {
                    "name": name,
                    "type": "area mean",
                    "axes": [
                        {"name": "c", "type": "channel"},
                        {"name": "y", "type": "space", **unit},
                        {"name": "x", "type": "space", **unit},
                    ],
                    "datasets": [
                        _describe_level(level, size) for level in range(_count_levels(shape))
                    ],
                }
            ],
            "omero": {"channels": channels, "rdefs": {"model": "greyscale", "defaultZ": 0}},
        }


def _count_levels(shape: tuple[int, ...]) -> int:
    side, count = max(shape[-2:]), 1
    while side > SMALLEST:
        side, count = -(-side // STEP), count + 1
    return count


def _describe_level(level: int, size: float) -> dict[str, Any]:
    ratio = STEP**level
    shift = (
        (ratio - 1) / 2 * size
    )  # the first pixel's centre lies in the middle of what it averages
    transformations: list[dict[str, Any]] = [
        {"type": "scale", "scale": [1.0, ratio * size, ratio * size]}
    ]
    if level:
        transformations.append({"type": "translation", "translation": [0.0, shift, shift]})
    return {"path": str(level), "coordinateTransformations": transformations}


def _well_path(well: str) -> str:
    letters = well.rstrip("0123456789")
    return f"{letters}/{well[len(letters) :]}"


def _write_array(path: Path, image: NDArray) -> None:
    """Write `image` (C, H, W) as an array of one shard; what zarr would write, chunk by chunk.

    Zarr's own writer holds several copies of an image and lets one thread do the work of all; here memory
    is that of a chunk. A shard is its chunks, then an index of offset and length of each with its CRC-32C
    (Zarr v3, sharding codec 1.0). Tests compare it with zarr's.
    """
    from google_crc32c import value as crc32c
    from numcodecs import Blosc

    blosc = Blosc(cname="lz4", clevel=1, shuffle=Blosc.BITSHUFFLE)
    _, height, width = image.shape
    chunk = (min(CHUNK, height), min(CHUNK, width))
    index: list[tuple[int, int]] = []
    path.mkdir(parents=True)
    with (path / "c.0.0.0").open("wb") as shard:
        for channel in image:
            for y in range(0, height, chunk[0]):
                for x in range(0, width, chunk[1]):
                    encoded = blosc.encode(_pad(channel[y : y + chunk[0], x : x + chunk[1]], chunk))
                    index.append((shard.tell(), len(encoded)))
                    shard.write(encoded)
        table = np.array(index, "<u8").tobytes()
        shard.write(table + crc32c(table).to_bytes(4, "little"))
    content = _describe_array(image, (1, *chunk))
    (path / "zarr.json").write_text(json.dumps(content), encoding="utf-8")


def _pad(part: NDArray, chunk: tuple[int, int]) -> NDArray:
    """Return `part` as a contiguous array of the size of `chunk`, filled up with zeros beyond the image."""
    if part.shape == chunk:
        return np.ascontiguousarray(part)
    whole = np.zeros(chunk, part.dtype)
    whole[: part.shape[0], : part.shape[1]] = part
    return whole


def _describe_array(image: NDArray, chunk: tuple[int, ...]) -> dict[str, Any]:
    """Return the metadata (zarr.json) of an array of one shard."""
    shard = [-(-side // part) * part for side, part in zip(image.shape, chunk, strict=True)]
    little: dict[str, Any] = {"name": "bytes"}
    if image.itemsize > 1:
        little["configuration"] = {"endian": "little"}
    blosc = {
        "typesize": image.itemsize,
        "cname": "lz4",
        "clevel": 1,
        "shuffle": "bitshuffle",
        "blocksize": 0,
    }
    sharding = {
        "chunk_shape": list(chunk),
        "codecs": [little, {"name": "blosc", "configuration": blosc}],
        "index_codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "crc32c"},
        ],
        "index_location": "end",
    }
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(image.shape),
        "data_type": image.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "attributes": {},
        "dimension_names": ["c", "y", "x"],
        "storage_transformers": [],
    }


def _write_group(path: Path, attributes: dict[str, Any]) -> None:
    """Write a group's metadata; the whole plate is renamed later, so nothing here needs to be atomic."""
    path.mkdir(parents=True, exist_ok=True)
    content = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    (path / "zarr.json").write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
