"""Call every cell of a plate by the screen's network, a chunk of crops at a time.

Output `calls` (Parquet): row of cells.parquet, cancer: the network's probability. Without rows where there is no network.
"""

import logging
from pathlib import Path

import torch

from exvivo.cells.calls import call_plate, model_for
from exvivo.files import read_json
from exvivo.log import start_script
from exvivo.training.devices import resolve_device

log = logging.getLogger("predict_cells")


def main(*, crops, index, models, choice, released, device, threads, calls):
    """Write the calls of one plate."""
    torch.set_num_threads(threads)
    model = model_for(models, read_json(choice)["marker"])
    where = resolve_device(device, allow_cpu=device != "cuda")
    count, seconds = call_plate(crops, index, model, calls, released=released, device=where)
    log.info("%d cells called, %.0f a second", count, count / max(seconds, 1e-9))


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        crops=Path(snakemake.input.crops.replace(".done.json", ".zarr")),
        index=snakemake.input.index,
        models=snakemake.input.models,
        choice=snakemake.input.choice,
        released=snakemake.params.released,
        device=snakemake.resources.device,
        threads=snakemake.threads,
        calls=snakemake.output.calls,
    )
