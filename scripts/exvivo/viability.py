"""From a screen's projected wells and layout to what the training loop takes, and back to a readout.

The glue between stores and tables on one side and plain arrays on the other: `exvivo.training` itself
knows neither Zarr nor pandas.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exvivo.errors import TrainingError
from exvivo.inspection.flags import WHOLE_PLATE
from exvivo.readiness import Readiness, check_contrasts, imaged_layout
from exvivo.sheets.layouts import contrast_wells
from exvivo.training.inference import Prediction, average_fields
from exvivo.wells import read_wells

NEGATIVE, POSITIVE = 1, 0
_Key = tuple[str, str]


@dataclass(frozen=True)
class ScreenImages:
    """All fields of a screen's usable wells.

    Attributes: `images` (n, 2, S, S) float32 in [0, 1], MIP and MID divided by the largest value of their
    raw type; `plates`, `wells` and `flags` of each row.
    """

    images: np.ndarray
    plates: list[str]
    wells: list[str]
    flags: list[str]

    def __len__(self) -> int:
        return len(self.plates)

    @property
    def keys(self) -> list[_Key]:
        """Plate and well of each row."""
        return list(zip(self.plates, self.wells, strict=True))

    def take(self, rows: Sequence[int]) -> ScreenImages:
        """The fields of `rows`, in their order."""
        chosen = [[values[i] for i in rows] for values in (self.plates, self.wells, self.flags)]
        return ScreenImages(self.images[list(rows)], *chosen)


def read_images(
    done: Sequence[Path | str], excluded: Collection[_Key] = frozenset()
) -> ScreenImages:
    """Read the stores of a screen's plates, named by their done files, in that order.

    Wells of `excluded`, pairs (plate, well) as `exvivo.inspection.flags.excluded_wells` names them, are left out.
    """
    stores = [read_wells(str(path).replace(".done.json", ".zarr")) for path in done]
    stores = [store for store in stores if len(store.wells)]
    if not stores:
        return ScreenImages(np.zeros((0, 2, 1, 1), np.float32), [], [], [])
    images = ScreenImages(
        np.concatenate([store.images / np.float32(store.max_value) for store in stores]),
        [store.plate for store in stores for _ in store.wells],
        [well for store in stores for well in store.wells],
        [flag for store in stores for flag in store.flags],
    )
    rows = [i for i, key in enumerate(images.keys) if not _is_in(key, excluded)]
    return images if len(rows) == len(images) else images.take(rows)


def _is_in(key: _Key, excluded: Collection[_Key]) -> bool:
    return key in excluded or (key[0], WHOLE_PLATE) in excluded


def training_layout(
    done: Sequence[Path | str],
    plates: Sequence[Mapping[str, str]],
    contrast: Mapping[str, Any],
    root: Path,
    excluded: Mapping[_Key, Sequence[str]] | None = None,
    incomplete: str = "wait",
) -> Readiness:
    """Whether and on what a network can be trained: the imaged plates' verdicts, layouts and controls.

    `excluded` wells, by (plate, well) with the checks that exclude them, count as damaged ones do.
    `incomplete` is the screen's policy (`exvivo.readiness.check_plates`): plates that are missing train nothing.
    """
    result = imaged_layout(done, plates, root, incomplete)
    for plate, well in _keys(result.layout):
        if _is_in((plate, well), excluded or ()):
            result.plates[plate]["damaged"][well] = "excluded"
    if not result.reasons:
        names = [plate for plate in result.plates if plate not in result.missing]
        check_contrasts(result, {"viability": contrast}, {"viability": names}, min_controls=1)
    return result


def labels_of(
    layout: pd.DataFrame, contrast: Mapping[str, Any], images: ScreenImages
) -> list[int | None]:
    """Class of each row of `images`: 1 negative control, 0 positive control, None for all others."""
    sides = contrast_wells(layout, contrast)
    side_of = dict(zip(_keys(layout), sides, strict=True))
    classes = {"negative": NEGATIVE, "positive": POSITIVE}
    return [classes.get(side_of.get(key, "")) for key in images.keys]


def duplicates_of(layout: pd.DataFrame, images: ScreenImages) -> list[tuple[Any, ...] | None]:
    """For each row of `images` in a treatment well a key that its replicates share, else None."""
    treated = layout[layout["role"] == "treatment"]
    columns = [treated[name] for name in ("treatment", "addon", "concentration")]
    key_of = dict(zip(_keys(treated), zip(*columns, strict=True), strict=True))
    return [key_of.get(key) for key in images.keys]


def has_duplicates(keys: Sequence[tuple[Any, ...] | None], images: ScreenImages) -> bool:
    """Whether any treatment was measured in more than one well."""
    wells = {(key, place) for key, place in zip(keys, images.keys, strict=True) if key is not None}
    return len(wells) > len({key for key, _ in wells})


def controls_of(
    layout: pd.DataFrame, contrast: Mapping[str, Any], images: ScreenImages
) -> tuple[ScreenImages, list[int]]:
    """The rows of `images` that are controls, and their classes."""
    labels = labels_of(layout, contrast, images)
    rows = [i for i, label in enumerate(labels) if label is not None]
    return images.take(rows), [labels[i] for i in rows]


def viability_of(readout: pd.DataFrame, images: ScreenImages) -> np.ndarray:
    """The value of each row's well in a readout (`exvivo.tables.READOUT`); `TrainingError` if one lacks."""
    value_of = dict(zip(_keys(readout), readout["value"], strict=True))
    lacking = [key for key in images.keys if key not in value_of]
    if lacking:
        raise TrainingError(
            "phase III needs the viability of every well",
            expected="a row for each imaged well",
            found=f"{len(lacking)} wells without, such as {lacking[0]}",
            where="viability_phase2.parquet",
            hint="run the workflow again: the readout is older than the images",
        )
    return np.array([value_of[key] for key in images.keys], dtype=np.float64)


def mean_of_fields(keys: Sequence[_Key], values: np.ndarray, **column: object) -> pd.DataFrame:
    """Plate, well, value: the mean over the fields of each well; `column` is one more to group by."""
    fields = pd.DataFrame(keys, columns=["plate", "well"]).assign(value=values, **column)
    return fields.groupby(["plate", "well", *column], sort=False, as_index=False)["value"].mean()


def to_readout(prediction: Prediction, images: ScreenImages) -> tuple[pd.DataFrame, np.ndarray]:
    """A readout (`exvivo.tables.READOUT`), one row per well, and the features of its rows.

    A well of several fields has the mean of their viabilities and features.
    """
    keys, means = average_fields(prediction, images.plates, images.wells)
    flags: dict[_Key, list[str]] = {}
    for key, flag in zip(images.keys, images.flags, strict=True):
        flags.setdefault(key, []).extend(part for part in flag.split(";") if part)
    for key, flag in zip(keys, means.flags, strict=True):
        flags[key] += [flag] if flag else []
    frame = pd.DataFrame(keys, columns=["plate", "well"]).assign(
        value=means.viability, flag=[";".join(dict.fromkeys(flags[key])) for key in keys]
    )
    return frame, means.features


def _keys(frame: pd.DataFrame) -> list[_Key]:
    return list(zip(frame["plate"], frame["well"], strict=True))
