"""crops.zarr: the crops of one plate in the order of its table of cells, made to feed a training loop.

One array (n, C, P, P) in chunks of some MB, joined in shards: a plate of a million cells is a few dozen files. A
chunk is what is read at once (`exvivo.crops.reader`); it is not compressed (reading is what counts, and noise does not
compress) and carries a CRC-32C, so damage is an error and never a pixel. What lies in the array in which order
is told by the digest in the done file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exvivo.crops.cut import CropSettings
from exvivo.errors import StoreError
from exvivo.files import read_json
from exvivo.wells.store import done_path

FORMAT = 1
_CHUNK_BYTES = 2 << 20
_SHARD_BYTES = 64 << 20


@dataclass(slots=True)
class CropsWriter:
    """Writes a store at `path` in blocks; at most `capacity` crops.

    Holds one shard (64 MB) in memory. Nothing is finished until `close`: write to a partial path of
    `exvivo.files.replacing`, and the done file after it.
    """

    path: Path
    plate: str
    settings: CropSettings
    capacity: int
    dtype: np.dtype = field(default_factory=lambda: np.dtype(np.uint16))
    count: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)
    _waiting: list[NDArray[np.generic]] = field(default_factory=list)
    _array: Any = None

    def __post_init__(self) -> None:
        import zarr
        from zarr.codecs import Crc32cCodec

        side = self.settings.stored
        shape = (len(self.settings.channels), side, side)
        chunk = max(1, _CHUNK_BYTES // (int(np.prod(shape)) * self.dtype.itemsize))
        chunk = min(chunk, max(1, self.capacity))
        shard = chunk * max(1, min(_SHARD_BYTES // _CHUNK_BYTES, -(-self.capacity // chunk)))
        zarr.create_group(self.path)
        self._array = zarr.create_array(
            str(self.path),
            name="crops",
            shape=(self.capacity, *shape),
            chunks=(chunk, *shape),
            shards=(shard, *shape),
            dtype=self.dtype,
            compressors=[Crc32cCodec()],
            filters=None,
            fill_value=0,
            dimension_names=("cell", "channel", "y", "x"),
            chunk_key_encoding={"name": "default", "separator": "."},
            config={"write_empty_chunks": True},
        )

    def append(self, crops: NDArray[np.generic]) -> None:
        """Add crops (n, C, P, P). Raises `StoreError` if they have another shape or type."""
        expected = self._array.shape[1:]
        if crops.shape[1:] != expected or crops.dtype != self.dtype:
            raise StoreError(
                "these crops do not fit the store",
                expected=f"{self.dtype} of shape (n, {', '.join(map(str, expected))})",
                found=f"{crops.dtype} of shape {crops.shape}",
                where=self.plate,
                hint="report this: it is a fault of exvivo",
            )
        self._digest.update(np.ascontiguousarray(crops).data)
        self._waiting.append(crops)
        self.count += len(crops)
        if sum(map(len, self._waiting)) >= self._array.shards[0]:
            self._flush(whole_shards=True)

    def close(self) -> str:
        """Finish the store; return the digest (SHA-256) of all crops in order."""
        self._flush(whole_shards=False)
        self._array.resize((self.count, *self._array.shape[1:]))
        self._array.update_attributes(
            {
                "format": FORMAT,
                "plate": self.plate,
                "channels": list(self.settings.channels),
                "size": self.settings.size,
                "margin": self.settings.margin,
                "pixel_um": self.settings.pixel_um,
            }
        )
        return self._digest.hexdigest()

    def _flush(self, *, whole_shards: bool) -> None:
        """Write what waits; a shard is written once, so an incomplete one waits until the end."""
        if not self._waiting:
            return
        waiting = np.concatenate(self._waiting)
        shard = self._array.shards[0]
        ready = len(waiting) // shard * shard if whole_shards else len(waiting)
        start = self.count - len(waiting)
        for first in range(0, ready, shard):
            part = waiting[first : min(first + shard, ready)]
            self._array[start + first : start + first + len(part)] = part
        self._waiting = [waiting[ready:].copy()] if ready < len(waiting) else []


@dataclass(frozen=True, slots=True)
class CropStore:
    """A finished store: `array` (n, C, P, P), read lazily, and what its crops are."""

    plate: str
    array: Any
    settings: CropSettings

    def __len__(self) -> int:
        return self.array.shape[0]

    @property
    def chunk(self) -> int:
        """Crops in one chunk: what is read at once."""
        return self.array.chunks[0]

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Read crops `start` to `stop`. Raises `StoreError` if a chunk is missing or damaged."""
        try:
            crops = self.array[start:stop]
        except (OSError, ValueError, RuntimeError) as error:
            raise _fault(
                self.plate,
                "crops of this plate are damaged",
                "chunks with their own checksum",
                str(error),
            ) from error
        return np.ascontiguousarray(crops)

    def digest(self) -> str:
        """SHA-256 of all crops in order: that of the done file if nothing has changed."""
        digest = hashlib.sha256()
        for start in range(0, len(self), self.chunk):
            digest.update(self.read(start, min(start + self.chunk, len(self))).data)
        return digest.hexdigest()


def open_crops(path: Path | str) -> CropStore:
    """Open a finished store. Raises `StoreError` if it is unfinished, missing, incomplete or of another format."""
    import zarr
    from zarr.errors import BaseZarrError

    path = Path(path)
    if not done_path(path).is_file():
        raise _fault(
            str(path), "this store is not finished", f"{done_path(path).name} beside it", "none"
        )
    done = read_json(done_path(path))
    try:
        array = zarr.open_array(str(path), path="crops", mode="r")
        entries = dict(array.attrs)
        if entries["format"] != FORMAT or array.shape[0] != done["crops"]:
            raise ValueError(f"format {entries['format']}, {array.shape[0]} crops")
        settings = CropSettings(
            entries["size"], entries["margin"], entries["pixel_um"], tuple(entries["channels"])
        )
        _check_shards(path / "crops", array)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, BaseZarrError) as error:
        expected = f"format {FORMAT} with {done.get('crops')} crops"
        raise _fault(
            str(path), "cannot read this store", expected, f"{type(error).__name__}: {error}"
        ) from error
    return CropStore(entries["plate"], array, settings)


def _check_shards(folder: Path, array: Any) -> None:
    """A shard that is not there would be read as zeros: refuse it before anybody reads."""
    for number in range(-(-array.shape[0] // array.shards[0])):
        file = folder / f"c.{number}.0.0.0"
        if not file.is_file():
            raise ValueError(f"{file.name} is missing")


def _fault(where: str, problem: str, expected: str, found: str) -> StoreError:
    return StoreError(
        problem,
        expected=expected,
        found=found,
        where=where,
        hint="remove it and run the segmentation of the plate again",
    )
