"""What a network of one screen and marker learns from: crops of whole cells, called by the marker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exvivo.cells.gather import Excluded, SegmentedPlate, columns_for, is_excluded
from exvivo.cells.label import Labels
from exvivo.crops import CropReader, CropSettings, open_crops
from exvivo.crops.plate import read_index
from exvivo.crops.store import CropStore
from exvivo.embedding.space import draw_rows
from exvivo.errors import TrainingError
from exvivo.morphology.data import CellSet, balance
from exvivo.segmentation.limits import flag_cells


def training_cells(
    plates: Sequence[SegmentedPlate],
    crops: Mapping[str, tuple[Path, Path]],
    labels: Labels,
    marker: str,
    *,
    per_class: int,
    sample: str,
    excluded: Excluded | None = None,
    seed: int = 0,
) -> tuple[CellSet, CropSettings]:
    """At most `per_class` cells of each class, at random from all wells, and what their crops are.

    Args:
        plates: of the screen.
        crops: by plate the store and the table that says which cells its crops show.
        labels: of the screen.
        marker: that calls the cells.
        per_class: published 5,000.
        sample: name of the group that all these cells belong to.
        excluded: wells that are not learnt from.
        seed: of the choice.

    Raises `TrainingError` where a class has fewer than ten cells.

    """
    found = _whole_cells(plates, crops, labels, marker, excluded or {})
    chosen = balance(found.cancer, [sample] * len(found.cancer), per_class, seed)
    if len(chosen) < 20:
        raise TrainingError(
            "too few cells to learn from",
            expected="at least ten cells of each class",
            found=f"{int(found.cancer.sum())} called cancer, {int((~found.cancer).sum())} healthy",
            where=f"marker {marker}",
        )
    return found.read(chosen, sample), found.stores[0].settings


def solvent_cells(
    plates: Sequence[SegmentedPlate],
    crops: Mapping[str, tuple[Path, Path]],
    labels: Labels,
    marker: str,
    solvent: set[tuple[str, str]],
    *,
    per_class: int,
    sample: str,
    excluded: Excluded | None = None,
    seed: int = 0,
) -> CellSet:
    """At most `per_class` cells of each class from the `solvent` wells (plate, well): cells as no drug has changed them.

    For the rest as `training_cells`, but few cells are as welcome as many.
    """
    found = _whole_cells(plates, crops, labels, marker, excluded or {}, solvent)
    count = len(found.cancer)
    chosen = draw_rows(
        [sample] * count, found.cancer, np.ones(count, bool), per_group=per_class, seed=seed
    )
    return found.read(np.sort(chosen), sample)


@dataclass(frozen=True)
class _Found:
    """Whole cells of all plates: their stores, rows of each store, and what the marker calls them."""

    stores: list[CropStore]
    rows: list[NDArray[np.int64]]
    cancer: NDArray[np.bool_]

    def read(self, chosen: NDArray[np.int64], sample: str) -> CellSet:
        """The crops of some of them."""
        kind = self.stores[0].settings
        shape = (0, len(kind.channels), kind.stored, kind.stored)
        reader = CropReader(self.stores, _wanted(self.rows, chosen)) if len(chosen) else None
        blocks = [block for _, block in reader.in_order()] if reader else [np.empty(shape, "u2")]
        images = np.concatenate(blocks)
        return CellSet(images, self.cancer[chosen], [sample] * len(chosen), kind.size)


def _whole_cells(
    plates: Sequence[SegmentedPlate],
    crops: Mapping[str, tuple[Path, Path]],
    labels: Labels,
    marker: str,
    excluded: Excluded,
    only: set[tuple[str, str]] | None = None,
) -> _Found:
    if not plates:
        raise TrainingError(
            "no plate was admitted",
            expected="cells of at least one plate",
            found="none",
            where=f"marker {marker}",
            hint="results/plates/*/admission.json says why",
        )
    columns = columns_for(labels.stain, [marker])
    stores, rows, calls = [], [], []
    for plate in plates:
        frame, index = plate.cells(columns), read_index(crops[plate.plate][1])
        frame = frame.iloc[index]
        whole = flag_cells(frame, labels.limits, labels.stain) == "" if labels.limits else False
        use = whole & ~is_excluded(plate.plate, frame["well"], excluded)
        if only is not None:
            use &= frame["well"].isin({well for name, well in only if name == plate.plate})
        own = np.flatnonzero(use)
        stores.append(open_crops(crops[plate.plate][0]))
        rows.append(own)
        calls.append(labels.is_cancer(marker, frame[marker].to_numpy(float)[own]))
    return _Found(stores, rows, np.concatenate(calls))


def _wanted(rows: list[NDArray[np.int64]], chosen: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Chosen places among all rows as rows of each store."""
    ends = np.cumsum([len(own) for own in rows])
    starts = ends - [len(own) for own in rows]
    return [
        own[chosen[(chosen >= start) & (chosen < end)] - start]
        for own, start, end in zip(rows, starts, ends, strict=True)
    ]
