"""Held-out predictions of the controls, for a Z′ that counts (DESIGN.md, section 6).

Each control is predicted by a model that did not see it: one plate left out at a time, or stratified folds
where there is one plate. Every fold starts from the same model and trains by the same recipe as phase II.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from exvivo.errors import TrainingError
from exvivo.files import digest_bytes, read_json, write_json
from exvivo.networks import Recipe
from exvivo.training.checks import NEGATIVE, POSITIVE
from exvivo.training.data import by_column, controls_data
from exvivo.training.devices import prepare, resolve_device
from exvivo.training.inference import predict
from exvivo.training.phases import Run, fit
from exvivo.training.record import run_digest, run_inputs

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CrossFit:
    """Held-out predictions.

    Attributes: `viability` (n,) float64 of each image by a model that did not see its well, `fold` (n,)
    int64 0-based, `scheme` in words; `others` (folds, m) float64 of further images by each fold's model.
    """

    viability: np.ndarray
    fold: np.ndarray
    scheme: str
    others: np.ndarray


def crossfit(
    images: np.ndarray,
    labels: Sequence[int],
    plates: Sequence[str],
    wells: Sequence[str],
    *,
    recipe: Recipe,
    start: Path | None,
    folds: int = 3,
    others: np.ndarray | None = None,
    checkpoints: Path | None = None,
    run: Run | None = None,
) -> CrossFit:
    """Predict each control by a phase-II model trained without it.

    Args:
        images: (n, 2, S, S) float32 in [0, 1], one row per field.
        labels: 1 negative control, 0 positive control.
        plates: of each row.
        wells: of each row.
        recipe: of phase II.
        start: what phase II starts from.
        folds: number of folds where there is one plate, or where a plate holds all wells of a class.
        others: (m, 2, S, S) images that the models of all folds predict, too: how much models that saw
            different controls differ about a well is part of what is not known of it.
        checkpoints: folder for checkpoints and finished folds; the caller removes it when the result is
            written. None keeps none.
        run: device, seed and the like.

    Raises:
        TrainingError: a class has fewer than two wells, so that none can be held out; else as `train_phase`.

    """
    run = run or Run()
    fold, scheme = assign_folds(labels, plates, wells, folds)
    device = resolve_device(run.device, allow_cpu=run.allow_cpu, gpu_requested=run.gpu_requested)
    prepare(device, run.threads)
    viability = np.full(len(labels), np.nan)
    others = images[:0] if others is None else others
    seen_by = np.full((int(fold.max()) + 1, len(others)), np.nan)
    for index in range(len(seen_by)):
        held_out = np.flatnonzero(fold == index)
        seen = np.flatnonzero(fold != index)
        logger.info("cross-fit %d of %d (%s)", index + 1, len(seen_by), scheme)
        part = (images[seen], *(_take(values, seen) for values in (labels, plates, wells)))
        asked = np.concatenate([images[held_out], others])
        found = _fold(part, asked, recipe, start, _folder(checkpoints, index), run, device)
        viability[held_out], seen_by[index] = np.split(found, [len(held_out)])
    if not np.isfinite(viability).all():
        raise TrainingError(
            "a control has no held-out prediction",
            expected="one for each",
            found=f"{int((~np.isfinite(viability)).sum())} without",
            where="crossfit",
            hint="report this: it is a fault of exvivo",
        )
    return CrossFit(viability, fold, scheme, seen_by)


def assign_folds(
    labels: Sequence[int], plates: Sequence[str], wells: Sequence[str], folds: int
) -> tuple[np.ndarray, str]:
    """The fold (n,) in which each row is held out, and the scheme in words.

    One plate at a time if there are two or more and each leaves both classes to train on; else the wells of
    each class, sorted by plate, column and row, are dealt out to `folds` folds, fewer where a class has
    fewer wells. All fields of a well are in one fold.
    """
    names = sorted(set(plates))
    classes = {plate: set() for plate in names}
    for plate, label in zip(plates, labels, strict=True):
        classes[plate].add(label)
    enough = all(
        set().union(*(classes[other] for other in names if other != plate)) == {NEGATIVE, POSITIVE}
        for plate in names
    )
    if len(names) > 1 and enough:
        return np.array([names.index(plate) for plate in plates]), "leave one plate out"
    groups: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for label, plate, well in set(zip(labels, plates, wells, strict=True)):
        groups[label].append((plate, well))
    smallest = min(len(groups[label]) for label in (NEGATIVE, POSITIVE))
    if smallest < 2:
        raise TrainingError(
            "a class has too few wells to hold one out",
            expected="at least 2 wells of each control",
            found=f"{len(groups[NEGATIVE])} negative, {len(groups[POSITIVE])} positive",
            where="crossfit",
            hint="the cross-fitted Z′ needs more control wells",
        )
    count = min(folds, smallest)
    fold_of: dict[tuple[str, str], int] = {}
    for members in groups.values():
        members.sort(key=lambda pair: (pair[0], by_column(pair[1])))
        fold_of |= {pair: i % count for i, pair in enumerate(members)}
    fold = np.array([fold_of[pair] for pair in zip(plates, wells, strict=True)])
    return fold, f"{count} stratified folds"


def _fold(
    part: tuple,
    asked: np.ndarray,
    recipe: Recipe,
    start: Path | None,
    folder: Path | None,
    run: Run,
    device: torch.device,
) -> np.ndarray:
    """Viability of the images `asked` for; a fold that an earlier, broken run finished is read."""
    # Validation wells are held out only where they decide something: they would cost the fold data.
    per_class = recipe.validation_per_class if recipe.epoch == "best_validation" else 0
    data = controls_data(2, *part, per_class=per_class)
    if folder is None:
        fitted = fit(data, recipe, start=start, checkpoints=None, run=run, device=device)
        return predict(fitted.model, asked, device=device).viability
    key = run_digest(run_inputs(data, recipe, start, run.seed, device))
    key = digest_bytes(key.encode() + np.ascontiguousarray(asked).tobytes())
    finished = folder.with_suffix(".json")
    if finished.is_file() and (content := read_json(finished))["run"] == key:
        logger.info("this fold is finished already")
        return np.array(content["viability"], dtype=np.float64)
    fitted = fit(data, recipe, start=start, checkpoints=folder, run=run, device=device)
    found = predict(fitted.model, asked, device=device).viability
    write_json(finished, {"run": key, "viability": found.tolist()})  # repr of a float64 is exact
    fitted.folder.remove()
    return found


def _folder(checkpoints: Path | None, index: int) -> Path | None:
    return None if checkpoints is None else checkpoints / f"fold{index}"


def _take(values: Sequence, rows: np.ndarray) -> list:
    return [values[i] for i in rows]
