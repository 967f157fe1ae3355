"""From nuclei to cells: outlines, rings of local background, and a row of numbers for each cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.segmentation.settings import SegmentationSettings
from exvivo.segmentation.tree import roundness

Labels = NDArray[np.int32]
_GAP = 1  # px left out between a cell and its ring: an outline is never exact


@dataclass(frozen=True)
class Outlines:
    """Labels (H, W) of one field; a cell has the number of its nucleus, and its ring has it too."""

    nuclei: Labels
    cells: Labels
    rings: Labels

    @classmethod
    def of(cls, nuclei: Labels, settings: SegmentationSettings) -> Outlines:
        """Grow cells around `nuclei` (numbered 1, 2, … without gaps), and rings around the cells."""
        from skimage.segmentation import expand_labels

        cells = expand_labels(nuclei, settings.expand_px)
        inner = expand_labels(cells, _GAP)
        rings = expand_labels(cells, _GAP + settings.ring_px)
        rings[inner > 0] = 0
        return cls(nuclei, cells.astype(np.int32), rings.astype(np.int32))


def measure_cells(outlines: Outlines, images: Mapping[str, NDArray[np.generic]]) -> pd.DataFrame:
    """One row per cell of a field, in the order of its labels.

    Args:
        outlines: of the field.
        images: channel name to image (H, W).

    Returns:
        `cell` label; `y`, `x` centre of the nucleus in pixels; `area` of the cell and `nucleus_area` in pixels;
        `roundness` of the nucleus (1 for an ellipse); `border` whether its nucleus touches the field's; and for each
        channel the mean over the cell and over the nucleus less the local background, and that background
        (`NAME`, `NAME_nucleus`, `NAME_ground`), in grey values.

    """
    nuclei, cells = outlines.nuclei, outlines.cells
    count = int(nuclei.max())
    area, shape = roundness(nuclei, count)
    at = np.flatnonzero(nuclei)
    own = nuclei.ravel()[at]
    y, x = np.divmod(at, nuclei.shape[1])
    known = np.maximum(area, 1)
    columns: dict[str, NDArray] = {
        "cell": np.arange(count + 1, dtype=np.int64),
        "y": np.bincount(own, y, minlength=count + 1) / known,
        "x": np.bincount(own, x, minlength=count + 1) / known,
        "area": np.bincount(cells.ravel(), minlength=count + 1).astype(np.float64),
        "nucleus_area": area,
        "roundness": shape,
        "border": _touching(nuclei, count),
    }
    for name, image in images.items():
        ground = _ground(image, outlines, count)
        columns[name] = _means(image, cells, count) - ground
        columns[f"{name}_nucleus"] = _means(image, nuclei, count) - ground
        columns[f"{name}_ground"] = ground
    return pd.DataFrame({name: values[1:] for name, values in columns.items()})


def _means(image: NDArray[np.generic], labels: Labels, count: int) -> NDArray[np.float64]:
    at = np.flatnonzero(labels)
    own = labels.ravel()[at]
    sums = np.bincount(own, image.ravel()[at].astype(np.float64), minlength=count + 1)
    return sums / np.maximum(np.bincount(own, minlength=count + 1), 1)


def _ground(image: NDArray[np.generic], outlines: Outlines, count: int) -> NDArray[np.float64]:
    """Median of each cell's ring; where neighbours leave it none, that of all that is no cell."""
    at = np.flatnonzero(outlines.rings)
    own = outlines.rings.ravel()[at]
    values = image.ravel()[at]
    order = np.lexsort((values, own))
    values = values[order].astype(np.float64)
    sizes = np.bincount(own, minlength=count + 1)
    starts = np.cumsum(sizes) - sizes
    found = np.full(count + 1, np.nan)
    some = sizes > 0
    lower, upper = starts[some] + (sizes[some] - 1) // 2, starts[some] + sizes[some] // 2
    found[some] = (values[lower] + values[upper]) / 2
    outside = image[outlines.cells == 0]
    common = float(np.median(outside if outside.size else image))
    return np.where(np.isnan(found), common, found)


def _touching(nuclei: Labels, count: int) -> NDArray[np.bool_]:
    touching = np.zeros(count + 1, bool)
    for side in (nuclei[0], nuclei[-1], nuclei[:, 0], nuclei[:, -1]):
        touching[side] = True
    return touching
