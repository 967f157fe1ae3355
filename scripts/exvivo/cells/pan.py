"""One network for the cells of many samples, and how it fares with a sample that it has not seen.

Heinemann et al. 2022, Methods: 750 cells per class and sample, labelled by the marker whose own network trained best, held out by
cell (70/20/10). Ours: the same training again with whole samples held out in turn, because cells of one patient resemble each other,
and a new patient is always one that the network has not seen.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from exvivo.crops import CropSettings
from exvivo.errors import TrainingError
from exvivo.morphology.data import CellSet, split_cells, split_groups
from exvivo.morphology.models import call_arrays
from exvivo.morphology.recipe import CellRecipe
from exvivo.morphology.sets import crops_of_set, load_cell_set
from exvivo.morphology.training import TrainedCells, train_cells

log = logging.getLogger(__name__)

COLUMNS = ["sample", "cells", "accuracy_cells", "accuracy_new_sample"]
FEWEST = 2  # samples, for one to be held out


@dataclass(frozen=True)
class PanSet:
    """Cells of many samples: `data`, whose groups are the samples, `crops` what they are, `skipped` samples without any."""

    data: CellSet
    crops: CropSettings
    skipped: list[str]


def by_sample(samples: Sequence[str], files: Sequence[Path | str]) -> dict[str, list[Path | str]]:
    """Files by the sample that each belongs to, in the order of the samples' first ones."""
    found: dict[str, list[Path | str]] = {}
    for sample, path in zip(samples, files, strict=True):
        found.setdefault(sample, []).append(path)
    return found


def read_sets(files: Mapping[str, Sequence[Path | str]]) -> PanSet:
    """The sets of all samples in one; `files` by sample, several where it was screened more than once.

    Raises `TrainingError` where no sample has cells, or crops differ in kind.
    """
    parts: list[CellSet] = []
    kinds: dict[CropSettings, str] = {}
    skipped: list[str] = []
    for sample, paths in files.items():
        known = [(path, load_cell_set(path)) for path in paths]
        own = [(path, data) for path, data in known if len(data)]
        if not own:
            skipped.append(sample)
        for path, data in own:
            kinds.setdefault(CropSettings.from_json(crops_of_set(path)), sample)
            parts.append(CellSet(data.crops, data.cancer, [sample] * len(data), data.size))
    if not parts:
        raise TrainingError(
            "no sample has cells to learn from",
            expected="samples with a usable marker",
            found=f"none among {', '.join(skipped) or 'no samples'}",
            where="a network for many samples",
        )
    if len(kinds) > 1:
        raise TrainingError(
            "samples have crops of several kinds",
            expected="one size, pixel size and choice of channels",
            found="; ".join(f"{sample}: {kind.to_json()}" for kind, sample in kinds.items()),
            where="a network for many samples",
        )
    groups = [name for part in parts for name in part.groups]
    cancer = np.concatenate([part.cancer for part in parts])
    data = CellSet(np.concatenate([p.crops for p in parts]), cancer, groups, parts[0].size)
    return PanSet(data, next(iter(kinds)), skipped)


def train_pan(
    data: CellSet,
    recipe: CellRecipe,
    *,
    folds: int = 5,
    seed: int = 0,
    device: torch.device | str = "cpu",
    checkpoints: Path | None = None,
) -> tuple[TrainedCells, pd.DataFrame]:
    """Train on all samples, then once for each of `folds` groups of samples without them.

    Args:
        data: whose groups are samples.
        recipe: of the network.
        folds: parts that the samples are held out in; at most one a sample; 0 holds none out.
        seed: of weights, order, turns, and of who is held out together.
        device: to compute on.
        checkpoints: folder for those of every training.

    Returns:
        The network that has seen every sample, and `COLUMNS`: of each sample the number of cells and the share on which
        weak label and network agree, among cells held out (`accuracy_cells`) and with the whole sample held out
        (`accuracy_new_sample`; missing without folds).

    """
    groups = np.asarray(data.groups, dtype=object)
    names = list(dict.fromkeys(data.groups))
    split = split_cells(data.cancer, recipe.validation, recipe.test, seed)
    where = checkpoints / "all" if checkpoints else None
    trained = train_cells(data, split, recipe, seed=seed, device=device, checkpoints=where)
    tested = np.zeros(len(data), bool)
    tested[split.test] = True
    seen = agreement(trained, data, tested, device)
    fresh = np.full(len(data), np.nan)
    for number, out in enumerate(parts_of(names, folds, seed)):
        own = split_groups(data.cancer, data.groups, out, recipe.validation, seed)
        where = checkpoints / f"fold{number}" if checkpoints else None
        other = train_cells(data, own, recipe, seed=seed, device=device, checkpoints=where)
        rows = np.isin(groups, out)
        fresh[rows] = agreement(other, data, rows, device)[rows]
        log.info("without %s: %.3f of their cells as labelled", ", ".join(out), fresh[rows].mean())
    rows = [
        {
            "sample": name,
            "cells": int((groups == name).sum()),
            "accuracy_cells": _mean(seen[(groups == name) & tested]),
            "accuracy_new_sample": _mean(fresh[groups == name]),
        }
        for name in names
    ]
    return trained, pd.DataFrame(rows, columns=COLUMNS)


def parts_of(names: Sequence[str], folds: int, seed: int) -> list[list[str]]:
    """Which samples are held out together: as equal parts as may be, at random; none with fewer than two samples."""
    if folds < 2 or len(names) < FEWEST:
        return []
    order = np.random.default_rng([seed, 11]).permutation(len(names))
    return [
        [names[i] for i in sorted(part)] for part in np.array_split(order, min(folds, len(names)))
    ]


def agreement(
    trained: TrainedCells, data: CellSet, rows: NDArray[np.bool_], device: torch.device | str
) -> NDArray[np.float64]:
    """1 where network and weak label agree, 0 where not; missing outside `rows`."""
    found, wanted = np.full(len(data), np.nan), np.flatnonzero(rows)
    called = call_arrays(
        trained.module, trained.scale, data.crops[wanted], data.size, device=device
    )
    found[wanted] = (called.cancer >= 0.5) == data.cancer[wanted]
    return found


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
