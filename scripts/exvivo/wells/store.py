"""wells.zarr: one float32 array (n, 2, S, S) on the raw scale, with the names of its wells beside it.

Written image by image in memory that does not grow with their number, read back whole: a 384-well plate
with one field is 120 MB. Sharded, so that a plate is a handful of files and a single image can still be read
alone. Uncompressed: it is about a twentieth of what images.zarr takes. The fill value is NaN, so that a lost file
can never be read as zeros.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exvivo.errors import StoreError
from exvivo.files import read_json, replacing, write_json

CHANNELS = ("MIP", "MID")
FORMAT = 1
_SHARD_BYTES = 16 << 20
_LISTS = ("wells", "fields", "flags")


@dataclass(slots=True)
class WellImages:
    """What the network reads of one plate, in memory.

    Attributes: `plate`; `wells` and `fields` of each image; `images` float32 (n, 2, S, S), channels MIP and
    MID, raw grey values; `max_value` the largest value the raw type can hold, by which training divides;
    `flags` of each image, joined by ";".
    """

    plate: str
    wells: list[str]
    fields: list[int]
    images: NDArray[np.float32]
    max_value: float
    flags: list[str]


@dataclass(slots=True)
class WellsWriter:
    """Writes a store at `path` image by image; at most `capacity` images of `size` × `size` pixels.

    Holds one shard (16 MB) in memory. Nothing is at `path` until `close`; leave it to
    `exvivo.files.replacing` to remove what an interrupted writer has left.
    """

    path: Path
    plate: str
    size: int
    max_value: float
    capacity: int
    _wells: list[str] = field(default_factory=list)
    _fields: list[int] = field(default_factory=list)
    _flags: list[str] = field(default_factory=list)
    _digest: Any = field(default_factory=hashlib.sha256)
    _waiting: list[NDArray[np.float32]] = field(default_factory=list)
    _array: Any = None

    def __post_init__(self) -> None:
        import zarr

        per_image = len(CHANNELS) * self.size * self.size * 4
        shard = max(1, min(_SHARD_BYTES // per_image, max(self.capacity, 1)))
        shape = (len(CHANNELS), self.size, self.size)
        zarr.create_group(self.path)
        self._array = zarr.create_array(
            str(self.path),
            name="images",
            shape=(self.capacity, *shape),
            chunks=(1, *shape),
            shards=(shard, *shape),
            dtype=np.float32,
            compressors=None,
            filters=None,
            fill_value=np.nan,
            dimension_names=("image", "channel", "y", "x"),
            chunk_key_encoding={"name": "default", "separator": "."},
            config={"write_empty_chunks": True},
        )

    def append(self, well: str, fov: int, image: NDArray[np.float32], flags: str = "") -> None:
        """Add the image (2, S, S) of one field. Raises `StoreError` if it has another shape or a NaN."""
        expected = self._array.shape[1:]
        if image.shape != expected or not np.isfinite(image).all():
            raise StoreError(
                "this image does not fit the store",
                expected=f"finite values of shape {expected}",
                found=f"shape {image.shape}",
                where=f"{self.plate} {well}",
                hint="report this: it is a fault of exvivo",
            )
        image = np.ascontiguousarray(image, dtype=np.float32)
        _update(self._digest, well, fov, image)
        self._wells.append(well)
        self._fields.append(int(fov))
        self._flags.append(flags)
        self._waiting.append(image)
        if len(self._waiting) == self._array.shards[0]:
            self._flush()

    def close(self) -> str:
        """Finish the store; return the digest of its content, SHA-256 over names and images in order."""
        self._flush()
        self._array.resize((len(self._wells), *self._array.shape[1:]))
        self._array.update_attributes(
            {
                "format": FORMAT,
                "plate": self.plate,
                "channels": list(CHANNELS),
                "max_value": float(self.max_value),
                "wells": self._wells,
                "fields": self._fields,
                "flags": self._flags,
            }
        )
        return self._digest.hexdigest()

    def _flush(self) -> None:
        if self._waiting:
            stop = len(self._wells)
            self._array[stop - len(self._waiting) : stop] = np.stack(self._waiting)
            self._waiting.clear()


def done_path(store: Path | str) -> Path:
    """Path of the file that says a store is finished: `wells.zarr` has `wells.done.json` beside it."""
    return Path(store).with_suffix(".done.json")


def write_wells(path: Path | str, content: WellImages, **done: Any) -> None:
    """Write `content` as a finished store: `path`, and its done file last with the entries `done`."""
    path = Path(path)
    done_path(path).unlink(missing_ok=True)
    with replacing(path) as partial:
        writer = WellsWriter(
            partial, content.plate, content.images.shape[-1], content.max_value, len(content.wells)
        )
        rows = zip(content.wells, content.fields, content.images, content.flags, strict=True)
        for well, fov, image, flags in rows:
            writer.append(well, fov, image, flags)
        digest = writer.close()
    write_json(done_path(path), {"verdict": "admitted", "digest": digest, **done})


def read_wells(path: Path | str) -> WellImages:
    """Read a whole store, and compare it with its done file.

    A plate that is refused or still arriving has a finished store without images. Raises `StoreError` if the
    store is unfinished, missing, or differs from what was written.
    """
    path = Path(path)
    done = _read_done(path)
    content = _load(path)
    digest = hashlib.sha256()
    for well, fov, image in zip(content.wells, content.fields, content.images, strict=True):
        _update(digest, well, fov, image)
    if digest.hexdigest() != done.get("digest"):
        raise _changed(path, done, digest.hexdigest())
    return content


def iterate_wells(path: Path | str) -> Iterator[WellImages]:
    """Yield a finished store piece by piece, a shard (16 MB) at a time, each with all that `WellImages` has.

    Raises `StoreError` as `read_wells` does; that the content is as it was written is known, and said, only
    after the last piece.
    """
    path = Path(path)
    done, digest = _read_done(path), hashlib.sha256()
    for piece in _pieces(path):
        for well, fov, image in zip(piece.wells, piece.fields, piece.images, strict=True):
            _update(digest, well, fov, image)
        yield piece
    if digest.hexdigest() != done.get("digest"):
        raise _changed(path, done, digest.hexdigest())


def _pieces(path: Path) -> Iterator[WellImages]:
    array, entries = _open(path)
    step = (array.shards or array.chunks)[0]
    for start in range(0, array.shape[0], step):
        stop = min(start + step, array.shape[0])
        try:
            images = np.ascontiguousarray(array[start:stop], dtype=np.float32)
        except (OSError, ValueError, RuntimeError) as error:
            raise _unreadable(path, error) from error
        wells, fields, flags = (entries[name][start:stop] for name in _LISTS)
        yield WellImages(entries["plate"], wells, fields, images, entries["max_value"], flags)


def _open(path: Path) -> tuple[Any, dict[str, Any]]:
    """The array of images, and its attributes as `WellImages` has them."""
    import zarr

    try:
        array = zarr.open_array(str(path), path="images", mode="r")
        found = dict(array.attrs)
        entries = {"plate": found["plate"], "max_value": float(found["max_value"])}
        entries |= {name: list(found[name]) for name in _LISTS}
        if found["format"] != FORMAT or not array.shape[0] == len(entries["wells"]):
            raise ValueError(f"format {found['format']}, {array.shape[0]} images")
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    return array, entries


def _load(path: Path) -> WellImages:
    array, entries = _open(path)
    images, start = np.empty(array.shape, np.float32), 0
    for piece in _pieces(path):
        images[start : start + len(piece.images)] = piece.images
        start += len(piece.images)
    return WellImages(images=images, **entries)


def _read_done(path: Path) -> dict[str, Any]:
    if not done_path(path).is_file():
        raise _fault(
            path, "this store is not finished", f"{done_path(path).name} beside it", "none"
        )
    return read_json(done_path(path))


def _update(digest: Any, well: str, fov: int, image: NDArray[np.float32]) -> None:
    digest.update(f"{well} {fov}\n".encode())
    digest.update(image.astype("<f4", copy=False).data)


def _fault(path: Path, problem: str, expected: str, found: str) -> StoreError:
    return StoreError(
        problem,
        expected=expected,
        found=found,
        where=str(path),
        hint="remove it and run the projection of the plate again",
    )


def _changed(path: Path, done: dict[str, Any], found: str) -> StoreError:
    expected = f"digest {done.get('digest')}"
    return _fault(path, "this store is not as it was written", expected, found)


def _unreadable(path: Path, error: Exception) -> StoreError:
    found = f"{type(error).__name__}: {error}"
    return _fault(path, "cannot read this store", f"wells format {FORMAT}", found)
