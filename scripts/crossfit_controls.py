"""Predict each control of a screen by a phase-II model that did not see it.

Outputs
    `crossfit` (Parquet, columns of a readout)  plate, well, value (viability, fraction), flag (`fold 1`, …)
    `folds` (Parquet)                           plate, well, fold (from 1), value: every well by every fold's model; without
                                                rows unless it is asked for
Both without rows where phase II cannot be trained or a class has too few wells to hold one out.
"""

import logging
import shutil
from pathlib import Path

import pandas as pd

from exvivo.errors import TrainingError
from exvivo.inspection.flags import excluded_wells, read_flags
from exvivo.log import start_script
from exvivo.networks.recipes import recipe_from_settings
from exvivo.tables import FOLDS, READOUT, write_table
from exvivo.training.crossfit import crossfit
from exvivo.training.models import skipped_reason
from exvivo.training.phases import Run
from exvivo.viability import controls_of, mean_of_fields, read_images, training_layout

log = logging.getLogger("crossfit_controls")


def main(
    *,
    network,
    wells,
    flags,
    plates,
    contrast,
    incomplete,
    settings,
    folds,
    every_well,
    start,
    out,
    run,
):
    """Write the held-out predictions of a screen's controls, and what the same models say of all its wells."""
    left_out = excluded_wells(read_flags(flags))
    ready = training_layout(wells, plates, contrast, Path.cwd(), left_out, incomplete)
    reason = "; ".join(ready.reasons) or skipped_reason(start)
    frame, every = (schema.empty_table().to_pandas() for schema in (READOUT, FOLDS))
    checkpoints = Path(out.crossfit).with_suffix(".checkpoints")
    if not reason:
        images = read_images(wells, left_out)
        own, classes = controls_of(ready.layout, contrast, images)
        recipe = recipe_from_settings(network, "phase2", settings)
        how = {"recipe": recipe, "start": Path(start), "folds": folds, "run": run}
        how |= {"others": images.images if every_well else None, "checkpoints": checkpoints}
        try:
            held = crossfit(own.images, classes, own.plates, own.wells, **how)
        except TrainingError as error:
            reason = str(error)
        else:
            frame = mean_of_fields(
                own.keys, held.viability, flag=[f"fold {n + 1}" for n in held.fold]
            )
            if every_well:
                every = pd.concat(
                    mean_of_fields(images.keys, one, fold=n + 1)
                    for n, one in enumerate(held.others)
                )
    if reason:
        log.warning("no held-out predictions: %s", reason)
    write_table(frame, out.crossfit, READOUT)
    write_table(every, out.folds, FOLDS)
    shutil.rmtree(checkpoints, ignore_errors=True)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        network=snakemake.wildcards.network,
        wells=snakemake.input.wells,
        flags=snakemake.input.flags,
        plates=snakemake.params.plates,
        contrast=snakemake.params.contrast,
        incomplete=snakemake.params.incomplete,
        settings=snakemake.params.settings,
        folds=snakemake.params.folds,
        every_well=snakemake.params.every_well,
        start=snakemake.input.start,
        out=snakemake.output,
        run=Run(
            device=snakemake.resources.device,
            threads=snakemake.threads,
            seed=snakemake.params.settings["seed"],
        ),
    )
