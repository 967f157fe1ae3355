"""Training sets of cells as files: crops, weak labels and groups in one safetensors file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from exvivo.errors import StoreError
from exvivo.files import replacing
from exvivo.morphology.data import CellSet

FORMAT = "exvivo cell set 1"


def save_cell_set(path: Path | str, data: CellSet) -> None:
    """Write a set of cells, whole or not at all."""
    names = list(dict.fromkeys(map(str, data.groups)))
    place = {name: number for number, name in enumerate(names)}
    tensors = {
        "crops": np.ascontiguousarray(data.crops),
        "cancer": data.cancer.astype(np.uint8),
        "group": np.asarray([place[str(g)] for g in data.groups], np.int32),
    }
    metadata = {"format": FORMAT, "groups": json.dumps(names), "size": str(data.size)}
    with replacing(path) as partial:
        save_file(tensors, partial, metadata)


def load_cell_set(path: Path | str) -> CellSet:
    """Read what `save_cell_set` wrote. Raises `StoreError` if it is missing, damaged or something else."""
    try:
        with safe_open(path, framework="numpy") as handle:
            metadata = handle.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"format {metadata.get('format', 'missing')}")
            crops, cancer, group = (handle.get_tensor(n) for n in ("crops", "cancer", "group"))
        names = json.loads(metadata["groups"])
        return CellSet(crops, cancer.astype(bool), [names[g] for g in group], int(metadata["size"]))
    except (OSError, ValueError, KeyError, IndexError, SafetensorError) as error:
        raise StoreError(
            "cannot read this set of cells",
            expected=f"a safetensors file of format {FORMAT}",
            found=str(error).splitlines()[0] if str(error) else type(error).__name__,
            where=Path(path).name,
            hint="remove it and run the workflow again",
        ) from error
