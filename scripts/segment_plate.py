"""Find the cells of an admitted plate and measure them in every channel.

Outputs
    labels.zarr, `labels` (labels.done.json)   per field an array (2, H, W): nuclei, cells, with the same numbers
    `cells` (Parquet)                          one row per cell: place, area, roundness, grey values above the local background
"""

from exvivo.log import start_script
from exvivo.segmentation import SegmentationSettings
from exvivo.segmentation.plate import segment_plate

if __name__ == "__main__":
    start_script(__file__, snakemake.log[0], raw=snakemake.params.folder)
    segment_plate(
        plate=snakemake.wildcards.plate,
        folder=snakemake.params.folder,
        fingerprint=snakemake.input.fingerprint,
        admission=snakemake.input.admission,
        channels=snakemake.params.channels,
        settings=SegmentationSettings.of(snakemake.params.settings),
        damaged_wells_limit=snakemake.params.damaged_wells_limit,
        cells=snakemake.output.cells,
        labels=snakemake.output.labels.replace(".done.json", ".zarr"),
        threads=snakemake.threads,
    )
