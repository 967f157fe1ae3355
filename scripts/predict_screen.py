"""Viability and penultimate features of every imaged well of a screen, by one model.

Outputs
    `readout` (Parquet)    one row per well: value is the probability of the negative-control class; flag
                           `out_of_range` for what training cannot produce
    `features` (Parquet)   plate, well, then one column per penultimate activation: f0000, f0001, …
Both without rows where the model was skipped; the log says why.
"""

import logging

import pandas as pd
import torch

from exvivo.files import replacing
from exvivo.log import start_script
from exvivo.tables import READOUT, write_table
from exvivo.training.inference import predict
from exvivo.training.models import skipped_reason
from exvivo.viability import read_images, to_readout

log = logging.getLogger("predict_screen")


def main(*, wells, model, device, threads, readout, features):
    """Write the readout of one model and its features."""
    torch.set_num_threads(threads)
    reason, images = skipped_reason(model), read_images(wells)
    if reason or not len(images):
        log.warning("nothing to predict: %s", reason or "no plate has a usable well")
        frame, activations = READOUT.empty_table().to_pandas(), None
    else:
        found = predict(model, images.images, device=device, allow_cpu=device != "cuda")
        frame, activations = to_readout(found, images)
    write_table(frame, readout, READOUT)
    table = pd.DataFrame(activations)
    table.columns = [f"f{number:04d}" for number in range(table.shape[1])]
    with replacing(features) as partial:
        pd.concat([frame[["plate", "well"]], table], axis=1).to_parquet(partial, index=False)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        wells=snakemake.input.wells,
        model=snakemake.input.model,
        device=snakemake.resources.device,
        threads=snakemake.threads,
        readout=snakemake.output.readout,
        features=snakemake.output.features,
    )
