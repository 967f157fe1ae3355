"""Train one phase of the viability network, or write down why it cannot be trained.

Outputs
    `model` (safetensors)   weights; without tensors, and with the reason as metadata, where a phase is skipped
    `record` (JSON)         recipe, pre-processing, wells, digests, device, metrics; or the reason
    `history` (TSV)         one row per epoch and split: loss, accuracy, AUROC
"""

import logging
from pathlib import Path

import pandas as pd

from exvivo.inspection.flags import excluded_wells, read_flags
from exvivo.log import start_script
from exvivo.networks.recipes import recipe_from_settings
from exvivo.training import phases
from exvivo.training.models import save_skipped, skipped_reason
from exvivo.viability import (
    controls_of,
    duplicates_of,
    has_duplicates,
    labels_of,
    read_images,
    training_layout,
    viability_of,
)

log = logging.getLogger("train_phase")


def main(
    *,
    phase,
    network,
    wells,
    flags,
    plates,
    contrast,
    incomplete,
    settings,
    start,
    labels,
    model,
    run,
):
    """Train `phase` and write model, record and history."""
    left_out = excluded_wells(read_flags(flags))
    ready = training_layout(wells, plates, contrast, Path.cwd(), left_out, incomplete)
    reason = "; ".join(ready.reasons) or skipped_reason(start)
    if reason:
        log.warning("skipped: %s", reason)
        save_skipped(model, reason)
        return
    images = read_images(wells, left_out)
    recipe = recipe_from_settings(network, f"phase{phase}", settings)
    how = {
        "recipe": recipe,
        "out": Path(model),
        "start": Path(start),
        "checkpoints": Path(model).with_suffix(".checkpoints"),
        "run": run,
    }
    if phase < 3:
        train = phases.train_phase1 if phase == 1 else phases.train_phase2
        own, classes = controls_of(ready.layout, contrast, images)
        train(own.images, classes, own.plates, own.wells, **how)
        return
    duplicates = duplicates_of(ready.layout, images)
    if not has_duplicates(duplicates, images):
        save_skipped(model, "no treatment has a second well, so there are no labels to exchange")
        return
    phases.train_phase3(
        images.images,
        labels_of(ready.layout, contrast, images),
        duplicates,
        viability_of(pd.read_parquet(labels), images),
        images.plates,
        images.wells,
        **how,
    )


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        phase=snakemake.params.phase,
        network=snakemake.wildcards.network,
        wells=snakemake.input.wells,
        flags=snakemake.input.flags,
        plates=snakemake.params.plates,
        contrast=snakemake.params.contrast,
        incomplete=snakemake.params.incomplete,
        settings=snakemake.params.settings,
        start=snakemake.input.start,
        labels=snakemake.input.get("labels"),
        model=snakemake.output.model,
        run=phases.Run(
            device=snakemake.resources.device,
            threads=snakemake.threads,
            seed=snakemake.params.settings["seed"],
        ),
    )
