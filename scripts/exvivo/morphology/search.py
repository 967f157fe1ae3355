"""Architecture search: random networks for cells, each trained for a while, ranked by accuracy, time and size.

Heinemann et al. 2022, Methods: 291,800 networks drawn from the space in `exvivo.networks.bodies`, invalid ones discarded
before training; 5,000 cells of each class of one sample, 30 epochs at most; ranked by training accuracy, the one taken
chosen by time, size and test accuracy. `exvivo.morphology.ranking` ranks them.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from exvivo.errors import StoreError, TrainingError
from exvivo.files import digest_bytes
from exvivo.morphology.data import CellSet, Scale, Split
from exvivo.morphology.recipe import CellRecipe
from exvivo.morphology.training import train_cells
from exvivo.networks.bodies import MAX_LAYERS, Body, Layer, draw_layers, is_valid
from exvivo.networks.cells import MCNN
from exvivo.tables import SEARCH

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A net: its `number` in the search, its `layers`, and how many invalid ones were `discarded` before it."""

    number: int
    layers: tuple[Layer, ...]
    discarded: int = 0


def draw_candidate(
    seed: int, number: int, *, channels: int = 2, size: int = 20, max_layers: int = MAX_LAYERS
) -> Candidate:
    """Net `number` of a search: drawn until it is valid. It depends on seed and number alone, not on other nets."""
    rng = np.random.default_rng([seed, number, 6])
    discarded = 0
    while not is_valid(layers := draw_layers(rng, max_layers), channels=channels, size=size):
        discarded += 1
    return Candidate(number, tuple(layers), discarded)


def spell(layers: Sequence[Layer]) -> str:
    """Layers as text: `conv 3 1 1 32 · relu · dense 64`, numbers in the order of the search space."""
    return " · ".join(" ".join([la.kind, *map(str, la.numbers.values())]) for la in layers)


def try_candidate(
    candidate: Candidate,
    data: CellSet,
    split: Split,
    recipe: CellRecipe,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    scale: Scale | None = None,
) -> dict[str, Any]:
    """Train one net; return its row of `exvivo.tables.SEARCH`.

    `scale` of the crops, where it is known already. A net whose loss is not a number is no error: it has no accuracy
    and the reason beside it, and the search goes on.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(
            int(np.random.default_rng([seed, candidate.number + 1, 7]).integers(2**62))
        )
        body = Body(candidate.layers, channels=data.crops.shape[1], size=data.size)
    row: dict[str, Any] = {
        "net": candidate.number,
        "layers": spell(candidate.layers),
        "depth": len(candidate.layers),
        "weights": sum(p.numel() for p in body.parameters()),
        "discarded": candidate.discarded,
    }
    accuracies: dict[str, float | None] = {"train": None, "validation": None, "test": None}
    start, reason = time.monotonic(), ""
    try:
        done = train_cells(data, split, recipe, seed=seed, device=device, model=body, scale=scale)
    except TrainingError as error:
        reason = str(error).splitlines()[0]
    else:
        found = done.record["metrics"]
        accuracies = {part: found[part]["accuracy"] for part in found}
    row["seconds"] = time.monotonic() - start
    return row | {f"{p}_accuracy": accuracies.get(p) for p in ("train", "validation", "test")} | {"reason": reason}  # fmt: skip


def search_chunk(
    numbers: Sequence[int],
    data: CellSet,
    split: Split,
    recipe: CellRecipe,
    *,
    kept: Path,
    seed: int = 0,
    device: torch.device | str = "cpu",
    max_layers: int = MAX_LAYERS,
) -> pd.DataFrame:
    """Train the nets of `numbers`; what is finished is kept in the file `kept`, a line a net, and not trained again.

    A killed job goes on after its last whole line. Lines of another search (other data, split, recipe, seed) are
    not used. Remove `kept` when the table is written.
    """
    scale = Scale.of(data.crops[split.train], data.size)
    run = _run(data, split, recipe, seed, max_layers)
    done = {row["net"]: row for row in _finished(kept, run)}
    if done:
        logger.info("%d of %d nets were finished before", len(done), len(numbers))
    kept.parent.mkdir(parents=True, exist_ok=True)
    shape = {"channels": data.crops.shape[1], "size": data.size, "max_layers": max_layers}
    with kept.open("a", encoding="utf-8") as handle:
        for number in numbers:
            if number in done:
                continue
            candidate = draw_candidate(seed, number, **shape)
            how = {"seed": seed, "device": device, "scale": scale}
            done[number] = try_candidate(candidate, data, split, recipe, **how)
            handle.write(json.dumps({"run": run} | done[number]) + "\n")
            handle.flush()
            os.fsync(handle.fileno())
    return as_table([done[number] for number in numbers])


def reference(
    data: CellSet, split: Split, recipe: CellRecipe, *, seed: int = 0, device: str = "cpu"
) -> dict[str, Any]:
    """The row of mCNN, trained as the nets of the search are, as net -1."""
    return try_candidate(Candidate(-1, MCNN), data, split, recipe, seed=seed, device=device)


def as_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows in the columns of `exvivo.tables.SEARCH`."""
    frame = pd.DataFrame(rows, columns=SEARCH.names)
    return frame.astype({name: float for name in SEARCH.names if name.endswith("accuracy")})


def chunks(count: int, size: int) -> list[list[int]]:
    """Numbers 0 to `count` - 1 in parts of `size`, one a job."""
    return [list(range(start, min(start + size, count))) for start in range(0, count, size)]


def search_recipe(**changes: Any) -> CellRecipe:
    """Recipe of the search: that of one marker and sample, 30 epochs at most."""
    return replace(CellRecipe(network="search"), **changes)


def _run(data: CellSet, split: Split, recipe: CellRecipe, seed: int, max_layers: int) -> str:
    parts = [data.digest(), *(digest_bytes(p.tobytes()) for p in (split.train, split.validation, split.test))]  # fmt: skip
    return digest_bytes(
        json.dumps([parts, asdict(recipe), seed, max_layers, torch.__version__]).encode()
    )


def _finished(kept: Path, run: str) -> Iterator[dict[str, Any]]:
    """Whole lines of this run. A job killed while it wrote leaves half a line: its net is trained again."""
    if not kept.exists():
        return
    lines = kept.read_bytes().split(b"\n")
    if lines[-1]:
        with kept.open("ab") as handle:
            handle.write(b"\n")  # what comes next begins on a line of its own
    for line in lines[:-1]:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if not isinstance(row, dict):
            raise StoreError(
                "this is no list of finished nets", expected="a JSON object a line",
                found=str(row)[:40], where=kept.name, hint="remove the file and run the search again",
            )  # fmt: skip
        if row.pop("run", None) == run:
            yield row
