"""Train one network for the cells of many samples, and again without each part of them.

Outputs
    `model` (safetensors)   weights; without tensors, and with the reason as metadata, where it cannot be trained
    `record` (JSON)         recipe, cells, digests, device, accuracy on what was held out, samples with and without cells
    `history` (TSV)         one row per epoch and split: loss, accuracy, AUROC
    `samples` (TSV)         `exvivo.cells.pan.COLUMNS`: share of cells called as labelled, cells or whole samples held out
"""

import logging
import shutil
from pathlib import Path

import pandas as pd

from exvivo.cells.pan import COLUMNS, by_sample, read_sets, train_pan
from exvivo.errors import TrainingError
from exvivo.files import replacing
from exvivo.log import start_script
from exvivo.morphology.models import save_cell_model, save_skipped_cells
from exvivo.morphology.recipe import cell_recipe
from exvivo.training.devices import prepare, resolve_device

log = logging.getLogger("train_pan_morphology")


def main(*, files, network, settings, device, threads, model, samples):
    """Write model, record, history and table; `files` by sample."""
    recipe = cell_recipe(network, pan=True, changes=settings["recipe"])
    checkpoints = Path(model).with_suffix(".checkpoints")
    how = {"folds": settings["folds"], "seed": settings["seed"], "checkpoints": checkpoints}
    try:
        found = read_sets(files)
        where = resolve_device(device, allow_cpu=device != "cuda")
        prepare(where, threads)
        trained, table = train_pan(found.data, recipe, device=where, **how)
    except TrainingError as error:
        log.warning("skipped: %s", error.problem)
        _write(pd.DataFrame(columns=COLUMNS), samples)
        reason = f"{error.problem}: {error.found}" if error.found else error.problem
        save_skipped_cells(model, reason)
        return
    _write(table, samples)
    own = {"samples": list(table["sample"]), "without_cells": found.skipped}
    save_cell_model(model, trained, network, found.crops, own)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _write(table, path):
    with replacing(path) as partial:
        table.to_csv(partial, sep="\t", index=False, float_format="%.6g")


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        files=by_sample(snakemake.params.samples, snakemake.input),
        network=snakemake.wildcards.cell_network,
        settings=snakemake.params.settings,
        device=snakemake.resources.device,
        threads=snakemake.threads,
        model=snakemake.output.model,
        samples=snakemake.output.samples,
    )
