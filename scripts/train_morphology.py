"""Train a network to tell cancer from healthy cells, by what one marker of the sample calls them.

Outputs
    `model` (safetensors)   weights; without tensors, and with the reason as metadata, where it cannot be trained
    `record` (JSON)         recipe, cells, digests, device, accuracy on what was held out; or the reason
    `history` (TSV)         one row per epoch and split: loss, accuracy, AUROC
"""

import logging
from pathlib import Path

from exvivo.cells.gather import crops_of_plates, segmented_plates
from exvivo.cells.label import Labels
from exvivo.cells.learn import training_cells
from exvivo.errors import TrainingError
from exvivo.inspection.flags import excluded_wells, read_flags
from exvivo.log import start_script
from exvivo.morphology.data import split_cells
from exvivo.morphology.models import save_cell_model, save_skipped_cells, start_weights
from exvivo.morphology.recipe import cell_recipe
from exvivo.morphology.training import train_cells
from exvivo.training.devices import prepare, resolve_device

log = logging.getLogger("train_morphology")


def main(
    *,
    plates,
    crops,
    labels,
    flags,
    marker,
    network,
    sample,
    start,
    settings,
    device,
    threads,
    model,
):
    """Write model, record and history of one marker and sample; `start` is a network to go on from, none or one."""
    known, seed = Labels.read(labels), settings["seed"]
    recipe = cell_recipe(network, changes=settings["recipe"])
    how = {"per_class": settings["per_class"], "sample": sample, "seed": seed}
    how["excluded"] = excluded_wells(read_flags(flags))
    try:
        if marker not in known.usable:
            raise TrainingError(known.refused.get(marker, "the sample has no such marker"))
        data, kind = training_cells(plates, crops, known, marker, **how)
        split = split_cells(data.cancer, recipe.validation, recipe.test, seed)
        begun = start_weights(start[0], network, kind) if start else None
        folder = Path(model).with_suffix(".checkpoints")
        where = resolve_device(device, allow_cpu=device != "cuda")
        prepare(where, threads)
        how = {"seed": seed, "device": where, "checkpoints": folder, "model": begun}
        trained = train_cells(data, split, recipe, **how)
    except TrainingError as error:
        log.warning("skipped: %s", error.problem)
        save_skipped_cells(
            model, f"{error.problem}: {error.found}" if error.found else error.problem
        )
        return
    save_cell_model(model, trained, network, kind, {"marker": marker, "sample": sample})


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        plates=segmented_plates(snakemake.input.segmented, snakemake.input.cells),
        crops=crops_of_plates(snakemake.input.crops, snakemake.input.index),
        labels=snakemake.input.labels,
        flags=snakemake.input.flags,
        marker=snakemake.wildcards.marker,
        network=snakemake.wildcards.cell_network,
        sample=snakemake.params.sample,
        start=list(snakemake.input.get("start", [])),
        settings=snakemake.params.settings,
        device=snakemake.resources.device,
        threads=snakemake.threads,
        model=snakemake.output.model,
    )
