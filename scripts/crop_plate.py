"""Cut a small image around every cell of a plate: what a network for cells reads.

Outputs
    crops.zarr, `crops` (crops.done.json)   (n, C, P, P) in raw grey values, in the order of the table of cells
    `index` (Parquet)                       row: the row of cells.parquet that each crop shows; cells at the border have none
"""

from exvivo.crops import CropSettings
from exvivo.crops.plate import crop_plate
from exvivo.log import start_script

if __name__ == "__main__":
    start_script(__file__, snakemake.log[0], raw=snakemake.params.folder)
    crop_plate(
        folder=snakemake.params.folder,
        fingerprint=snakemake.input.fingerprint,
        admission=snakemake.input.admission,
        labels=snakemake.input.labels,
        cells=snakemake.input.cells,
        channels=snakemake.params.channels,
        settings=CropSettings(**snakemake.params.settings),
        crops=snakemake.output.crops.replace(".done.json", ".zarr"),
        index=snakemake.output.index,
    )
