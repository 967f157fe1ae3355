"""ImageXpress and MetaXpress (Molecular Devices): exported plates and folders of the raw database.

Folders and names: `<plate>/[<date>/<id>/][TimePoint_t/][ZStep_z/]<name>_<well>[_s<site>][_w<wave>][<GUID>].tif`.
The GUID, 36 characters, follows the last digit at once: `s2084F…` is site 2 and a GUID, so it is taken off
from the end before anything else is read. Facts from faim-ipa's sample plates and specs/viability.md, 1.2.
"""

from __future__ import annotations

import re
from pathlib import Path

from exvivo.plates.base import (
    IMAGE_NAME,
    PROJECTION,
    Expectation,
    Instrument,
    Listing,
    RawFile,
    Reason,
    normal_well,
)
from exvivo.plates.htd import read_htd
from exvivo.plates.places import place
from exvivo.plates.tree import Tree, join, walk

_GUID = re.compile(r"_?\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?$", re.IGNORECASE)
_THUMB = re.compile(r"_thumb\d*$", re.IGNORECASE)
# The shortest beginning, or the wave of `P_B02_w1` would be taken for well W01.
_NAME = re.compile(
    r"(?:.*?_)??(?P<well>[a-z]{1,2}\d{1,2})(?:_s(?P<site>\d{1,4}))?(?:_w(?P<wave>\d{1,2}))?(?:_t(?P<time>\d{1,5}))?",
    re.IGNORECASE,
)
_ZSTEP = re.compile(r"zstep_?(\d{1,4})", re.IGNORECASE)
_TIME = re.compile(r"timepoint_?(\d{1,5})", re.IGNORECASE)


class ImageXpress(Instrument):
    """Plates of ImageXpress instruments, as MetaXpress exports or stores them.

    `ZStep_1` is plane 0. `ZStep_0`, and images that lie beside ZStep folders, are the instrument's own
    projections (plane -1), never planes. A plate without ZStep folders has one plane.
    """

    name = "imagexpress"
    expects = (
        "TIFF images named like plate_B02_s1_w1.tif, in ZStep_1, ZStep_2, … if they are stacks"
    )

    def parse(self, tree: Tree) -> Listing:
        """Tell what each file of `tree` is, by its folder and name alone."""
        listing = Listing()
        stacks = _above_stacks(tree)
        times: dict[int, str] = {}
        for folder, name, stat in tree.files():
            path = join(folder, name)
            if not IMAGE_NAME.search(name):
                _note_other(listing, path, name, stat.bytes)
                continue
            parts = read_name(name)
            if isinstance(parts, str):
                listing.ignored.append((path, parts))
            elif parts is None:
                listing.unrecognised.append(path)
            else:
                well, site, wave, time = parts
                plane = _plane(folder, stacks)
                listing.files.append(RawFile(well, site, wave, plane, path, stat.bytes))
                times.setdefault(time if time is not None else _time_point(folder), path)
        _note_times(listing, times)
        return listing

    def expected(self, folder: Path | str) -> Expectation | None:
        """Read the plate's .HTD file, the one nearest to its root; None if there is none."""
        tree = walk(folder)
        paths = [join(f, name) for f, name, _ in tree.files() if name.lower().endswith(".htd")]
        if not paths:
            return None
        first = min(paths, key=lambda path: (path.count("/"), path))
        return read_htd(place(folder, first), source=first)


def read_name(name: str) -> tuple[str, int, str, int | None] | str | None:
    """Return well, site, wave and time point of a file name; without `_s` site 1, without `_w` wave "1".

    Returns the reason as text for a file to be ignored, None for a name that is not understood.
    """
    if name.startswith("."):
        return "hidden file"
    stem = _GUID.sub("", name[: name.rindex(".")])
    if _THUMB.search(stem):
        return "thumbnail"
    match = _NAME.fullmatch(stem)
    well = normal_well(match["well"]) if match else None
    if match is None or well is None:
        return None
    site = int(match["site"]) if match["site"] else 1
    wave = str(int(match["wave"])) if match["wave"] else "1"
    return well, site, wave, int(match["time"]) if match["time"] else None


def _split_step(folder: str) -> tuple[str, int | None]:
    """Return the folder that holds the ZStep folders, and the number of the step; None outside of one."""
    parent, _, last = folder.rpartition("/")
    match = _ZSTEP.fullmatch(last)
    return (parent, int(match[1])) if match else (folder, None)


def _above_stacks(tree: Tree) -> set[str]:
    """Return the folders above any ZStep folder (but ZStep_0) that holds images."""
    above: set[str] = set()
    for path, folder in tree.folders.items():
        _, step = _split_step(path)
        if step and any(IMAGE_NAME.search(name) for name in folder.files):
            while path:
                path = path.rpartition("/")[0]
                above.add(path)
    return above


def _plane(folder: str, above_stacks: set[str]) -> int:
    _, step = _split_step(folder)
    if step is None:
        return PROJECTION if folder in above_stacks else 0
    return step - 1  # ZStep_0 becomes -1, which is PROJECTION


def _time_point(folder: str) -> int:
    matches = [_TIME.fullmatch(part) for part in folder.split("/")]
    return next((int(match[1]) for match in matches if match), 1)


def _note_other(listing: Listing, path: str, name: str, size: int) -> None:
    if name.lower().endswith(".htd") and not name.startswith("."):
        listing.indexes.append((path, size))
    else:
        listing.ignored.append((path, "not an image"))


def _note_times(listing: Listing, times: dict[int, str]) -> None:
    if len(times) > 1:
        listing.problems.append(
            Reason(
                "time_points",
                "refused",
                found=f"{len(times)} time points: {', '.join(map(str, sorted(times)))}",
                expected="one time point",
                where=times[max(times)],
                hint="let the plate's path in plates.tsv end in the TimePoint folder that is meant",
            )
        )
