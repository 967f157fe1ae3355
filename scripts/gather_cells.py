"""Gather what a network for many samples needs of one screen: cells of all wells to learn from, cells of solvent wells to look at.

Outputs (safetensors, `exvivo.morphology.sets`): without cells where no marker can label them
    `cells`     at most `per_class` of each class, equally many of both, from all wells
    `solvent`   at most 1,000 of each class from the wells of the negative control
"""

import logging
from pathlib import Path

import numpy as np

from exvivo.cells.gather import crops_of_plates, segmented_plates
from exvivo.cells.label import Labels
from exvivo.cells.learn import solvent_cells, training_cells
from exvivo.crops import CropSettings
from exvivo.embedding.space import PER_GROUP
from exvivo.errors import TrainingError
from exvivo.files import read_json
from exvivo.inspection.flags import excluded_wells, read_flags
from exvivo.log import start_script
from exvivo.morphology.data import CellSet
from exvivo.morphology.sets import save_cell_set
from exvivo.readiness import imaged_layout
from exvivo.sheets.layouts import wells_of_side

log = logging.getLogger("gather_cells")


def main(
    *, plates, crops, labels, flags, choice, ready, contrast, sample, settings, seed, cells, solvent
):
    """Write both sets of one screen."""
    known, marker = Labels.read(labels), read_json(choice)["marker"]
    kind = CropSettings(**settings["crops"])
    how = {"sample": sample, "seed": seed, "excluded": excluded_wells(read_flags(flags))}
    untouched = wells_of_side(ready.layout, contrast, "negative")
    try:
        if marker not in known.usable:
            raise TrainingError(
                "no marker can label the cells of this sample",
                expected="a marker that tells two populations apart",
                found="; ".join(f"{name}: {why}" for name, why in known.refused.items()) or "none",
                where=sample,
            )
        given = (plates, crops, known, marker)
        learnt, kind = training_cells(*given, per_class=settings["per_class"], **how)
        seen = solvent_cells(*given, untouched, per_class=PER_GROUP, **how)
    except TrainingError as error:
        log.warning("no cells: %s", error)
        shape = (0, len(kind.channels), kind.stored, kind.stored)
        learnt = seen = CellSet(np.empty(shape, np.uint16), np.empty(0, bool), [], kind.size)
    save_cell_set(cells, learnt, kind.to_json())
    save_cell_set(solvent, seen, kind.to_json())


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        plates=segmented_plates(snakemake.input.segmented, snakemake.input.cells),
        crops=crops_of_plates(snakemake.input.crops, snakemake.input.index),
        labels=snakemake.input.labels,
        flags=snakemake.input.flags,
        choice=snakemake.input.choice,
        ready=imaged_layout(
            snakemake.input.segmented,
            snakemake.params.plates,
            Path.cwd(),
            snakemake.params.incomplete,
        ),
        contrast=snakemake.params.contrast,
        sample=snakemake.params.sample,
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        cells=snakemake.output.cells,
        solvent=snakemake.output.solvent,
    )
