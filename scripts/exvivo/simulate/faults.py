"""Damage a written plate or its layout, as copying, instruments and people do. For tests.

All functions change files in place and return the paths they touched. Wells are
named as in layouts (B02), planes count from 0 with -1 for the instrument's own projection.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from exvivo.errors import PlateError
from exvivo.plates import get_instrument
from exvivo.sheets.names import FORMATS, parse_well, row_letters
from exvivo.simulate.spoil import SPOILS

Image = NDArray[np.uint16]


def images_of(folder: Path, well: str | None = None, plane: int | None = None) -> list[Path]:
    """Return the images of an ImageXpress plate, of one well or plane if named, in order of well and plane.

    Raises `PlateError` if there is none.
    """
    files = get_instrument("imagexpress").list_files(folder).files
    chosen = [f for f in files if well in (None, f.well) and plane in (None, f.plane)]
    if not chosen:
        raise PlateError(
            "there is no such image to damage",
            expected="an image of this plate",
            found=f"well {well}, plane {plane}",
            where=folder.name,
        )
    return [folder / f.path for f in sorted(chosen, key=lambda f: f.key)]


def remove_plane(folder: Path, well: str, plane: int) -> list[Path]:
    """Delete one plane of a well: a file lost while copying."""
    paths = images_of(folder, well, plane)
    for path in paths:
        path.unlink()
    return paths


def truncate_image(folder: Path, well: str, plane: int, share: float = 0.5) -> list[Path]:
    """Cut an image's file off after `share` of its bytes: a copy that was broken off."""
    paths = images_of(folder, well, plane)
    for path in paths:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
    return paths


def resize_image(folder: Path, well: str, plane: int, size: int) -> list[Path]:
    """Give an image another size (`size` × `size` pixels, cut or continued periodically): other binning."""
    return _change(folder, well, plane, lambda image: np.resize(image, (size, size)))


def empty_well(folder: Path, well: str, seed: int = 0) -> list[Path]:
    """Replace all images of a well by its background: nothing was seeded, or everything washed away.

    The background is taken as normal around each image's lower quartile. The projection is made anew.
    """
    rng = np.random.Generator(np.random.PCG64(seed))

    def background(image: Image) -> Image:
        level = np.percentile(image, 25)
        noise = rng.normal(level, max(1.0, np.sqrt(level)), image.shape)
        return np.clip(np.rint(noise), 0, 65535).astype(image.dtype)

    paths = _change(folder, well, None, background)
    _project_again(folder, well)
    return paths


def spoil_well(folder: Path, well: str, kind: str, seed: int = 0) -> list[Path]:
    """Spoil all images of a well by `kind`, a name in `exvivo.simulate.spoil.SPOILS`; the projection is made anew.

    Each site and wave is one stack. Raises `PlateError` for a kind or a well that there is not.
    """
    if kind not in SPOILS:
        raise PlateError(
            "there is no such fault", expected=", ".join(SPOILS), found=kind, where=folder.name
        )
    paths = images_of(folder, well)
    files = get_instrument("imagexpress").list_files(folder).files
    own = sorted((f for f in files if f.well == well and f.plane >= 0), key=lambda f: f.key)
    for number, key in enumerate(dict.fromkeys(f.key[1:3] for f in own)):
        planes = [folder / f.path for f in own if f.key[1:3] == key]
        stack = np.stack([tifffile.imread(path) for path in planes])
        rng = np.random.Generator(np.random.PCG64([seed, number]))
        for path, image in zip(planes, SPOILS[kind](stack, rng), strict=True):
            _write(path, image)
    _project_again(folder, well)
    return paths


def repeat_planes(folder: Path, well: str, plane: int = 0) -> list[Path]:
    """Put one plane of a well in place of all others, byte by byte: a wave that was not taken as a stack."""
    content = images_of(folder, well, plane)[0].read_bytes()
    paths = images_of(folder, well)
    for path in paths:
        path.write_bytes(content)
    return paths


def half_copy(folder: Path, share: float = 0.5) -> list[Path]:
    """Delete the images after the first `share` of the plate's wells: the copy is still running."""
    paths = images_of(folder)
    gone = paths[int(len(paths) * share) :]
    for path in gone:
        path.unlink()
    return gone


def swap_wells(layout: Path, first: str, second: str, layout_plate: str = "P1") -> list[Path]:
    """Exchange the contents of two wells of a layout: two tubes were mixed up."""
    exchange = {parse_well(first): parse_well(second), parse_well(second): parse_well(first)}
    return _move(layout, layout_plate, lambda place: exchange.get(place, place))


def rotate_layout(layout: Path, plate_format: int, layout_plate: str = "P1") -> list[Path]:
    """Turn a plate of a layout by 180°: the plate lay the wrong way round in the instrument."""
    rows, columns = FORMATS[plate_format]
    return _move(layout, layout_plate, lambda p: (rows - 1 - p[0], columns - 1 - p[1]))


def shift_layout(layout: Path, columns: int = 1, layout_plate: str = "P1") -> list[Path]:
    """Move a plate of a layout to the right by `columns`: the dispenser began one column late."""
    return _move(layout, layout_plate, lambda place: (place[0], place[1] + columns))


def _change(
    folder: Path, well: str, plane: int | None, change: Callable[[Image], Image]
) -> list[Path]:
    paths = images_of(folder, well, plane)
    for path in paths:
        _write(path, change(tifffile.imread(path)))
    return paths


def _project_again(folder: Path, well: str) -> None:
    files = get_instrument("imagexpress").list_files(folder).files
    own = [file for file in files if file.well == well]
    for projection in [file for file in own if file.plane < 0]:
        stack = [
            tifffile.imread(folder / file.path)
            for file in own
            if file.plane >= 0 and file.key[1:3] == projection.key[1:3]
        ]
        _write(folder / projection.path, np.max(stack, axis=0))


def _write(path: Path, image: Image) -> None:
    tifffile.imwrite(path, image, photometric="minisblack", metadata=None, software="MetaSeries")


def _move(
    layout: Path, layout_plate: str, target: Callable[[tuple[int, int]], tuple[int, int]]
) -> list[Path]:
    """Move the contents of one plate of a layout to other wells; the order of rows stays."""
    with layout.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle, delimiter="\t")
        header, rows = list(reader.fieldnames or []), list(reader)
    for row in rows:
        if row["plate"] == layout_plate:
            place = target(parse_well(row["row"] + row["column"]))
            row["row"], row["column"] = row_letters(place[0]), str(place[1] + 1)
    with layout.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, header, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return [layout]
