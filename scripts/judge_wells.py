"""Join what is known of the wells of a screen: from their images, the network, and what people decided.

Output `flags` (Parquet): one row per finding: plate, well, check, source, value, limit, consequence, text
"""

import logging

import pandas as pd

from exvivo.inspection.accepted import accept_holds
from exvivo.inspection.flags import excluded_wells, flags_frame, read_flags
from exvivo.inspection.judge import join_flags
from exvivo.inspection.novelty import novel_wells
from exvivo.log import start_script
from exvivo.tables import LAYOUT, WELL_FLAGS, read_table, write_table

log = logging.getLogger("judge_wells")


def main(*, layout, plates, features, contrast, novel, decisions, accepted, flags):
    """Write the flags of one screen; `plates` are the tables of its imaged plates."""
    wells, parts = read_table(layout, LAYOUT), [read_flags(plates)]
    for path in features if len(wells) else ():
        seen = pd.read_parquet(path)
        parts.append(flags_frame(novel_wells(seen, wells, contrast, novel)))
    joined = accept_holds(join_flags(parts, wells, decisions), accepted)
    log.info("%d flags, %d wells excluded", len(joined), len(excluded_wells(joined)))
    write_table(joined, flags, WELL_FLAGS)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        layout=snakemake.input.layout,
        plates=snakemake.input.plates,
        features=snakemake.input.features,
        contrast=snakemake.params.contrast,
        novel=snakemake.params.novel,
        decisions=snakemake.params.decisions,
        accepted=snakemake.params.accepted,
        flags=snakemake.output.flags,
    )
