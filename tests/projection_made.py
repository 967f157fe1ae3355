"""Raw planes and plates made up for tests, and the files that scan and admission would write of them."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile

from exvivo.files import write_json, write_text
from exvivo.plates.admission import Admission
from exvivo.plates.base import Fingerprint, RawFile
from exvivo.plates.findings import Well
from exvivo.plates.patterns import Channel
from exvivo.tables import READOUT, read_table


def noise(shape: tuple[int, ...], seed: int = 0, dtype: str = "uint16", high: int = 4000):
    """Made-up grey values from 1 on."""
    high = min(high, int(np.iinfo(dtype).max))
    return np.random.default_rng(seed).integers(1, high, shape).astype(dtype)


def tiff_bytes(
    image: np.ndarray,
    *,
    order: str = "<",
    big: bool = False,
    directory_first: bool = False,
    strips: int = 1,
    gap: int = 0,
    pad: int = 0,
    tags: dict[int, int] | None = None,
) -> bytes:
    """Write a TIFF byte by byte, as libtiff would (directory last) or with gaps between the strips."""
    rows = -(-image.shape[0] // strips)
    parts = [
        image[start : start + rows].astype(image.dtype.newbyteorder(order)).tobytes()
        for start in range(0, image.shape[0], rows)
    ]
    word, size, head = ("Q", 8, 16) if big else ("I", 4, 8)
    entries = {
        256: image.shape[1], 257: image.shape[0], 258: image.itemsize * 8, 259: 1, 262: 1,
        277: 1, 278: rows, **(tags or {}),
    }  # fmt: skip
    table = (8 if big else 2) + (len(entries) + 2) * (20 if big else 12) + size
    lists = 2 * size * len(parts) if len(parts) > 1 else 0  # a single value stands in the entry
    data_start = head + pad + (table + lists if directory_first else 0)
    offsets = [data_start + sum(len(p) + gap for p in parts[:i]) for i in range(len(parts))]
    data = b"".join(part + b"\xff" * gap for part in parts)
    ifd = head + pad if directory_first else data_start + len(data)
    kind = 16 if big else 4

    def number_list(values: list[int], place: int) -> tuple[int, bytes]:
        return (
            (values[0], b"")
            if len(values) == 1
            else (place, b"".join(struct.pack(order + word, v) for v in values))
        )

    at = ifd + table
    first, offset_list = number_list(offsets, at)
    second, count_list = number_list([len(p) for p in parts], at + len(offset_list))
    rows_of_table = [(tag, 4, 1, value) for tag, value in entries.items()]
    rows_of_table += [(273, kind, len(parts), first), (279, kind, len(parts), second)]
    directory = struct.pack(order + ("Q" if big else "H"), len(rows_of_table))
    for tag, code, count, value in sorted(rows_of_table):
        packed = struct.pack(order + ("I" if code == 4 else word), value).ljust(size, b"\0")
        directory += struct.pack(order + "HH" + word, tag, code, count) + packed
    directory += struct.pack(order + word, 0) + offset_list + count_list
    magic = struct.pack(order + "H", 43 if big else 42)
    magic += struct.pack(order + "HHQ", 8, 0, ifd) if big else struct.pack(order + "I", ifd)
    start = (b"II" if order == "<" else b"MM") + magic + b"\0" * pad
    return start + (directory + data if directory_first else data + directory)


@dataclass
class MadePlate:
    """A plate in `folder` / raw, with fingerprint and admission beside it."""

    folder: Path
    files: list[RawFile] = field(default_factory=list)
    admission: Admission = field(default_factory=lambda: Admission("admitted"))

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    def add(self, well: str, fov: int, channel: str, plane: int, content, **options) -> Path:
        """Add one image: an array, written by tifffile with `options`, or the file's bytes."""
        path = self.raw / f"z{plane}" / f"{well}_s{fov}_w{channel}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            tifffile.imwrite(path, content, **options)
        name = path.relative_to(self.raw).as_posix()
        self.files.append(RawFile(well, fov, channel, plane, name, path.stat().st_size))
        self.admission.wells.setdefault(well, Well())
        self.admission.channels.setdefault(channel, Channel())
        return path

    def add_stack(self, well: str, planes: np.ndarray, fov: int = 1, channel: str = "1", **options):
        """Add a stack (n, H, W), plane by plane."""
        for number, plane in enumerate(planes):
            self.add(well, fov, channel, number, plane, **options)

    def arguments(self, **changes) -> dict:
        """Write fingerprint and admission; return what `project_plate` takes."""
        write_text(self.folder / "fingerprint.tsv", Fingerprint(self.files, settled=True).text())
        write_json(self.folder / "admission.json", self.admission.to_json())
        out = self.folder / "out"
        return {
            "folder": self.raw,
            "fingerprint": self.folder / "fingerprint.tsv",
            "admission": self.folder / "admission.json",
            "plate": "P1",
            "channel": "1",
            "input_size": 8,
            "images": out / "images.zarr",
            "wells": out / "wells.zarr",
            "readout": out / "readouts" / "mean_of_stack.parquet",
            "exposure": out / "exposure.parquet",
            "hashes": out / "hashes.tsv",
            "threads": 2,
        } | changes


WELLS = ("B02", "B03", "B10", "C02", "AA01")


def five_wells(folder: Path) -> MadePlate:
    """Five wells with two fields of three planes, 20 × 24 pixels."""
    made = MadePlate(folder)
    for number, well in enumerate(reversed(WELLS)):
        for fov in (2, 1):
            made.add_stack(well, noise((3, 20, 24), seed=10 * number + fov), fov=fov)
    return made


def done_of(arguments: dict) -> tuple[dict, dict]:
    return tuple(
        json.loads(arguments[store].with_suffix(".done.json").read_text())
        for store in ("images", "wells")
    )


def readout_of(arguments: dict) -> dict[str, tuple[float, str]]:
    table = read_table(arguments["readout"], READOUT)
    assert (table["plate"] == "P1").all()
    return {row.well: (row.value, row.flag) for row in table.itertuples()}


def damage(plate: MadePlate, well: str) -> str:
    """Break the last plane of a well behind its header; return its path."""
    file = [file for file in plate.files if file.well == well][-1]
    path = plate.raw / file.path
    path.write_bytes(b"\xff" * path.stat().st_size)
    return file.path
