"""Whether the stores of a plate still hold what projection wrote: they are all that is left once it is archived."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from exvivo.errors import StoreError
from exvivo.files import digest_bytes, read_json
from exvivo.wells.store import done_path, read_wells


def check_stores(plate: Path) -> None:
    """Read both stores of a plate whole and compare them with their done files.

    `plate` is its folder of results. Raises `StoreError` for a store that is missing or differs.
    """
    read_wells(plate / "wells.zarr")
    images = plate / "images.zarr"
    expected, found = read_json(done_path(images)).get("digest"), images_digest(images)
    if found != expected:
        raise StoreError(
            "this store is not as it was written",
            expected=f"digest {expected}",
            found=found,
            where=str(images),
            hint="remove it and run the projection of the plate again",
        )


def images_digest(store: Path) -> str:
    """Digest of all projections of an OME-Zarr plate, as projection writes it into the done file.

    SHA-256 over a line per field: well, field, SHA-256 of its full-size pixels. Raises `StoreError` if an image
    cannot be read.
    """
    import numpy as np
    import zarr
    from zarr.errors import BaseZarrError

    digest = hashlib.sha256()
    try:
        plate = _metadata(store)["plate"]
        for well in plate["wells"]:
            name = well["path"].replace("/", "")
            for entry in _metadata(store / well["path"])["well"]["images"]:
                place = f"{well['path']}/{entry['path']}/0"
                pixels = np.ascontiguousarray(zarr.open_array(store / place, mode="r")[:])
                little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
                one = hashlib.sha256(little).hexdigest()
                digest.update(f"{name} {entry['path']} {one}\n".encode())
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, BaseZarrError) as error:
        raise StoreError(
            "cannot read this store",
            expected="an OME-Zarr plate written by exvivo",
            found=f"{type(error).__name__}: {error}",
            where=str(store),
            hint="remove it and run the projection of the plate again",
        ) from error
    return digest.hexdigest()


def state(plate: Path) -> str:
    """Digest of names, sizes and times of all files of both stores and their done files."""
    rows = []
    for name in ("images", "wells"):
        files = sorted(path for path in (plate / f"{name}.zarr").rglob("*") if path.is_file())
        for path in [*files, plate / f"{name}.done.json"]:
            stat = path.stat()
            rows.append(f"{path.relative_to(plate)} {stat.st_size} {stat.st_mtime_ns}")
    return digest_bytes("\n".join(rows).encode())


def _metadata(group: Path) -> dict:
    return json.loads((group / "zarr.json").read_text(encoding="utf-8"))["attributes"]["ome"]
