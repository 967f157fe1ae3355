"""Train one part of an architecture search; what is finished survives a killed job.

Output `nets` (Parquet, `exvivo.tables.SEARCH`): a row per network: layers, weights (count), seconds, accuracies
(fractions; missing, with the reason, where the training diverged).
"""

from pathlib import Path

import pandas as pd

from exvivo.log import start_script
from exvivo.morphology.data import split_cells
from exvivo.morphology.search import as_table, chunks, reference, search_chunk, search_recipe
from exvivo.morphology.sets import load_cell_set
from exvivo.tables import SEARCH, write_table
from exvivo.training.devices import prepare, resolve_device


def main(*, part, cells, settings, seed, nets, device, threads):
    """Write the table of part number `part`; the first one has the network in use beside it, as net -1."""
    data = load_cell_set(cells)
    names = ("epochs", "batch_size", "learning_rate")
    recipe = search_recipe(**{name: settings[name] for name in names})
    split = split_cells(data.cancer, recipe.validation, recipe.test, seed)
    numbers = chunks(settings["nets"], settings["nets_a_job"])[part]
    kept = Path(nets).with_suffix(".finished.jsonl")
    prepare(device, threads)
    table = search_chunk(numbers, data, split, recipe, kept=kept, seed=seed, device=device)
    if part == 0:
        own = as_table([reference(data, split, recipe, seed=seed, device=device)])
        table = pd.concat([own, table], ignore_index=True)
    write_table(table, nets, SEARCH)
    kept.unlink(missing_ok=True)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        part=int(snakemake.wildcards.part),
        cells=snakemake.input.cells,
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        nets=snakemake.output.nets,
        device=resolve_device(
            snakemake.resources.device, gpu_requested=bool(snakemake.resources.gpu)
        ),
        threads=snakemake.threads,
    )
