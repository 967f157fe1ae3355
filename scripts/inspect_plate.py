"""Look at the image of every well of a plate, before anything is scored.

Outputs
    `metrics` (Parquet)   one row per imaged well: what the image looks like, in numbers
    `flags` (Parquet)     one row per finding: plate, well, check, value, limit, consequence, text
Both without rows for a plate that is refused or still arriving.
"""

from exvivo.inspection.plate import inspect_plate
from exvivo.log import start_script
from exvivo.tables import EXPOSURE, IMAGE_QUALITY, WELL_FLAGS, read_table, write_table


def main(*, wells, exposure, settings, metrics, flags):
    """Write metrics and flags of one plate."""
    store = wells.replace(".done.json", ".zarr")
    found, wrong = inspect_plate(store, read_table(exposure, EXPOSURE), settings)
    write_table(found, metrics, IMAGE_QUALITY)
    write_table(wrong, flags, WELL_FLAGS)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        wells=snakemake.input.wells,
        exposure=snakemake.input.exposure,
        settings=snakemake.params.settings,
        metrics=snakemake.output.metrics,
        flags=snakemake.output.flags,
    )
