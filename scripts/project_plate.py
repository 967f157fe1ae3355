"""Read every plane of an admitted plate once: projections, network input, mean of stack, hashes.

Outputs
    images.zarr, `images` (images.done.json)   OME-Zarr 0.5 plate; per field two channels, MIP and MID, raw grey values
    wells.zarr, `wells` (wells.done.json)      float32 (fields, 2, side, side), raw grey values: what a network reads
    `mean_of_stack` (Parquet)                  one row per well; value: mean grey value over planes and pixels
    `exposure` (Parquet)                       one row per field; share of saturated pixels at full size
    `hashes` (TSV)                             one row per raw file; SHA-256 taken while reading
"""

from exvivo.log import start_script
from exvivo.projection import project_plate

if __name__ == "__main__":
    start_script(__file__, snakemake.log[0], raw=snakemake.params.folder)
    project_plate(
        plate=snakemake.wildcards.plate,
        folder=snakemake.params.folder,
        fingerprint=snakemake.input.fingerprint,
        admission=snakemake.input.admission,
        channel=snakemake.params.channel,
        input_size=snakemake.params.input_size,
        damaged_wells_limit=snakemake.params.damaged_wells_limit,
        images=snakemake.output.images.replace(".done.json", ".zarr"),
        wells=snakemake.output.wells.replace(".done.json", ".zarr"),
        readout=snakemake.output.mean_of_stack,
        exposure=snakemake.output.exposure,
        hashes=snakemake.output.hashes,
        threads=snakemake.threads,
    )
