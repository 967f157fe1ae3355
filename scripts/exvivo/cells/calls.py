"""What a network says of every cell of a plate."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import torch

from exvivo.crops import CropReader, open_crops
from exvivo.crops.plate import read_index
from exvivo.morphology.applicability import unlike
from exvivo.morphology.models import CellModel, call_crops, load_cell_model, skipped_cells
from exvivo.tables import read_table, write_table

log = logging.getLogger(__name__)

CALLS = pa.schema(
    [
        ("row", pa.int64()),  # of the plate's cells.parquet
        ("cancer", pa.float32()),  # probability
    ]
)


def model_for(models: Sequence[Path | str], marker: str) -> Path | None:
    """Of a screen's models that of its marker; a single one of another name was released for many samples.

    None where no network could be trained.
    """
    files = {Path(path).stem: Path(path) for path in models}
    found = files.get(marker) or (next(iter(files.values())) if len(files) == 1 else None)
    return found if found is not None and not skipped_cells(found) else None


def call_plate(
    crops: Path,
    index: Path | str,
    model: Path | CellModel | None,
    out: Path | str,
    *,
    released: bool = False,
    device: torch.device | str = "cpu",
) -> tuple[int, float]:
    """Call the cells of one plate and write `CALLS` to `out`; return their number and the seconds of inference.

    Without a model the table has no rows, nor where a `released` one, trained on others, does not apply
    (`exvivo.morphology.applicability`). Raises `StoreError` where the model was trained on crops of another kind.
    """
    store, rows = open_crops(crops), read_index(index)
    if model is None or not len(store):
        write_table(CALLS.empty_table().to_pandas(), out, CALLS)
        return 0, 0.0
    loaded = load_cell_model(model, device) if isinstance(model, Path) else model
    if released and (why := unlike(loaded, CropReader([store]))):
        log.warning("%s: the released network does not apply: %s", store.plate, "; ".join(why))
        write_table(CALLS.empty_table().to_pandas(), out, CALLS)
        return 0, 0.0
    start = time.perf_counter()
    found = call_crops(loaded, CropReader([store]), device=device)
    seconds = time.perf_counter() - start
    write_table(pd.DataFrame({"row": rows, "cancer": found.cancer}), out, CALLS)
    return len(rows), seconds


def read_calls(path: Path | str) -> pd.DataFrame:
    """The calls of one plate."""
    return read_table(path, CALLS)
