"""Training sets of cells as files: crops, weak labels, groups and what the crops are, in one safetensors file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from exvivo.errors import StoreError
from exvivo.files import replacing
from exvivo.morphology.data import CellSet

FORMAT = "exvivo cell set 1"


def save_cell_set(path: Path | str, data: CellSet, crops: list[Any] | None = None) -> None:
    """Write a set of cells, whole or not at all; `crops` (`CropSettings.to_json`) says what they are, for a model to keep."""
    names = list(dict.fromkeys(map(str, data.groups)))
    place = {name: number for number, name in enumerate(names)}
    tensors = {
        "crops": np.ascontiguousarray(data.crops),
        "cancer": data.cancer.astype(np.uint8),
        "group": np.asarray([place[str(g)] for g in data.groups], np.int32),
    }
    metadata = {"format": FORMAT, "groups": json.dumps(names), "size": str(data.size)}
    if crops is not None:
        metadata["crops"] = json.dumps(crops)
    with replacing(path) as partial:
        save_file(tensors, partial, metadata)


def load_cell_set(path: Path | str) -> CellSet:
    """Read what `save_cell_set` wrote. Raises `StoreError` if it is missing, damaged or something else."""
    try:
        with safe_open(path, framework="numpy") as handle:
            metadata = _metadata(handle)
            crops, cancer, group = (handle.get_tensor(n) for n in ("crops", "cancer", "group"))
        names = json.loads(metadata["groups"])
        return CellSet(crops, cancer.astype(bool), [names[g] for g in group], int(metadata["size"]))
    except _DAMAGED as error:
        raise _unreadable(path, error) from error


def crops_of_set(path: Path | str) -> list[Any]:
    """What the crops of a set are, for `CropSettings.from_json`. Raises `StoreError` as `load_cell_set`, also where it does not say."""
    try:
        with safe_open(path, framework="numpy") as handle:
            return json.loads(_metadata(handle)["crops"])
    except _DAMAGED as error:
        raise _unreadable(path, error) from error


_DAMAGED = (OSError, ValueError, KeyError, IndexError, TypeError, SafetensorError)


def _metadata(handle: Any) -> dict[str, str]:
    metadata = handle.metadata() or {}
    if metadata.get("format") != FORMAT:
        raise ValueError(f"format {metadata.get('format', 'missing')}")
    return metadata


def _unreadable(path: Path | str, error: Exception) -> StoreError:
    return StoreError(
        "cannot read this set of cells",
        expected=f"a safetensors file of format {FORMAT}",
        found=str(error).splitlines()[0] if str(error) else type(error).__name__,
        where=Path(path).name,
        hint="remove it and run the workflow again",
    )
