"""Predict each control of a screen by a phase-II model that did not see it.

Output `crossfit` (Parquet, columns of a readout): plate, well, value (viability, fraction), flag (`fold 1`, …).
Without rows where phase II cannot be trained or a class has too few wells to hold one out.
"""

import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from exvivo.errors import TrainingError
from exvivo.inspection.flags import excluded_wells, read_flags
from exvivo.log import start_script
from exvivo.networks.recipes import recipe_from_settings
from exvivo.tables import READOUT, write_table
from exvivo.training.crossfit import crossfit
from exvivo.training.models import skipped_reason
from exvivo.training.phases import Run
from exvivo.viability import controls_of, read_images, training_layout

log = logging.getLogger("crossfit_controls")


def main(*, network, wells, flags, plates, contrast, incomplete, settings, folds, start, out, run):
    """Write the held-out predictions of a screen's controls."""
    left_out = excluded_wells(read_flags(flags))
    ready = training_layout(wells, plates, contrast, Path.cwd(), left_out, incomplete)
    reason = "; ".join(ready.reasons) or skipped_reason(start)
    frame = READOUT.empty_table().to_pandas()
    checkpoints = Path(out).with_suffix(".checkpoints")
    if not reason:
        own, classes = controls_of(ready.layout, contrast, read_images(wells, left_out))
        recipe = recipe_from_settings(network, "phase2", settings)
        how = {"recipe": recipe, "start": Path(start), "folds": folds, "run": run}
        try:
            held = crossfit(
                own.images, classes, own.plates, own.wells, checkpoints=checkpoints, **how
            )
        except TrainingError as error:
            reason = str(error)
        else:
            flags = [f"fold {number + 1}" for number in held.fold]
            fields = pd.DataFrame(own.keys, columns=["plate", "well"])
            fields = fields.assign(value=np.asarray(held.viability), flag=flags)
            frame = fields.groupby(["plate", "well", "flag"], sort=False, as_index=False).mean()
    if reason:
        log.warning("no held-out predictions: %s", reason)
    write_table(frame, out, READOUT)
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
        start=snakemake.input.start,
        out=snakemake.output.crossfit,
        run=Run(
            device=snakemake.resources.device,
            threads=snakemake.threads,
            seed=snakemake.params.settings["seed"],
        ),
    )
