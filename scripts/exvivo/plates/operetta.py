"""Operetta and Opera Phenix (PerkinElmer/Revvity Harmony): the index says which file is which image."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from exvivo.errors import ExvivoError, PlateError
from exvivo.plates.base import (
    IMAGE_NAME,
    Expectation,
    Instrument,
    Listing,
    RawFile,
    Reason,
    natural,
    well_key,
)
from exvivo.plates.harmony import Index, IndexImage, read_index, read_layout_wells
from exvivo.plates.places import place
from exvivo.plates.tree import Tree, join, walk
from exvivo.privacy.policy import current
from exvivo.sheets.names import well_name

_INDEXES = ("index.idx.xml", "index.xml")  # the first one found nearest to the plate's root
_LAYOUT_FOLDER = "assaylayout"
_SHOWN = 10


class Operetta(Instrument):
    """Plates as Harmony exports them: `Images/Index.idx.xml` or `Images/Index.xml` and the images beside it.

    Planes are those of the index less 1. Images that the index does not list are not used.
    """

    name = "operetta"
    expects = "Index.idx.xml or Index.xml and the images it lists"

    def parse(self, tree: Tree) -> Listing:
        """Join the index with the files that are there. Raises `PlateError` without a whole index."""
        source = _find_index(tree)
        index = read_index(place(tree.root, source), source=source)
        beside = PurePosixPath(source).parent.as_posix().removeprefix(".")
        stats = tree.stats()
        # Windows does not mind the case of names, so an index may differ from the copy's names in it.
        by_case = {path.casefold(): path for path in stats}
        listing = Listing(indexes=[(source, stats[source].bytes)])
        used = {source}
        for image in index.images:
            url = current().carry_path(image.url.replace("\\", "/"), source)
            path = by_case.get(join(beside, url).casefold())
            if path is None or not _inside(image.url):
                continue
            used.add(path)
            listing.files.append(_raw_file(image, path, stats[path].bytes, source))
        for path in sorted(set(stats) - used):
            if IMAGE_NAME.search(path) and not PurePosixPath(path).name.startswith("."):
                listing.unrecognised.append(path)
            else:
                listing.ignored.append((path, "not an image"))
        listing.problems += _problems(index, source)
        return listing

    def expected(self, folder: Path | str) -> Expectation | None:
        """Return every image that the index lists. Raises `PlateError` without a whole index."""
        tree = walk(folder)
        source = _find_index(tree)
        index = read_index(place(tree.root, source), source=source)
        keys = {_key(image, source) for image in index.images}
        wells = {key[0] for key in keys} | {
            _well(row, column, source) for row, column in index.wells
        }
        sizes, steps = set(index.size_px.values()), set(index.resolution_m.values())
        return Expectation(
            source=source,
            wells=tuple(sorted(wells, key=well_key)),
            channels=tuple(sorted({key[2] for key in keys}, key=natural)),
            images=frozenset(keys),
            channel_names=dict(index.channel_names),
            pixel_size_um=steps.pop() * 1e6 if len(steps) == 1 else None,
            size_px=sizes.pop() if len(sizes) == 1 else None,
            notes=tuple(_layout_notes(tree, wells)),
        )


def _find_index(tree: Tree) -> str:
    found = [
        (folder.count("/") + bool(folder), _INDEXES.index(name.lower()), folder, name)
        for folder, name, _ in tree.files()
        if name.lower() in _INDEXES
    ]
    if not found:
        raise PlateError(
            "there is no index",
            expected="Index.idx.xml or Index.xml beside the images",
            found="neither",
            where=tree.root.name,
            hint="copy the whole folder as Harmony exported it; for images without an index use instrument 'pattern'",
        )
    depth, _, folder, name = min(found)
    others = sorted({other for level, _, other, _ in found if level == depth} - {folder})
    if others:
        raise PlateError(
            "there is more than one measurement",
            expected="one index",
            found=f"indexes in {', '.join([folder, *others][:_SHOWN])}",
            where=tree.root.name,
            hint="let the plate's path in plates.tsv end in the measurement that is meant",
        )
    return join(folder, name)


def _raw_file(image: IndexImage, path: str, size: int, source: str) -> RawFile:
    well, field, channel, plane = _key(image, source)
    return RawFile(well, field, channel, plane, path, size)


def _key(image: IndexImage, source: str) -> tuple[str, int, str, int]:
    if image.plane < 1:
        raise PlateError(
            "this index cannot be used",
            expected="planes counted from 1",
            found=f"plane {image.plane}",
            where=source,
            hint="export the plate again from Harmony",
        )
    return _well(image.row, image.column, source), image.field, image.channel, image.plane - 1


def _well(row: int, column: int, source: str) -> str:
    if not (1 <= row <= 32 and 1 <= column <= 48):
        raise PlateError(
            "this index cannot be used",
            expected="rows 1 to 32 and columns 1 to 48",
            found=f"row {row}, column {column}",
            where=source,
            hint="export the plate again from Harmony",
        )
    return well_name(row - 1, column - 1)


def _inside(url: str) -> bool:
    """Whether a file name of the index stays within its folder."""
    path = PurePosixPath(url.replace("\\", "/"))
    return bool(url) and not path.is_absolute() and ".." not in path.parts and ":" not in url


def _problems(index: Index, source: str) -> list[Reason]:
    problems = []
    times = sorted({image.time_point for image in index.images})
    if len(times) > 1:
        problems.append(
            Reason(
                "time_points",
                "refused",
                found=f"{len(times)} time points",
                expected="one time point",
                where=source,
                hint="export one time point from Harmony",
            )
        )
    outside = [image.url for image in index.images if image.url and not _inside(image.url)]
    if outside:
        problems.append(
            Reason(
                "path_outside",
                "refused",
                found=f"{len(outside)} file name(s) that leave the folder, such as {outside[0][:80]!a}",
                expected="images beside the index",
                where=source,
                hint="export the plate again from Harmony",
            )
        )
    states = sorted({image.state for image in index.images} - {"Ok", "OK", "ok"})
    if states:
        count = sum(image.state in states for image in index.images)
        problems.append(
            Reason(
                "image_state",
                "warning",
                found=f"{count} image(s) in state {', '.join(map(ascii, states[:_SHOWN]))}",
                expected="state Ok",
                where=source,
                hint="look at the measurement's log in Harmony",
            )
        )
    return problems


def _layout_notes(tree: Tree, wells: set[str]) -> list[Reason]:
    """Report wells to which an assay layout of the plate gives a meaning and which were not imaged."""
    notes = []
    for folder, name, _ in tree.files():
        if folder.rpartition("/")[2].lower() != _LAYOUT_FOLDER or not name.lower().endswith(".xml"):
            continue
        source = join(folder, name)
        try:
            named = {
                _well(row, column, source)
                for row, column in read_layout_wells(place(tree.root, source), source=source)
            }
        except ExvivoError as error:
            notes.append(Reason.of("assay_layout_damaged", "warning", error))
            continue
        others = sorted(named - wells, key=well_key)
        if others:
            shown = ", ".join(others[:_SHOWN]) + (" …" if len(others) > _SHOWN else "")
            notes.append(
                Reason(
                    "layout_wells_not_imaged",
                    "warning",
                    found=f"{len(others)} well(s) without images: {shown}",
                    expected="images of the wells that the assay layout names",
                    where=source,
                    hint="nothing, if only a part of the plate was imaged",
                )
            )
    return notes
